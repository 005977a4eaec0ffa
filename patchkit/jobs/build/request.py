"""What a user asks ``patchkit build`` for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from patchkit.building.settings import BuildSettings
from patchkit.building.toolchain import Toolchain
from patchkit.building.toolchain_table import known_target, targets
from patchkit.errors import BadUsageError, KnownBadError
from patchkit.packaging.authenticode import Signer
from patchkit.packaging.kinds import check_packages, tools_of
from patchkit.patching.combination import Combination, combination
from patchkit.releases.version import Version
from patchkit.shard import Shard
from patchkit.source.obtain import SourceRequest, version_of
from patchkit.storage import check_writable


@dataclass(frozen=True)
class BuildRequest:
    """One release in one or more variants, for one target."""

    source: SourceRequest
    variants: Sequence[str]
    settings: BuildSettings = field(default_factory=BuildSettings)
    guard: bool = False
    target: str = "linux-amd64"
    out: Path = Path("dist")
    apart: bool = False
    """Whether each artifact goes into a folder of its own below ``out``, named after what went into it: in a cache,
    artifacts of one name that were built in several ways do not replace each other."""
    keep_going: bool = False
    keep_build: bool = False
    fail_on_vulnerable: bool = False
    """Whether a variant is refused where its source has known vulnerabilities, or it cannot be told."""
    with_source: bool = False
    """Whether the corresponding source is packed as well."""
    with_spdx: bool = False
    """Whether the SBOM is written in SPDX as well as in CycloneDX."""
    packages: Sequence[str] = ()
    """Kinds of packages to make as well."""
    signer: Signer | None = None
    """Who signs programs for Windows; other targets of the same run stay as they are."""
    lenient: bool = False
    """Among many releases, a source of OpenSSL that one of them does not need is not a mistake."""
    there: Mapping[str, str] = field(default_factory=dict)
    """The inputs of artifacts, by name, that the client of a cluster has already: they are not built again."""

    @property
    def combinations(self) -> list[Combination]:
        """The variants, each once, in the order given. Raises UnknownVariantError, ConflictError."""
        return list({chosen.name: chosen for chosen in map(combination, self.variants)}.values())

    @property
    def version(self) -> Version | None:
        """The version, where its name says it; None for other refs of a repository."""
        return version_of(self.source)

    def folder(self, inputs: str) -> Path:
        """Return the folder that an artifact goes into; ``inputs`` is the hash of what decided it."""
        return self.out / inputs[:32] if self.apart else self.out

    def validate(self) -> None:
        """Refuse what can be refused without a network, before anything is fetched.

        Raises UnknownVariantError, ConflictError and KnownBadError for the variants, StorageError for ``out``,
        ToolError for SPDX without its library. The toolchain, which the version's name mostly decides, is refused by
        :meth:`toolchain`.
        """
        known_bad = [part for chosen in self.combinations for part in chosen.parts if part.status == "known-bad"]
        if known_bad and not self.settings.allow_known_bad:
            raise KnownBadError(
                f"{known_bad[0].name} is known to be bad",
                why=known_bad[0].description.strip(),
                advice="to build it all the same, to look at it: --allow-known-bad",
            )
        check_packages(self.packages, known_target(self.target).system)
        if self.with_spdx:
            from patchkit.packaging.spdx import check_ready

            check_ready()
        check_writable(self.out, "--out")

    def toolchain(self, version: Version) -> Toolchain:
        """Choose the toolchain of ``version``.

        Raises what :meth:`BuildSettings.toolchain` raises, and BadUsageError for a source of OpenSSL that the
        toolchain does not need.
        """
        tools = self.settings.toolchain(version, self.target)
        if not self.lenient:
            refuse_needless_openssl(tools, self.settings)
        return tools.model_copy(update={"packages": sorted({*tools.packages, *tools_of(self.packages)})})


def refuse_needless_openssl(tools: Toolchain, settings: BuildSettings) -> None:
    """Raise BadUsageError where ``settings`` name a source of OpenSSL and ``tools`` take the system's library."""
    if settings.openssl_sources and tools.crypto.pinned is None:
        raise BadUsageError(
            "--openssl-source is given, but the system's OpenSSL is used",
            why=f"this release of {tools.series.name} is built with the system's OpenSSL by default",
            advice="--crypto pinned",
        )


EVERY = "all"
"""Names, among targets, each that can be built here."""


@dataclass(frozen=True)
class ReleasesRequest:
    """One release or all of them, for one or more targets, each built as ``build`` says."""

    build: BuildRequest
    targets: Sequence[str] = ("linux-amd64",)
    every: bool = False
    """Whether the targets are all that can be built here: those that have no package of a kind get none."""
    all_releases: bool = False
    since: str | None = None
    """The oldest release, or series, of ``all_releases``."""
    shard: Shard | None = None
    """The part of ``all_releases`` that is built; None: all of them."""
    sign_key: Path | None = None
    sign_cert: Path | None = None
    on: str | None = None
    """The address of Dask's scheduler, whose workers build; None: this machine does."""

    def validate(self) -> None:
        """Raise BadUsageError for options that exclude or need each other, UnknownTargetError for the targets."""
        source = self.build.source
        if self.since is not None and not self.all_releases:
            raise BadUsageError("--since goes with --all-releases")
        if self.shard is not None and not self.all_releases:
            raise BadUsageError("--shard goes with --all-releases")
        if self.all_releases and source.source is not None:
            raise BadUsageError("--source is one release", advice="--git takes a repository with all of them")
        if self.all_releases and self.build.keep_build:
            raise BadUsageError(
                "--keep-build is for one release", advice="--version V, for the one that is to be looked at"
            )
        if (self.sign_key is None) != (self.sign_cert is None):
            raise BadUsageError("--sign-key and --sign-cert go together")
        systems = {known_target(name).system for name in (targets() if EVERY in self.targets else self.targets)}
        if self.sign_key is not None and "windows" not in systems:
            raise BadUsageError("only programs for Windows are signed", advice="--target windows-amd64")

    def by_target(self) -> list[BuildRequest]:
        """Return a request for each target. Raises SigningError where the key or its certificate is not usable."""
        signer = None
        if self.sign_key is not None and self.sign_cert is not None:
            signer = Signer.ready(self.sign_key, self.sign_cert)
        return [
            replace(self.build, target=target, signer=signer, packages=self._packages(target))
            for target in dict.fromkeys(self.targets)
        ]

    def _packages(self, target: str) -> Sequence[str]:
        return self.build.packages if not self.every or known_target(target).system == "linux" else ()
