"""All variants of one release in one configured tree: compiled, tested, packed and put into their folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from patchkit.building.engine.protocol import Workspace, one_file
from patchkit.building.flags import check_configured, check_machine, check_program, machine_flags
from patchkit.building.recipe.choose import tree_of
from patchkit.building.recipe.configure_cache import ConfigureAnswers
from patchkit.building.recipe.log import BuildLog
from patchkit.building.recipe.stock_program import StockProgram
from patchkit.building.recipe.tree import OpenVpnTree
from patchkit.context import Context
from patchkit.errors import PatchkitError
from patchkit.jobs.build.libraries import check_linked
from patchkit.jobs.build.outcome import Outcome
from patchkit.jobs.build.plan import BuildInputs, Planned
from patchkit.jobs.build.request import BuildRequest
from patchkit.packaging import manifest
from patchkit.packaging.dist import Dist, described
from patchkit.patching.variants import GUARD_MACRO, STOCK

if TYPE_CHECKING:  # a build that finds everything up to date needs none of what describes artifacts
    from patchkit.building.check.smoke import CheckResult, Subject
    from patchkit.jobs.build.documents import StandsOn


@dataclass(frozen=True)
class OneTree:
    """One release on one toolchain; all its variants are built in one configured tree."""

    request: BuildRequest
    inputs: BuildInputs
    context: Context

    def dist(self, planned: Planned) -> Dist:
        """Return the folder that the artifact of ``planned`` goes into."""
        return Dist(self.request.folder(planned.inputs))

    def build(self, workspace: Workspace, log: BuildLog, planned: Sequence[Planned]) -> dict[str, Outcome]:
        """Build all of ``planned`` in ``workspace``; return what became of each, by its variant's name.

        Raises what concerns all of them: CompileError, BadSourceError, DiskFullError, SmokeError and the engine's
        errors; and, unless ``keep_going``, the first error of one.
        """
        from patchkit.building.check import smoke

        tree = self._configured(workspace, log)
        self.context.ui.step(f"Compile {self.inputs.obtained.label}")
        stock = smoke.Subject(STOCK, self._stock(workspace, tree, planned), tree.version(""))
        with smoke.prepared_workspace(workspace, self.inputs.tools.target):
            return {plan.variant.name: self._outcome(workspace, tree, plan, stock) for plan in planned}

    def _configured(self, workspace: Workspace, log: BuildLog) -> OpenVpnTree:
        """Return the release's tree in ``workspace``, configured with the flags that were asked for."""
        settings = self.request.settings
        answers = ConfigureAnswers(self.context.cache, self.inputs.identity, self.inputs.obtained.tree.origin)
        tree = tree_of(self.inputs.tools)(
            workspace, self.inputs.obtained.tree, self.inputs.tools,
            jobs=settings.jobs, log=log, answers=answers, libraries=self.inputs.static,
        )  # fmt: skip
        for text in tree.left_out:
            expected = text in self.inputs.tools.target.left_out
            (self.context.ui.note if expected else self.context.ui.warn)(f"left out: {text}")
        self.context.ui.step(f"Configure {self.inputs.obtained.label}")
        tree.configure()
        if settings.cflags:
            check_configured(settings.cflags, tree.cflags)
        if machine_flags(settings.cflags):
            check_machine(settings.cflags, tree.machine_answer())
        return tree

    def _stock(self, workspace: Workspace, tree: OpenVpnTree, planned: Sequence[Planned]) -> str:
        """Return the path of the stock program: kept by an earlier build, or compiled, as where ``planned`` has it."""
        program = StockProgram(
            self.context.cache,
            self.inputs.identity,
            self.inputs.obtained.tree.origin,
            self.inputs.tools,
            self.inputs.static,
        )
        before = None if any(plan.variant.is_stock for plan in planned) else program.recall()
        if before is not None:
            return tree.place(STOCK, before)
        binary = tree.build(STOCK, {}, defines=(), suffix="")
        program.remember(one_file(workspace.get(binary))[0])
        return binary

    def _outcome(self, workspace: Workspace, tree: OpenVpnTree, planned: Planned, stock: Subject) -> Outcome:
        name, began = planned.variant.name, time.monotonic()
        try:
            artifact = self._artifact(workspace, tree, planned, stock)
        except PatchkitError as error:
            if not self.request.keep_going:
                raise
            return Outcome.failed(name, error, time.monotonic() - began)
        return Outcome(name, artifact, None, time.monotonic() - began, fresh=True)

    def _artifact(self, workspace: Workspace, tree: OpenVpnTree, planned: Planned, stock: Subject) -> manifest.Artifact:
        """Compile ``planned``, try it against ``stock``, pack it, and put it into its folder."""
        from patchkit.building.check.smoke import CheckResult, Subject
        from patchkit.jobs.build.artifact_files import packed
        from patchkit.jobs.build.manifest_entry import describe

        if not planned.variant.is_stock:
            self.context.ui.step(f"Compile {planned.name}")
        defines = (GUARD_MACRO,) if planned.rendered.guard else ()
        binary = tree.build(planned.variant.name, planned.rendered.files, defines=defines, suffix=planned.suffix)
        program, _ = one_file(workspace.get(binary))
        target, epoch = self.inputs.tools.target, self.inputs.obtained.tree.origin.epoch
        linked, holds = check_linked(program, self.inputs.library, target, epoch=epoch)
        check_program(self.request.settings.cflags, program)
        subject = Subject(planned.variant.name, binary, tree.version(planned.suffix))
        self.context.ui.step(f"Smoke test {planned.name}")
        with ThreadPoolExecutor(max_workers=1) as pool:
            # Handshakes mostly wait; installing meanwhile costs nothing. Nothing is packed before all is tried.
            waiting = pool.submit(self._installed, workspace, tree, planned.variant.name)
            checks = self._tried(workspace, planned, subject, stock)
            installed, base = waiting.result()
        files = packed(planned, self.inputs, installed, self.context.ui)
        artifact = describe(
            planned,
            self.inputs,
            version=subject.version,
            linked=linked,
            files=files,
            checks=[CheckResult("linkage", holds), *checks],
            left_out=tree.left_out,
            system=base.system,
            added_cflags=self.request.settings.cflags,
        )
        return self._added(artifact, files, planned, base, workspace)

    def _tried(self, workspace: Workspace, planned: Planned, subject: Subject, stock: Subject) -> Sequence[CheckResult]:
        """Return what the smoke test of ``subject`` found, and warn of what a known-bad variant may fail."""
        from patchkit.building.check import smoke

        test = smoke.smoke_known_bad if planned.variant.status == "known-bad" else smoke.smoke
        checks = test(workspace, self.inputs.tools, subject, stock)
        for check in checks:
            if not check.passed:
                self.context.ui.warn(f"{check.name} failed, as it may for a known-bad variant: {check.detail}")
        return checks

    def _installed(self, workspace: Workspace, tree: OpenVpnTree, name: str) -> tuple[bytes, StandsOn]:
        """Install the last build, and return the installed tree as a tar, and what its programs stand on."""
        from patchkit.jobs.build.documents import stands_on

        installed = workspace.get(tree.install(name))
        return installed, stands_on(workspace, self.inputs.tools, installed)

    def _added(
        self,
        artifact: manifest.Artifact,
        files: dict[str, bytes],
        planned: Planned,
        base: StandsOn,
        workspace: Workspace,
    ) -> manifest.Artifact:
        """Put ``artifact`` into its folder with its packages and documents; return it with them described."""
        from patchkit.jobs.build.documents import documents_of
        from patchkit.jobs.build.packages import packages

        made = packages(self.request.packages, artifact, files, self.inputs, workspace)
        artifact = artifact.model_copy(update={"packages": [described(name, data) for name, data in made.items()]})
        documents = documents_of(artifact, files, base, self.inputs.tools, with_spdx=self.request.with_spdx)
        if self.request.with_source:
            from patchkit.jobs.build.corresponding_source import SUFFIX as SOURCE
            from patchkit.jobs.build.corresponding_source import corresponding_source

            source = corresponding_source(artifact, planned, self.inputs, self.context)
            documents[f"{artifact.name}{SOURCE}"] = source
        documented = artifact.model_copy(
            update={"documents": [described(name, data) for name, data in documents.items()]}
        )
        self.dist(planned).add(documented, {**files, **made, **documents})
        return documented
