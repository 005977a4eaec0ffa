"""The SBOM: valid by CycloneDX's own schema, complete, and the same bytes each time."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from license_expression import get_spdx_licensing

from patchkit.packaging.components import known_names, parts
from patchkit.packaging.manifest import Artifact, Vulnerability
from patchkit.packaging.sbom import sbom
from patchkit.releases.libraries import libraries
from tests.support.packaging.artifacts import LZO, PINNED, artifact
from tests.support.packaging.bill import CONTENTS, DIFF, LOADED, SYSTEM
from tests.support.packaging.cyclonedx import invalid

FIXED = Vulnerability(id="CVE-2026-84732", title="a", severity="medium", reach="remote", state="fixed here")
OPEN = Vulnerability(id="CVE-2013-2061", title="b", severity="not rated", reach="remote", state="affected")
UNTOLD = Vulnerability(id="CVE-2014-8104", title="c", severity="high", reach="local", state="cannot be told")
OF_LIBRARY = Vulnerability(
    id="CVE-2026-84782", component="openssl-3.5", title="d", severity="high", reach="not rated", state="affected"
)


def written(entry: Artifact, diff: bytes = DIFF, *, cross: bool = False) -> Any:
    """The document, which CycloneDX's schema accepts."""
    text = sbom(entry, CONTENTS, parts(entry, SYSTEM, LOADED, cross=cross), diff)
    assert sbom(entry, CONTENTS, parts(entry, SYSTEM, LOADED, cross=cross), diff) == text
    assert invalid(text.decode()) is None
    return json.loads(text)


@pytest.fixture(scope="module")
def whole() -> Any:
    files = {"openvpn+x.tar.gz": b"1", "openvpn+x.diff": DIFF}
    vulnerabilities = [FIXED, OPEN, UNTOLD, OF_LIBRARY]
    return written(artifact(files=files, vulnerabilities=vulnerabilities, crypto=PINNED, libraries=[LZO]))


def test_every_component_is_there_with_licence_hash_and_names(whole: Any) -> None:
    found = {component["bom-ref"]: component for component in whole["components"]}
    assert set(found) == {
        "compiled-in:OpenSSL", "compiled-in:LZO", "compiled-in:libc6-dev", "compiled-in:libgcc-12-dev",
        "loaded:libc.so.6", "loaded:libown.so.1",
    }  # fmt: skip
    openssl, libc = found["compiled-in:OpenSSL"], found["loaded:libc.so.6"]
    assert openssl["cpe"] == "cpe:2.3:a:openssl:openssl:3.5.7:*:*:*:*:*:*:*"
    assert openssl["purl"].startswith("pkg:generic/openssl@3.5.7?checksum=sha256:333")
    assert openssl["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    assert (libc["purl"], libc["cpe"], libc["hashes"][0]["content"]) == (
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64&distro=debian", "cpe:2.3:a:gnu:glibc:2.36:*:*:*:*:*:*:*",
        "1" * 64,
    )  # fmt: skip
    assert "purl" not in found["loaded:libown.so.1"]
    (depends,) = [entry["dependsOn"] for entry in whole["dependencies"] if entry["ref"] == "openvpn"]
    assert set(depends) == set(found)


def test_files_are_named_with_their_hashes(whole: Any) -> None:
    main = whole["metadata"]["component"]
    assert {(each["type"], each["url"], each["comment"]) for each in main["externalReferences"]} == {
        ("distribution", "openvpn+x.tar.gz", "the archive"),
        ("other", "openvpn+x.diff", "the change"),
        ("source-distribution", "https://openvpn.net/community/", "openvpn-2.6.14.tar.gz"),
    }
    hashes = {each["url"]: each["hashes"][0]["content"] for each in main["externalReferences"] if "hashes" in each}
    assert hashes["openvpn+x.diff"] == hashlib.sha256(DIFF).hexdigest()
    assert [component["name"] for component in main["components"]] == ["sbin/openvpn"]
    assert main["cpe"] == "cpe:2.3:a:openvpn:openvpn:2.6.14:*:*:*:*:*:*:*"
    assert main["licenses"] == [{"expression": "GPL-2.0-only WITH openvpn-openssl-exception"}]
    assert whole["metadata"]["lifecycles"] == [{"phase": "build"}]


def test_the_change_is_in_the_pedigree_with_what_it_cures(whole: Any) -> None:
    pedigree = whole["metadata"]["component"]["pedigree"]
    (patch,) = pedigree["patches"]
    assert base64.b64decode(patch["diff"]["text"]["content"]) == DIFF
    assert (patch["type"], patch["diff"]["url"]) == ("backport", "openvpn+x.diff")
    assert [cured["id"] for cured in patch["resolves"]] == ["CVE-2026-84732"]
    assert [ancestor["version"] for ancestor in pedigree["ancestors"]] == ["2.6.14"]


def test_vulnerabilities_are_stated_with_what_is_so_here(whole: Any) -> None:
    found = {each["id"]: each for each in whole["vulnerabilities"]}
    assert {name: each["analysis"]["state"] for name, each in found.items()} == {
        "CVE-2026-84732": "resolved_with_pedigree", "CVE-2013-2061": "exploitable", "CVE-2014-8104": "in_triage",
        "CVE-2026-84782": "in_triage",
    }  # fmt: skip
    assert found["CVE-2013-2061"]["ratings"] == [{"severity": "unknown"}]
    assert "2.3.1" in found["CVE-2013-2061"]["recommendation"]
    assert found["CVE-2026-84732"]["affects"] == [{"ref": "openvpn"}]
    of_library = found["CVE-2026-84782"]
    assert of_library["affects"] == [{"ref": "compiled-in:OpenSSL"}]  # which test_every_component finds there
    assert of_library["recommendation"] == "upstream's releases with the fix: 3.5.9"


def test_stock_has_no_pedigree() -> None:
    assert "pedigree" not in written(artifact(), b"")["metadata"]["component"]


def test_the_runtime_is_that_of_the_target() -> None:
    cross = written(artifact(), cross=True)["components"]
    windows = written(artifact(glibc=None))["components"]
    assert "compiled-in:libgcc-12-dev-arm64-cross" in {each["bom-ref"] for each in cross}
    assert "compiled-in:libgcc-12-dev" not in {each["bom-ref"] for each in cross}
    assert {each["bom-ref"] for each in windows if each["bom-ref"].startswith("compiled-in")} == {
        "compiled-in:mingw-w64-x86-64-dev"
    }


@pytest.mark.parametrize("name", known_names())
def test_the_table_holds_spdx_expressions(name: str) -> None:
    assert get_spdx_licensing().validate(known_names()[name].licence).errors == []


def test_the_table_has_every_pinned_library() -> None:
    assert libraries().keys() <= known_names().keys()
