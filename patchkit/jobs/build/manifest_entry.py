"""What the manifest says of one artifact that was built and has passed its smoke test."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from patchkit import __version__, resources
from patchkit.building.check.elf import Linkage
from patchkit.building.check.smoke import CheckResult
from patchkit.building.inventory import Inventory
from patchkit.building.recipe.openssl import configure_words
from patchkit.building.toolchain_table import SYSTEM
from patchkit.jobs.build.plan import BuildInputs, Planned
from patchkit.jobs.library_vulnerabilities import assess_source
from patchkit.jobs.vulnerabilities import as_compiled, assess, platform_of
from patchkit.packaging import manifest
from patchkit.packaging.dist import described
from patchkit.patching.own.variant import BroughtVariant
from patchkit.patching.variants import GUARD_MACRO
from patchkit.printable import header_value
from patchkit.source.tree.tree import SourceTree, sha256_of_tree


def describe(
    planned: Planned,
    inputs: BuildInputs,
    *,
    version: str,
    linked: Linkage,
    files: Mapping[str, bytes],
    checks: Sequence[CheckResult],
    left_out: Sequence[str],
    system: Inventory,
    added_cflags: Sequence[str],
) -> manifest.Artifact:
    """Return the entry of the artifact ``planned``, without documents.

    ``version`` is what its binary calls itself, ``files`` are its files by name, ``left_out`` what it lacks and why,
    ``system`` what it was compiled on.
    """
    tree = inputs.obtained.tree
    return manifest.Artifact(
        name=planned.name,
        version=version,
        release=inputs.obtained.label,
        series=inputs.obtained.series,
        patchkit=__version__,
        patchkit_sha256=resources.fingerprint(),
        inputs=planned.inputs,
        source=_source(tree),
        patch=_patch(planned, tree),
        build=_build(inputs, planned, linked, left_out, system, added_cflags),
        checks=[manifest.Check(name=check.name, passed=check.passed, detail=check.detail) for check in checks],
        vulnerabilities=[*_of_openvpn(planned, inputs), *_of_libraries(inputs)],
        signature=_signature(inputs),
        files=[described(name, data) for name, data in files.items()],
    )


def _build(
    inputs: BuildInputs,
    planned: Planned,
    linked: Linkage,
    left_out: Sequence[str],
    system: Inventory,
    added_cflags: Sequence[str],
) -> manifest.Build:
    target, zig = inputs.tools.target, inputs.tools.zig
    return manifest.Build(
        target=target.name,
        triplet=target.triplet,
        engine=inputs.identity.engine,
        compiler=inputs.identity.compiler,
        packages=dict(inputs.identity.packages),
        installed={package.full_name: package.stated for package in system.toolchain},
        image=inputs.identity.image,
        base_image=inputs.identity.base_image,
        base_digest=inputs.identity.base_digest,
        wheel=manifest.File(name=zig.name, size=zig.size, sha256=zig.sha256) if zig else None,
        recipe=inputs.tools.series.recipe,
        configure=_options(inputs),
        cppflags=[*target.cppflags, *([f"-D{GUARD_MACRO}"] if planned.rendered.guard else [])],
        cflags=target.cflags,
        ldflags=target.ldflags,
        crypto=_crypto(inputs),
        portability=inputs.tools.portability,
        features=inputs.tools.features,
        added_cflags=list(added_cflags),
        zlib=zlib.ZLIB_RUNTIME_VERSION,
        libraries=[
            manifest.StaticLibrary(
                name=library.source.library.name,
                version=library.source.version,
                source=_source(library.source.tree),
            )
            for library in inputs.others
        ],
        left_out=list(left_out),
        needed=list(linked.needed),
        glibc=linked.glibc,
    )


def _patch(planned: Planned, tree: SourceTree) -> manifest.Patch:
    rendered = planned.rendered
    return manifest.Patch(
        variant=rendered.variant,
        status=planned.variant.status,
        guard=rendered.guard,
        diff_sha256=rendered.sha256 if rendered.diff else None,
        files=[
            manifest.PatchedFile(path=path, before=_before(tree, path), after=_sha256(data))
            for path, data in sorted(rendered.files.items())
        ],
        own=[
            manifest.OwnVariant(
                name=part.name,
                kind=part.kind,
                given=part.given,
                sha256=part.digest,
                title=header_value(part.title),
                authors=[header_value(author) for author in part.credited],
            )
            for part in planned.variant.parts
            if isinstance(part, BroughtVariant)
        ],
    )


def _of_openvpn(planned: Planned, inputs: BuildInputs) -> list[manifest.Vulnerability]:
    platform = platform_of(inputs.tools.target.system)
    assessment = assess(inputs.obtained, platform, as_compiled(planned.rendered, defined=True))
    return [
        manifest.Vulnerability(
            id=vulnerability.advisory.id,
            title=vulnerability.advisory.title,
            severity=vulnerability.advisory.severity,
            reach=vulnerability.advisory.reach,
            state=vulnerability.state,
        )
        for vulnerability in assessment.vulnerabilities
    ]


def _of_libraries(inputs: BuildInputs) -> list[manifest.Vulnerability]:
    built = [*([inputs.library] if inputs.library else []), *inputs.others]
    return [
        manifest.Vulnerability(
            id=advisory.id,
            component=assessment.library.name,
            title=advisory.title,
            severity=advisory.severity,
            reach="not rated",
            state=assessment.state,
        )
        for assessment in (assess_source(library.source) for library in built)
        for advisory in assessment.advisories
    ]


def _source(tree: SourceTree) -> manifest.Source:
    contents = sha256_of_tree(tree) if tree.origin.kind == "directory" else None
    return manifest.Source(**asdict(tree.origin), contents=contents)


def _options(inputs: BuildInputs) -> list[str]:
    by_hand = inputs.tools.series.recipe == "autotools" and inputs.library is not None
    return [*inputs.tools.configure, *(configure_words(inputs.tools.target) if by_hand else [])]


def _signature(inputs: BuildInputs) -> manifest.AuthenticodeSignature | None:
    signer = inputs.signer
    return manifest.AuthenticodeSignature(subject=signer.subject, certificate=signer.fingerprint) if signer else None


def _crypto(inputs: BuildInputs) -> manifest.Crypto:
    pinned = inputs.tools.crypto.pinned
    if pinned is None or inputs.library is None:
        version = inputs.identity.packages.get("libssl-dev", "unknown")
        return manifest.Crypto(choice="system", library=SYSTEM, version=version, linked="shared", verified=None)
    source = inputs.library.source
    return manifest.Crypto(
        choice="pinned",
        library=pinned.name,
        version=source.version,
        linked="static",
        verified=source.verified,
        source=_source(source.tree),
        end_of_life=pinned.end_of_life.isoformat() if pinned.end_of_life else None,
    )


def _before(tree: SourceTree, path: str) -> str | None:
    return _sha256(tree.read(path)) if path in tree else None


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
