"""What decides whether an artifact is up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from patchkit.building.engine.protocol import Identity
from patchkit.building.toolchain import toolchain
from patchkit.jobs.build.plan import BuildInputs, plan
from patchkit.packaging.authenticode import Signer
from patchkit.patching.combination import combination
from patchkit.patching.render import Rendered
from patchkit.releases.version import Version
from patchkit.source.obtain import Obtained
from patchkit.source.tree.tree import Origin, SourceTree

SIGNER = Signer(Path("sign.key"), Path("sign.crt"), subject="CN=me", fingerprint="5a")


def inputs(target: str, signer: Signer | None) -> BuildInputs:
    version = Version("2.6.14")
    tree = SourceTree(Origin(kind="tarball", name="sample", verified=True, epoch=0, sha256="5a"), {})
    obtained = Obtained("2.6.14", "2.6", None, tree)
    return BuildInputs(obtained, toolchain(version, target), Identity("host", "cc", {}), None, (), signer)


@pytest.mark.parametrize(("target", "signs"), [("linux-amd64", False), ("windows-amd64", True)])
def test_only_programs_for_windows_are_signed(target: str, *, signs: bool) -> None:
    """One order may be for several targets: a key for one of them does not make the others out of date."""
    stock = Rendered("stock", guard=False, diff=b"", files={})
    plain, signed = (inputs(target, signer) for signer in (None, SIGNER))
    assert signed.signer == (SIGNER if signs else None)
    first, again = (plan(combination("stock"), stock, settings) for settings in (plain, signed))
    assert (first.inputs != again.inputs) is signs
