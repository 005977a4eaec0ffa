"""Artifacts are checked from their files alone: what is good, and everything that is not as it should be."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import time
from pathlib import Path

import pytest

from patchkit.errors import ArtifactError, BadSignatureError, SignatureFileError, SigningError, UnknownKeyError
from patchkit.jobs.artifact.check import check
from patchkit.jobs.artifact.sign import sign_folder
from patchkit.packaging import oci
from patchkit.packaging.contents import Member
from patchkit.packaging.dist import Dist, described
from patchkit.packaging.manifest import Artifact
from patchkit.packaging.oci_index import image_of, joined
from patchkit.packaging.signatures.keys import SigningKey
from tests.conftest import Run
from tests.support.packaging.artifacts import artifact, changed
from tests.support.packaging.signing_keys import NAME, SCHEMES, Pair, dist, forge, openpgp, pair, resum, ssh
from tests.support.source.signers import Signer


@pytest.fixture
def built(tmp_path: Path) -> Path:
    return dist(tmp_path / "dist")


def with_image(processor: str, more: bytes) -> tuple[Artifact, bytes]:
    """An artifact for Linux on ``processor``, and its image of a program with ``more`` in it."""
    name = f"openvpn-2.6.14+recommended-linux-{processor}"
    entry = artifact(name=name, target=f"linux-{processor}", files={f"{name}.tar.gz": b""})
    program = Member(stat.S_IFREG | 0o755, "0", b"\x7fELF" + processor.encode() + more)
    image = oci.image(entry, {oci.PROGRAM: program}, processor)
    return entry.model_copy(update={"packages": [described(f"{name}.oci.tar", image)]}), image


def signed(folder: Path, *keys: Pair) -> list[str]:
    return sign_folder(folder, [SigningKey.parse(key.private) for key in keys])


def why(folder: Path, *keys: Path, error: type[Exception] = ArtifactError) -> str:
    """Why ``folder`` is refused, with the ``error`` that it has to be."""
    found = check(folder, keys).error
    assert isinstance(found, error), found
    return found.why


def test_whole_and_unsigned_files_belong_together_and_that_is_all(built: Path, patchkit: Run) -> None:
    done = patchkit("artifact", "check", str(built))
    assert done.returncode == 0, done.stderr
    assert "that they belong together is all that is shown" in done.stderr
    document = json.loads(patchkit("artifact", "check", str(built), "--json").stdout)
    assert (document["good"], document["error"]) == (True, None)
    vouching = {(found["what"], found["by"]) for found in document["findings"]}
    assert {("sbin/openvpn", "SBOM"), (f"{NAME}.tar.gz", "provenance"), (f"{NAME}.tar.gz", "SHA256SUMS")} <= vouching


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_kind_of_key_signs_and_is_believed(scheme: str, built: Path, tmp_path: Path) -> None:
    with pair(scheme, tmp_path / "keys") as key:
        suffix = {"openpgp": ".asc", "ssh": ".sig", "minisign": ".minisig", "sigstore": ".sigstore.json"}[scheme]
        names = ["SHA256SUMS", f"{NAME}.cdx.json", f"{NAME}.intoto.json"]
        assert signed(built, key) == [name + suffix for name in names]
        assert "no key was given" in check(built, []).summary
        checked = check(built, [key.public])
        assert checked.error is None
        good = [found.what for found in checked.findings if found.signature and found.state == "good"]
        assert good == names
        assert "3 signatures" in checked.summary


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_signature_of_something_else_is_refused(scheme: str, built: Path, tmp_path: Path) -> None:
    with pair(scheme, tmp_path / "keys") as key:
        (name, bill, _) = signed(built, key)
        (built / name).write_bytes((built / bill).read_bytes())
        assert "not of these data" in why(built, key.public, error=BadSignatureError)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_forger_who_writes_all_checksums_anew_is_seen_by_the_signature(
    scheme: str, built: Path, tmp_path: Path
) -> None:
    with pair(scheme, tmp_path / "keys") as key:
        signed(built, key)
        forge(built, f"{NAME}.cdx.json", '"patchkit:variant"', '"patchkit:mariant"')
        forge(built, f"{NAME}.intoto.json", '"recommended"', '"recommended" ')
        assert "provenance" in why(built)  # it has the SBOM's hash
        forged = (built / f"{NAME}.cdx.json").read_text()
        forge(built, f"{NAME}.cdx.json", forged, forged.replace("mariant", "variant"))
        assert check(built, []).error is None
        assert "SHA256SUMS" in why(built, key.public, error=BadSignatureError)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_another_key_of_the_same_kind_vouches_for_nothing(scheme: str, built: Path, tmp_path: Path) -> None:
    with pair(scheme, tmp_path / "keys") as key:
        signed(built, key)
    with pair(scheme, tmp_path / "others") as other:
        assert "is not" in why(built, other.public, error=UnknownKeyError)


def test_no_signature_at_all_where_a_key_is_given(built: Path, tmp_path: Path) -> None:
    assert "it has no signature" in why(built, ssh(tmp_path).public, error=UnknownKeyError)


def test_an_expired_key_of_openpgp_is_refused(built: Path, tmp_path: Path) -> None:
    """The signature was made while the key was valid; whoever has the key today could date one back."""
    now = int(time.time())
    with openpgp(tmp_path, made=now - 10 * 86400, days=20) as key:
        signed(built, key)
        assert check(built, [key.public]).error is None
    with openpgp(tmp_path, made=now - 10 * 86400, days=5) as key:
        home = Signer(Path(os.environ["GNUPGHOME"]))
        data = (built / "SHA256SUMS").read_bytes()
        fingerprint = key.private.partition(":")[2]
        (built / "SHA256SUMS.asc").write_bytes(home.sign(fingerprint, data, at=now - 8 * 86400))
        assert "the key has expired" in why(built, key.public, error=BadSignatureError)


def test_an_expired_allowed_signer_is_refused(built: Path, tmp_path: Path) -> None:
    key = ssh(tmp_path)
    signed(built, key)
    allowed = tmp_path / "allowed"
    allowed.write_text(f"me@example.org {key.public.read_text()}")
    assert check(built, [allowed]).error is None
    allowed.write_text(f'me@example.org valid-before="20200101" {key.public.read_text()}')
    assert "the key has expired: me@example.org" in why(built, allowed, error=BadSignatureError)


def test_an_sbom_that_names_a_file_that_is_not_there(built: Path) -> None:
    forge(built, f"{NAME}.cdx.json", f'"url": "{NAME}.tar.gz"', '"url": "gone.tar.gz"')
    text = why(built)
    assert "gone.tar.gz: the file is not there (SBOM)" in text
    assert f"{NAME}.tar.gz: the SBOM does not name it" in text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            f'"packageFileName": "{NAME}.tar.gz"',
            '"packageFileName": "gone.tar.gz"',
            "gone.tar.gz: the file is not there",
        ),
        ("./sbin/openvpn", "./sbin/another", "sbin/another: the program is not in the archive"),
        ('"SPDX-2.3"', '"SPDX-2.2"', "it is not of SPDX 2.3"),
        ('"SHA256"', '"SHA512"', "it lacks what SPDX documents of patchkit's have"),
    ],
)
def test_an_spdx_document_is_compared_too(old: str, new: str, message: str, tmp_path: Path) -> None:
    folder = dist(tmp_path / "dist", with_spdx=True)
    checked = check(folder, [])
    assert checked.error is None
    assert {found.by for found in checked.findings if found.what == "sbin/openvpn"} == {"SBOM", "SPDX"}
    forge(folder, f"{NAME}.spdx.json", old, new)
    assert message in why(folder)


def test_an_sbom_of_another_program(built: Path) -> None:
    document = json.loads((built / f"{NAME}.cdx.json").read_text())
    (program,) = document["metadata"]["component"]["components"]
    digest = program["hashes"][0]["content"]
    forge(built, f"{NAME}.cdx.json", digest, "0" * 64)
    assert "sbin/openvpn: the program is not the one (SBOM)" in why(built)
    forge(built, f"{NAME}.cdx.json", '"sbin/openvpn"', '"sbin/other"')
    assert "sbin/openvpn: the program is left out" in why(built)
    assert "sbin/other: the program is not in the archive" in why(built)


def test_a_provenance_of_another_variant(built: Path) -> None:
    forge(built, f"{NAME}.intoto.json", '"variant": "recommended"', '"variant": "stock"')
    assert "variant: stock there, recommended in the manifest" in why(built)


@pytest.mark.parametrize("name", [f"{NAME}.cdx.json", f"{NAME}.intoto.json"])
@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"bomFormat": 1, "_type": 2}'])
def test_a_document_that_is_none(name: str, text: str, built: Path) -> None:
    forge(built, name, (built / name).read_text(), text)
    assert name in why(built)


def test_an_altered_missing_or_unlisted_file(built: Path) -> None:
    (built / f"{NAME}.tar.gz").write_bytes(b"x")
    assert "its sha256 is" in why(built)
    (built / f"{NAME}.tar.gz").unlink()
    assert f"{NAME}.tar.gz: the file is not there (SHA256SUMS)" in why(built)
    resum(built)
    assert f"{NAME}.tar.gz: it is not listed there (SHA256SUMS)" in why(built)
    (built / "SHA256SUMS").unlink()
    assert "SHA256SUMS: the file is not there" in why(built)


def test_a_program_for_another_processor(built: Path) -> None:
    changed(built / "manifest.json", build__target="linux-arm64")
    resum(built)
    assert "it is a program for amd64, and the artifact is for linux-arm64" in why(built)


def test_an_image_is_followed_down_to_its_layers_and_is_for_the_artifacts_processor(tmp_path: Path) -> None:
    name = f"{NAME}.oci.tar"
    files = {oci.PROGRAM: Member(stat.S_IFREG | 0o755, "0", b"\x7fELF")}
    good, foreign = (oci.image(artifact(), files, architecture) for architecture in ("amd64", "arm64"))
    checked = check(dist(tmp_path / "good", {name: good}), [])
    assert checked.error is None
    assert [found.state for found in checked.findings if found.by == "its index"] == ["good"]
    text = why(dist(tmp_path / "foreign", {name: foreign}))
    assert f"{name}: it is an image for arm64, and the artifact is for linux-amd64" in text
    # The layer's last byte but those of the tar: the index, and the checksums, are those of what lies there.
    at = good.index(b"\x1f\x8b") + 40
    altered = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
    assert "a blob is not sha256:" in why(dist(tmp_path / "altered", {name: altered}))
    assert "(its index)" in why(dist(tmp_path / "none", {name: b"nothing"}))


def test_a_joined_image_holds_the_artifacts_own_images(tmp_path: Path) -> None:
    """Another image for one of the processors, under a digest that fits it, is nobody's."""
    folder = Dist(tmp_path / "dist")
    images = {}
    for processor in ("amd64", "arm64"):
        entry, image = with_image(processor, b"")
        images[image_of(entry)] = image
        folder.add(entry, {entry.files[0].name: b"", image_of(entry) or "": image})
    path = folder.folder / "openvpn-2.6.14+recommended-linux.oci.tar"
    found = [each for each in check(folder.folder, []).findings if each.what == path.name]
    assert {each.state for each in found} == {"good"}
    assert {each.by for each in found} == {"SHA256SUMS", "manifest.json", "its index", "the artifacts' images"}
    other = [with_image("amd64", b"other"), with_image("arm64", b"")]
    path.write_bytes(joined([entry for entry, _ in other], {image_of(entry) or "": image for entry, image in other}))
    text = why(folder.folder)
    assert f"{path.name}: its image for amd64 is not the artifact's own" in text
    assert "its image for arm64 is not" not in text


def test_a_diff_that_is_not_the_archives(built: Path) -> None:
    forge(built, "openvpn-2.6.14+recommended.diff", "+++ b/x", "+++ b/y")
    assert "manifest.json, patch" in why(built)


def test_checksums_that_lead_out_of_the_folder(built: Path) -> None:
    sums = built / "SHA256SUMS"
    sums.write_text(sums.read_text() + f"{'0' * 64}  ../../etc/passwd\n")
    assert "../../etc/passwd: the name leads out of the folder" in why(built)


def test_a_file_that_nothing_names_is_told_and_no_error(built: Path) -> None:
    (built / "stray").touch()
    checked = check(built, [])
    assert checked.error is None
    assert [found.what for found in checked.findings if found.state == "nothing vouches"] == ["stray"]


def test_a_build_in_the_folder_removes_signatures_that_would_be_of_something_else(built: Path, tmp_path: Path) -> None:
    key = ssh(tmp_path)
    signed(built, key)
    other = artifact(name="other", files={"other.tar.gz": b"1"})
    Dist(built).add(other, {"other.tar.gz": b"1"})
    assert sorted(path.name for path in built.glob("*.sig")) == [f"{NAME}.cdx.json.sig", f"{NAME}.intoto.json.sig"]


def test_what_cannot_be_signed_or_is_no_key(built: Path, tmp_path: Path, patchkit: Run) -> None:
    with pytest.raises(SigningError, match="there is no key"):
        sign_folder(built, [SigningKey.parse("ssh:absent")])
    key = ssh(tmp_path)
    (built / f"{NAME}.tar.gz").write_bytes(b"x")
    assert patchkit("artifact", "sign", str(built), "--sign-with", key.private).returncode == 51
    assert patchkit("artifact", "sign", str(built), "--sign-with", "pgp:x").returncode == 2
    assert patchkit("artifact", "sign", str(built)).returncode == 2
    private = Path(key.private.partition(":")[2])
    not_public = built / "manifest.json", "is not a known kind of public key"
    for path, message in ((private, "is a private key"), not_public):
        with pytest.raises(SignatureFileError, match=message):
            check(built, [path])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_others_can_check_the_signatures_without_patchkit(scheme: str, built: Path, tmp_path: Path) -> None:
    with pair(scheme, tmp_path / "keys") as key:
        signed(built, key)
        commands = {
            "openpgp": ["gpg", "--verify", "SHA256SUMS.asc", "SHA256SUMS"],
            "ssh": [
                "sh",
                "-c",
                f"ssh-keygen -Y verify -f {tmp_path}/allowed -I me -n file -s SHA256SUMS.sig <SHA256SUMS",
            ],
            "minisign": ["minisign", "-V", "-p", str(key.public), "-m", "SHA256SUMS"],
            "sigstore": ["openssl", "dgst", "-verify", str(key.public), "-signature", f"{tmp_path}/raw", "SHA256SUMS"],
        }
        if scheme == "sigstore":
            bundle = json.loads((built / "SHA256SUMS.sigstore.json").read_text())
            (tmp_path / "raw").write_bytes(base64.b64decode(bundle["messageSignature"]["signature"]))
        if scheme == "ssh":
            (tmp_path / "allowed").write_text(f"me {key.public.read_text()}")
        subprocess.run(commands[scheme], cwd=built, check=True, capture_output=True)
    subprocess.run(["sha256sum", "--strict", "--check", "SHA256SUMS"], cwd=built, check=True, capture_output=True)
