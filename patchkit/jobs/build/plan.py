"""What a build makes: each variant rendered, named and fingerprinted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from patchkit import resources
from patchkit.building.engine import zig
from patchkit.building.engine.protocol import Identity
from patchkit.building.recipe.static_library import CompiledLibrary, licences
from patchkit.building.toolchain import Toolchain
from patchkit.packaging.authenticode import Signer
from patchkit.patching.combination import Combination
from patchkit.patching.render import Rendered
from patchkit.source.obtain import Obtained
from patchkit.source.tree.tree import sha256_of_tree


@dataclass(frozen=True)
class BuildInputs:
    """What all variants of one build stand on."""

    obtained: Obtained
    tools: Toolchain
    identity: Identity
    library: CompiledLibrary | None
    """The crypto library that was compiled for it; None with the system's own."""
    others: Sequence[CompiledLibrary] = ()
    """What else is linked statically."""
    named_signer: Signer | None = None
    """Who was named to sign, whatever the target."""
    with_source: bool = False
    """Whether the corresponding source lies beside the artifact."""
    with_spdx: bool = False
    """Whether the SBOM is written in SPDX as well."""
    packages: Sequence[str] = ()
    """The kinds of packages that are made of the artifact."""

    @property
    def signer(self) -> Signer | None:
        """Who signs this build: only programs for Windows are signed."""
        return self.named_signer if self.tools.target.system == "windows" else None

    @property
    def static(self) -> list[CompiledLibrary]:
        """All that is linked statically."""
        return [*([self.library] if self.library else []), *self.others]

    @property
    def licences(self) -> dict[str, bytes]:
        """The licence texts of all that is linked statically, by path. Raises StorageError."""
        programs = self.identity.programs
        return {**licences(self.static), **(zig.licences(programs) if programs is not None else {})}


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


def plan(variant: Combination, rendered: Rendered, inputs: BuildInputs) -> Planned:
    """Name one variant and hash what goes into it."""
    suffix = variant.suffix(guard=rendered.guard)
    stem = f"openvpn-{inputs.obtained.label}{suffix}"
    tree = inputs.obtained.tree
    parts: dict[str, object] = {
        "patchkit": resources.fingerprint(),
        "source": asdict(tree.origin),
        # Nothing else names what is in a folder given by hand.
        "contents": sha256_of_tree(tree) if tree.origin.kind == "directory" else None,
        "variant": variant.name,
        "diff": rendered.sha256,
        "own": [part.model_dump(mode="json", include={"name", "digest", "given"}) for part in variant.own],
        "guard": rendered.guard,
        "toolchain": inputs.tools.model_dump(),
        "identity": inputs.identity.digest,
        "library": inputs.library.key if inputs.library else None,
        "others": [library.key for library in inputs.others],
        "signer": inputs.signer.fingerprint if inputs.signer else None,
    }
    if inputs.with_source:  # an artifact without it is not what was asked for
        parts["with_source"] = True
    if inputs.with_spdx:
        parts["with_spdx"] = True
    if inputs.packages:
        parts["packages"] = sorted(inputs.packages)
    return Planned(
        variant=variant,
        rendered=rendered,
        suffix=suffix,
        stem=stem,
        name=f"{stem}-{inputs.tools.target.name}",
        inputs=hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest(),
    )
