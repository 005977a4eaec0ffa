"""Builds by name, and programs out of their archives."""

from __future__ import annotations

from pathlib import Path

import pytest

from patchkit.errors import BadUsageError, GuestError, StorageError
from patchkit.lab.link.binaries import BinaryRequest, release_of, unpacked
from patchkit.lab.model.campaign import Program
from patchkit.packaging.manifest import Artifact


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("2.6.14", BinaryRequest("2.6.14")),
        ("2.6.14+stock", BinaryRequest("2.6.14", "stock")),
        ("2.6.14+retransmit", BinaryRequest("2.6.14", "retransmit")),
        ("2.6.14+retransmit.guard", BinaryRequest("2.6.14", "retransmit", guard=True)),
        ("origin/master+retransmit", BinaryRequest("origin/master", "retransmit")),
    ],
)
def test_the_words_for_a_build(text: str, asked: BinaryRequest) -> None:
    assert BinaryRequest.parse(text) == asked


@pytest.mark.parametrize("text", ["", "+", "+retransmit", "2.6.14+", "2.6.14+.guard", "2.6.14+stock.guard"])
def test_words_that_name_no_build(text: str) -> None:
    with pytest.raises(BadUsageError, match="names no build") as caught:
        BinaryRequest.parse(text)
    assert "2.6.14+retransmit" in caught.value.advice


def test_the_release_that_a_program_says_it_is() -> None:
    program = Program(release="2.6.14", variant="stock", version="2.6.14", sha256="00")
    for printed, release in (("2.6.14+retransmit", "2.6.14"), ("2.7_rc1", "2.7_rc1"), ("2.1.4", "2.1.4")):
        assert str(release_of(program.model_copy(update={"version": printed}))) == release
    with pytest.raises(GuestError, match="not a version whose options"):
        release_of(program.model_copy(update={"version": "git-0123abc"}))


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\0\0\0\0\0"])
def test_a_damaged_archive_of_a_program(tmp_path: Path, content: bytes) -> None:
    artifact = Artifact.model_construct(name="openvpn-2.6.14")
    with pytest.raises(StorageError):
        unpacked(artifact, tmp_path, variant="stock", guard=False)
    (tmp_path / "openvpn-2.6.14.tar.gz").write_bytes(content)
    with pytest.raises(GuestError, match="cannot be read"):
        unpacked(artifact, tmp_path, variant="stock", guard=False)
