"""Build one release in one or more variants: the path from a version to artifacts in ``dist/``."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from patchkit import __version__, resources
from patchkit.building import smoke
from patchkit.building.answers import ConfigureAnswers
from patchkit.building.choose import choose
from patchkit.building.engine import Engine, EngineName, Identity, Workspace
from patchkit.building.log import BuildLog, build_log
from patchkit.building.recipe import OpenVpnTree
from patchkit.building.smoke import Check, Subject
from patchkit.building.toolchain import Toolchain, toolchain
from patchkit.errors import PatchkitError
from patchkit.packaging import manifest
from patchkit.packaging.archive import release_archive
from patchkit.packaging.dist import Dist, described
from patchkit.patching.render import Rendered, render
from patchkit.patching.variants import GUARD_MACRO, STOCK, Variant, variant
from patchkit.source.cache import Cache
from patchkit.source.obtain import Obtained, Request, obtain, series_of
from patchkit.ui import Ui


@dataclass(frozen=True)
class Order:
    """What the user asked for."""

    request: Request
    variants: Sequence[str]
    guard: bool = False
    target: str = "linux-amd64"
    engine: EngineName = "auto"
    out: Path = Path("dist")
    jobs: int = field(default_factory=lambda: len(os.sched_getaffinity(0)))
    keep_going: bool = False
    keep_build: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one variant."""

    variant: str
    artifact: manifest.Artifact | None
    error: PatchkitError | None
    seconds: float
    """Wall time of this variant alone; what variants share is not in it."""
    fresh: bool
    """False when the artifact was there already, made from the same inputs."""


@dataclass(frozen=True)
class _Planned:
    """One variant, rendered and named."""

    variant: Variant
    rendered: Rendered
    suffix: str
    """Goes behind the version: empty for stock, ``+retransmit``, ``+retransmit.guard``."""
    name: str
    inputs: str


def build(order: Order, cache: Cache, ui: Ui) -> list[Outcome]:
    """Fetch, verify, patch, compile, try and pack. One outcome a variant, in the order asked for.

    Raises the first error, unless ``keep_going``: then errors that concern one variant only are in
    its outcome and the others are built.
    """
    chosen = [variant(name) for name in dict.fromkeys(order.variants)]
    # What can be refused without a network is refused before anything is fetched.
    Dist(order.out).check()
    known = series_of(order.request)
    if known is not None:
        toolchain(known, order.target)
    ui.step(f"Source of {order.request.version}")
    obtained = obtain(order.request, cache, ui)
    ui.note(_vouched(obtained))
    tools = toolchain(obtained.series, order.target)
    if tools.series.name != obtained.series:
        ui.warn(f"series {obtained.series} is newer than this patchkit: taking the toolchain of {tools.series.name}")
    outcomes: dict[str, Outcome] = {}
    rendered = []
    for one in chosen:
        try:
            guard = order.guard and not one.is_stock
            rendered.append((one, render(one, obtained.tree, obtained.label, guard=guard)))
        except PatchkitError as error:
            outcomes[one.name] = _failed(one.name, error, 0.0, order)
    if rendered:
        ui.step(f"Toolchain for {tools.series.name} on {tools.target.name}")
        with choose(order.engine, cache, ui) as engine:
            identity = engine.prepare(tools, offline=order.request.offline)
            ui.note(f"{engine.name}: {identity.compiler}")
            planned = [_plan(one, diff, obtained, tools, identity) for one, diff in rendered]
            outcomes |= _build(planned, _Job(order, obtained, tools, identity, cache, ui), engine)
    return [outcomes[one.name] for one in chosen]


def _build(planned: Sequence[_Planned], job: _Job, engine: Engine) -> dict[str, Outcome]:
    """What is there already, and what has to be made."""
    outcomes = {}
    missing = []
    for one in planned:
        artifact = job.dist.find(one.name, one.inputs)
        if artifact is None:
            missing.append(one)
        else:
            outcomes[one.variant.name] = Outcome(one.variant.name, artifact, None, 0.0, fresh=False)
    if missing:
        name = f"{job.obtained.label}-{job.tools.target.name}-{os.getpid()}.log"
        keep = job.order.keep_build
        with (
            build_log(job.cache.folder("logs") / name, job.ui) as log,
            engine.workspace(job.identity, keep=keep) as workspace,
        ):
            try:
                outcomes |= job.run(workspace, log, missing)
            except PatchkitError as error:  # in what the variants share
                outcomes |= {one.variant.name: _failed(one.variant.name, error, 0.0, job.order) for one in missing}
    return outcomes


@dataclass(frozen=True)
class _Job:
    """One release on one toolchain; all its variants are built in one configured tree."""

    order: Order
    obtained: Obtained
    tools: Toolchain
    identity: Identity
    cache: Cache
    ui: Ui

    @property
    def dist(self) -> Dist:
        return Dist(self.order.out)

    def run(self, workspace: Workspace, log: BuildLog, planned: Sequence[_Planned]) -> dict[str, Outcome]:
        answers = ConfigureAnswers(self.cache, self.identity, self.obtained.tree.origin)
        tree = OpenVpnTree(workspace, self.obtained.tree, self.tools, jobs=self.order.jobs, log=log, answers=answers)
        self.ui.step(f"Configure {self.obtained.label}")
        tree.configure()
        self.ui.step(f"Compile {self.obtained.label}")
        smoke.prepare(workspace)
        stock = Subject(STOCK, tree.build(STOCK, {}, defines=(), suffix=""), tree.version(""))
        return {one.variant.name: self._one(workspace, tree, one, stock) for one in planned}

    def _one(self, workspace: Workspace, tree: OpenVpnTree, planned: _Planned, stock: Subject) -> Outcome:
        name, began = planned.variant.name, time.monotonic()
        try:
            artifact = self._artifact(workspace, tree, planned, stock)
        except PatchkitError as error:
            return _failed(name, error, time.monotonic() - began, self.order)
        return Outcome(name, artifact, None, time.monotonic() - began, fresh=True)

    def _artifact(
        self, workspace: Workspace, tree: OpenVpnTree, planned: _Planned, stock: Subject
    ) -> manifest.Artifact:
        name = planned.variant.name
        if not planned.variant.is_stock:
            self.ui.step(f"Compile {planned.name}: what the variant touches")
        defines = (GUARD_MACRO,) if planned.rendered.guard else ()
        binary = tree.build(name, planned.rendered.files, defines=defines, suffix=planned.suffix)
        subject = Subject(name, binary, tree.version(planned.suffix))
        self.ui.step(f"Smoke test {planned.name}")
        with ThreadPoolExecutor(max_workers=1) as pool:
            # Handshakes mostly wait; installing meanwhile costs nothing. Nothing is packed before all is tried.
            waiting = pool.submit(tree.install, name)
            checks = smoke.smoke(workspace, self.tools, subject, stock)
            installed = workspace.get(waiting.result())
        files = self._files(planned, installed)
        artifact = self._describe(planned, subject.version, files, checks)
        self.dist.add(artifact, files)
        return artifact

    def _files(self, planned: _Planned, installed: bytes) -> dict[str, bytes]:
        diff = f"{_stem(self.obtained, planned.suffix)}.diff"
        extra = {} if planned.variant.is_stock else {f"share/doc/openvpn/{diff}": planned.rendered.diff}
        files = {
            f"{planned.name}.tar.gz": release_archive(installed, planned.name, self.obtained.tree.origin.epoch, extra)
        }
        if not planned.variant.is_stock:
            files[diff] = planned.rendered.diff
        return files

    def _describe(
        self, planned: _Planned, version: str, files: dict[str, bytes], checks: list[Check]
    ) -> manifest.Artifact:
        rendered, origin, target = planned.rendered, self.obtained.tree.origin, self.tools.target
        return manifest.Artifact(
            name=planned.name,
            version=version,
            release=self.obtained.label,
            series=self.obtained.series,
            patchkit=__version__,
            inputs=planned.inputs,
            source=manifest.Source(**asdict(origin)),
            patch=manifest.Patch(
                variant=rendered.variant,
                status=planned.variant.status,
                guard=rendered.guard,
                diff_sha256=rendered.sha256 if rendered.diff else None,
                files=[
                    manifest.PatchedFile(path=path, before=_sha256(self.obtained.tree.read(path)), after=_sha256(data))
                    for path, data in sorted(rendered.files.items())
                ],
            ),
            build=manifest.Build(
                target=target.name,
                triplet=target.triplet,
                engine=self.identity.engine,
                compiler=self.identity.compiler,
                packages=dict(self.identity.packages),
                image=self.identity.image,
                base_image=self.identity.base_image,
                configure=self.tools.series.configure,
                cppflags=[*target.cppflags, *([f"-D{GUARD_MACRO}"] if rendered.guard else [])],
                cflags=target.cflags,
                ldflags=target.ldflags,
            ),
            checks=[manifest.Check(name=check.name, detail=check.detail) for check in checks],
            files=[described(name, data) for name, data in files.items()],
        )


def _plan(one: Variant, rendered: Rendered, obtained: Obtained, tools: Toolchain, identity: Identity) -> _Planned:
    suffix = "" if one.is_stock else f"+{one.name}" + (".guard" if rendered.guard else "")
    origin = asdict(obtained.tree.origin)
    contents = None
    if obtained.tree.origin.kind == "directory":
        contents = _sha256(obtained.tree.tar("x"))
    inputs = {
        "patchkit": resources.fingerprint(),
        "source": origin,
        "contents": contents,
        "variant": one.name,
        "diff": rendered.sha256,
        "guard": rendered.guard,
        "toolchain": tools.model_dump(),
        "identity": identity.digest,
    }
    return _Planned(
        variant=one,
        rendered=rendered,
        suffix=suffix,
        name=f"{_stem(obtained, suffix)}-{tools.target.name}",
        inputs=_sha256(json.dumps(inputs, sort_keys=True).encode()),
    )


def _stem(obtained: Obtained, suffix: str) -> str:
    return f"openvpn-{obtained.label}{suffix}"


def _failed(name: str, error: PatchkitError, seconds: float, order: Order) -> Outcome:
    if not order.keep_going:
        raise error
    return Outcome(name, None, error, seconds, fresh=True)


def _vouched(obtained: Obtained) -> str:
    origin = obtained.tree.origin
    what = origin.name if origin.commit is None else f"{origin.name}, commit {origin.commit[:12]}"
    if not origin.verified:
        return f"{what}: NOT verified, no pin vouches for it"
    return f"{what}: verified, {'sha256' if origin.kind == 'tarball' else 'commit and tree'} as pinned"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
