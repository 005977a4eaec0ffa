"""What is going to be made: the order as the user gave it, and each variant rendered, named and fingerprinted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from patchkit import resources
from patchkit.building.engine.protocol import EngineName, Identity, cores
from patchkit.building.recipe.static_library import StaticLibrary
from patchkit.building.toolchain import Toolchain
from patchkit.packaging.authenticode import Signer
from patchkit.patching.combination import Combination
from patchkit.patching.render import Rendered
from patchkit.source.obtain import Obtained, Request


@dataclass(frozen=True)
class Order:
    """What the user asked for."""

    request: Request
    variants: Sequence[str]
    guard: bool = False
    target: str = "linux-amd64"
    engine: EngineName = "auto"
    out: Path = Path("dist")
    apart: bool = False
    """Whether each artifact goes into a folder of its own below ``out``, named after what went in: in a cache,
    programs of one name that were made in several ways do not replace each other."""
    jobs: int = field(default_factory=cores)
    keep_going: bool = False
    keep_build: bool = False
    allow_known_bad: bool = False
    crypto: str | None = None
    """``system``, ``pinned`` or a pinned library's name; None for what the toolchains' table has first."""
    features: Sequence[str] = ()
    cflags: Sequence[str] = ()
    """Compiler flags behind the toolchain's own."""
    openssl_sources: Sequence[str] = ()
    """Where to take a pinned library's source from instead, each a tarball, a folder or a git repository."""
    signer: Signer | None = None
    """Who signs programs for Windows; other targets of the same order stay as they are."""
    lenient: bool = False
    """Among many releases: a source of OpenSSL that this one does not want is no mistake."""


@dataclass(frozen=True)
class Ground:
    """What all variants of one build stand on."""

    obtained: Obtained
    tools: Toolchain
    identity: Identity
    library: StaticLibrary | None
    """The crypto library that was compiled for it; None with the system's own."""
    others: Sequence[StaticLibrary] = ()
    """What else is linked statically."""
    ordered: Signer | None = None
    """Who was named to sign, whatever the target."""

    @property
    def signer(self) -> Signer | None:
        """Who signs this build: only programs for Windows are signed."""
        return self.ordered if self.tools.target.system == "windows" else None

    @property
    def static(self) -> list[StaticLibrary]:
        """All that is linked statically."""
        return [*([self.library] if self.library else []), *self.others]


@dataclass(frozen=True)
class Planned:
    """One variant, rendered and named."""

    variant: Combination
    rendered: Rendered
    suffix: str
    """Goes behind the version: empty for stock, ``+retransmit``, ``+retransmit.guard``."""
    stem: str
    """Begins the names of all files: ``openvpn-2.6.14+retransmit``."""
    name: str
    """The artifact's name: the stem and the target."""
    inputs: str
    """A hash of everything that decides what the artifact becomes."""


def place(order: Order, inputs: str) -> Path:
    """Return the folder that an artifact of ``order`` with these ``inputs`` goes into."""
    return order.out / inputs[:32] if order.apart else order.out


def plan(variant: Combination, rendered: Rendered, ground: Ground) -> Planned:
    """Name one variant and hash what goes into it."""
    suffix = variant.suffix(guard=rendered.guard)
    stem = f"openvpn-{ground.obtained.label}{suffix}"
    tree = ground.obtained.tree
    inputs = {
        "patchkit": resources.fingerprint(),
        "source": asdict(tree.origin),
        # Nothing else names what is in a folder given by hand.
        "contents": hashlib.sha256(tree.tar("x")).hexdigest() if tree.origin.kind == "directory" else None,
        "variant": variant.name,
        "diff": rendered.sha256,
        "guard": rendered.guard,
        "toolchain": ground.tools.model_dump(),
        "identity": ground.identity.digest,
        "library": ground.library.key if ground.library else None,
        "others": [one.key for one in ground.others],
        "signer": ground.signer.fingerprint if ground.signer else None,
    }
    return Planned(
        variant=variant,
        rendered=rendered,
        suffix=suffix,
        stem=stem,
        name=f"{stem}-{ground.tools.target.name}",
        inputs=hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest(),
    )
