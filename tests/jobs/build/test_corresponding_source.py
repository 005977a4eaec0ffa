"""The corresponding source: all that a program was made from, and the patched tree in it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from patchkit import resources
from tests.conftest import PINNED, ROOT
from tests.support.jobs.packaged import NAME, SOURCE

pytestmark = pytest.mark.slow


def test_what_is_packed_gives_the_patched_tree(packaged: Path, tmp_path: Path) -> None:
    source = packaged / SOURCE
    (entry,) = json.loads((packaged / "manifest.json").read_text())["artifacts"]
    assert [each["name"] for each in entry["documents"]] == [f"{NAME}.cdx.json", f"{NAME}.intoto.json", SOURCE]
    with tarfile.open(source) as packed:
        assert {member.mtime for member in packed} == {entry["source"]["epoch"]}
        assert {(member.uid, member.uname, member.mode) for member in packed} == {(0, "", 0o644)}
    subprocess.run(["tar", "-xf", source, "-C", tmp_path], check=True)
    top = tmp_path / f"{NAME}-source"
    upstream = top / f"upstream/openvpn-{PINNED}.tar.gz"
    assert hashlib.sha256(upstream.read_bytes()).hexdigest() == entry["source"]["sha256"]
    subprocess.run(["tar", "-xf", upstream, "-C", tmp_path], check=True)
    diff = (top / f"change/openvpn-{PINNED}+recommended.diff").read_bytes()
    tree = tmp_path / f"openvpn-{PINNED}"
    subprocess.run(["patch", "-p1", "--fuzz=0"], cwd=tree, input=diff, check=True, capture_output=True)
    for file in entry["patch"]["files"]:
        assert hashlib.sha256((tree / file["path"]).read_bytes()).hexdigest() == file["after"]
    recipe = {path.relative_to(top / "recipe").as_posix() for path in (top / "recipe").rglob("*") if path.is_file()}
    assert recipe == resources.deciding_files().keys()
    assert (top / "recipe/docker/toolchains.toml").read_bytes() == (ROOT / "docker/toolchains.toml").read_bytes()
    readme = (top / "README").read_text()
    assert "./configure --prefix=/usr/local --host=x86_64-linux-gnu --disable-pkcs11" in readme
    assert f"patchkit rebuild manifest.json --artifact {NAME}" in readme
