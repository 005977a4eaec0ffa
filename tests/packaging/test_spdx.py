"""The SBOM in SPDX: valid by the library's own validator, complete, and the same bytes each time."""

from __future__ import annotations

import json
from typing import Any

import pytest

from patchkit.errors import ToolError
from patchkit.packaging.components import parts
from patchkit.packaging.sbom import sbom
from patchkit.packaging.spdx import check_ready, spdx
from tests.support.packaging.artifacts import LZO, PINNED, artifact
from tests.support.packaging.bill import CONTENTS, DIFF, LOADED, SYSTEM

ENTRY = artifact(files={"openvpn+x.tar.gz": b"1", "openvpn+x.diff": DIFF}, crypto=PINNED, libraries=[LZO])
PARTS = parts(ENTRY, SYSTEM, LOADED, cross=False)


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(spdx(ENTRY, CONTENTS, PARTS, DIFF))


def test_the_validator_finds_nothing_and_the_bytes_are_the_same(tmp_path_factory: pytest.TempPathFactory) -> None:
    # Not above: it takes a second, which each worker would spend to collect the tests.
    from spdx_tools.spdx.parser.parse_anything import parse_file
    from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

    data = spdx(ENTRY, CONTENTS, PARTS, DIFF)
    assert spdx(ENTRY, CONTENTS, PARTS, DIFF) == data
    path = tmp_path_factory.mktemp("spdx") / "openvpn.spdx.json"
    path.write_bytes(data)
    read = parse_file(str(path))
    assert [message.validation_message for message in validate_full_spdx_document(read)] == []
    read.packages[0].download_location = "nowhere"
    assert validate_full_spdx_document(read) != []  # it can find something


def test_it_names_what_cyclonedx_names(document: Any) -> None:
    """Components with their versions, hashes, purl and cpe."""
    bill = json.loads(sbom(ENTRY, CONTENTS, PARTS, DIFF))
    main, *packages = document["packages"]

    def references(package: Any) -> set[str]:
        return {each["referenceLocator"] for each in package.get("externalRefs", [])}

    def names(component: Any) -> set[str]:
        return {component[kind] for kind in ("purl", "cpe") if kind in component}

    assert references(main) == names(bill["metadata"]["component"])
    assert sorted((each["name"], each.get("versionInfo"), sorted(references(each))) for each in packages) == sorted(
        (each["name"], each.get("version"), sorted(names(each))) for each in bill["components"]
    )
    kinds = {each["relationshipType"] for each in document["relationships"]}
    assert kinds == {"DESCRIBES", "EXPANDED_FROM_ARCHIVE", "PATCH_FOR", "STATIC_LINK", "DYNAMIC_LINK"}
    assert [file["fileName"] for file in document["files"]] == ["./sbin/openvpn", "./openvpn+x.diff"]
    assert main["licenseDeclared"] == "GPL-2.0-only WITH openvpn-openssl-exception"
    assert main["checksums"][0]["checksumValue"] == ENTRY.files[0].sha256


def test_stock_has_no_patch() -> None:
    stock = json.loads(spdx(artifact(), CONTENTS, [], b""))
    assert {each["relationshipType"] for each in stock["relationships"]} == {"DESCRIBES", "EXPANDED_FROM_ARCHIVE"}


def test_without_the_library_it_is_refused_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ToolError, match="spdx-tools is missing") as refusal:
        check_ready()
    assert "patchkit[spdx]" in refusal.value.advice
