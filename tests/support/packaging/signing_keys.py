"""Throw-away keys of each kind, and a folder of artifacts as a build leaves it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from patchkit.building.inventory import Inventory
from patchkit.packaging.archive import release_archive
from patchkit.packaging.components import parts
from patchkit.packaging.contents import members
from patchkit.packaging.dist import Dist, described
from patchkit.packaging.manifest import Patch
from patchkit.packaging.provenance import provenance
from patchkit.packaging.sbom import sbom
from patchkit.packaging.spdx import spdx
from tests.support.packaging.artifacts import artifact
from tests.support.source.signers import signer

SCHEMES = ("openpgp", "ssh", "minisign", "sigstore")
NAME = "openvpn-2.6.14+recommended-linux-amd64"
DIFF = b"--- a/x\n+++ b/x\n"


@dataclass(frozen=True)
class Pair:
    """A private key, as ``--sign-with`` names it, and the file of the public one."""

    private: str
    public: Path


@contextmanager
def openpgp(folder: Path, *, days: int = 0, made: int | None = None) -> Iterator[Pair]:
    """A key of OpenPGP; its home is the caller's, as far as GNUPGHOME goes."""
    with signer() as home:
        key = home.key("Somebody", made=made or int(time.time()) - 1000, days=days)
        public = folder / f"{key[-8:]}.asc"
        public.write_bytes(home.public(key))
        before = os.environ.get("GNUPGHOME")
        os.environ["GNUPGHOME"] = str(home.home)
        try:
            yield Pair(f"openpgp:{key}", public)
        finally:
            os.environ.pop("GNUPGHOME") if before is None else os.environ.__setitem__("GNUPGHOME", before)


def ssh(folder: Path) -> Pair:
    path = folder / "ssh"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path], check=True)
    return Pair(f"ssh:{path}", path.with_suffix(".pub"))


def minisign(folder: Path) -> Pair:
    if shutil.which("minisign") is None:
        pytest.skip("minisign is not installed: apt-get install minisign")
    secret, public = folder / "minisign.key", folder / "minisign.pub"
    subprocess.run(["minisign", "-G", "-W", "-s", secret, "-p", public], check=True, capture_output=True)
    return Pair(f"minisign:{secret}", public)


def sigstore(folder: Path) -> Pair:
    """As openssl makes one, which is what cosign's own public keys look like."""
    private, public = folder / "sigstore.pem", folder / "sigstore.pub"
    options = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    subprocess.run(["openssl", "genpkey", *options, "-out", private], check=True, capture_output=True)
    subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    return Pair(f"sigstore:{private}", public)


@contextmanager
def pair(scheme: str, folder: Path) -> Iterator[Pair]:
    """A new key of the kind ``scheme`` in ``folder``."""
    folder.mkdir(exist_ok=True)
    if scheme == "openpgp":
        with openpgp(folder) as key:
            yield key
    else:
        yield {"ssh": ssh, "minisign": minisign, "sigstore": sigstore}[scheme](folder)


def dist(folder: Path, packages: Mapping[str, bytes] | None = None, *, with_spdx: bool = False) -> Path:
    """A folder as a build leaves it: a small archive with a program, its diff, manifest, SBOM and provenance.

    ``packages`` are made of it as well; ``with_spdx`` adds the SBOM in SPDX.
    """
    tree = io.BytesIO()
    with tarfile.open(fileobj=tree, mode="w") as tar:
        info = tarfile.TarInfo("local/sbin/openvpn")
        program = Path("/bin/true").read_bytes()
        info.size, info.mode = len(program), 0o755
        tar.addfile(info, io.BytesIO(program))
    diff = "openvpn-2.6.14+recommended.diff"
    archive = release_archive(tree.getvalue(), NAME, 0, {f"share/doc/openvpn/{diff}": DIFF})
    files = {f"{NAME}.tar.gz": archive, diff: DIFF}
    patch = Patch(
        variant="recommended", status="recommended", guard=False, diff_sha256=hashlib.sha256(DIFF).hexdigest(), files=[]
    )
    entry = artifact(name=NAME, files=files).model_copy(
        update={"patch": patch, "packages": [described(name, data) for name, data in (packages or {}).items()]}
    )
    contents = members(f"{NAME}.tar.gz", archive)
    components = parts(entry, Inventory({}, []), [], cross=False)
    documents = {f"{NAME}.cdx.json": sbom(entry, contents, components, DIFF)}
    if with_spdx:
        documents[f"{NAME}.spdx.json"] = spdx(entry, contents, components, DIFF)
    documents[f"{NAME}.intoto.json"] = provenance(entry, [described(name, bill) for name, bill in documents.items()])
    whole = entry.model_copy(update={"documents": [described(name, data) for name, data in documents.items()]})
    Dist(folder).add(whole, {**files, **(packages or {}), **documents})
    return folder


def forge(folder: Path, name: str, old: str, new: str) -> None:
    """Change a text in the file ``name``, and all that SHA256SUMS and the manifest state of it, as a forger would."""
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    manifest = json.loads((folder / "manifest.json").read_text())
    for entry in (*manifest["artifacts"][0]["files"], *manifest["artifacts"][0]["documents"]):
        data = (folder / entry["name"]).read_bytes()
        entry["size"], entry["sha256"] = len(data), hashlib.sha256(data).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    resum(folder)


def resum(folder: Path) -> None:
    """Write SHA256SUMS anew for the files that it lists and that are there."""
    sums = folder / "SHA256SUMS"
    names = [line.split("  ")[1] for line in sums.read_text().splitlines()]
    there = [name for name in names if (folder / name).is_file()]
    sums.write_text("".join(f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in there))
