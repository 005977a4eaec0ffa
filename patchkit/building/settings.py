"""How programs are compiled, whatever the release, the variant and the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from patchkit.building.engine.protocol import EngineName
from patchkit.building.flags import check_flags, machine_flags
from patchkit.building.toolchain import Toolchain, toolchain
from patchkit.building.toolchain_table import check_crypto, known_feature, known_target
from patchkit.errors import BadUsageError
from patchkit.processors import cores
from patchkit.releases.version import Version


@dataclass(frozen=True)
class BuildSettings:
    """The settings that every command that compiles has in common."""

    engine: EngineName = "auto"
    crypto: str | None = None
    """``system``, ``pinned`` or a pinned library's name; None for the first that the toolchains' table lists."""
    openssl_sources: Sequence[str] = ()
    """Where the pinned OpenSSL's source is taken from instead: tarballs, folders or git repositories."""
    features: Sequence[str] = ()
    cflags: Sequence[str] = ()
    """Compiler flags that follow the toolchain's own."""
    jobs: int = field(default_factory=cores)
    timeout: int | None = None
    """Seconds that one command may take; None: what ``PATCHKIT_BUILD_TIMEOUT`` has, or four hours."""
    allow_known_bad: bool = False
    """Whether variants of the status known-bad are built."""

    def check(self) -> None:
        """Raise BadUsageError for what makes no sense for any release: before anything is looked for or fetched."""
        check_flags(self.cflags)
        if self.crypto is not None:
            check_crypto(self.crypto)
        for feature in self.features:
            known_feature(feature)

    def toolchain(self, version: Version, target: str, *, linking: bool = True) -> Toolchain:
        """Choose the toolchain of ``version`` for ``target``.

        Raises UnknownTargetError, BadUsageError for an unknown feature or library and for a compiler flag that would
        not do what it says, and ToolchainError where the release cannot be built so.
        """
        check_flags(self.cflags)
        if known_target(target).zig and (unchecked := machine_flags(self.cflags)):
            raise BadUsageError(
                f"--cflag={unchecked[0]} can't be checked for {target}",
                why="zig does not state which instructions it may use",
                advice="leave it out, or build for linux-amd64",
            )
        return toolchain(
            version, target, crypto=self.crypto, features=self.features, cflags=self.cflags, linking=linking
        )

    def engine_of(self, tools: Toolchain) -> EngineName:
        """Return the engine that compiles with ``tools``: a static program is the host's, unless Docker is named."""
        return "host" if tools.zig is not None and self.engine == "auto" else self.engine

    def words(self) -> list[str]:
        """Return the words of a command line that ask for these settings, the number of jobs aside."""
        named = {"--crypto": self.crypto, "--engine": None if self.engine == "auto" else self.engine}
        words = [word for option, value in named.items() if value is not None for word in (option, value)]
        words += [word for source in self.openssl_sources for word in ("--openssl-source", source)]
        words += [word for feature in self.features for word in ("--with", feature)]
        words += [f"--cflag={flag}" for flag in self.cflags]
        words += ["--timeout", str(self.timeout)] if self.timeout is not None else []
        return words + (["--allow-known-bad"] if self.allow_known_bad else [])
