"""The provenance: an in-toto statement with SLSA's predicate, by the protocol buffers that both projects publish."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict, ParseError
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement

from patchkit.packaging.dist import described
from patchkit.packaging.manifest import Artifact, Source
from patchkit.packaging.provenance import BUILD_TYPE, provenance
from tests.support.packaging.artifacts import LZO, PINNED, artifact

SBOM = described("openvpn.cdx.json", b"{}")
INSTALLED = {"gcc-12:amd64": "12.2.0-14+deb12u1 " + "a" * 64, "none:all": "1"}


def checked(text: bytes) -> Any:
    """Parse the statement as the protocol buffers have it: a field that they do not know is an error."""
    document = json.loads(text)
    statement = ParseDict(document, Statement([], "", {}).pb)
    Statement.copy_from_pb(statement).validate()
    predicate = ParseDict(document["predicate"], provenance_pb2.Provenance())
    for dependency in predicate.build_definition.resolved_dependencies:
        ResourceDescriptor.copy_from_pb(dependency).validate()
    assert predicate.build_definition.build_type == BUILD_TYPE
    assert predicate.run_details.builder.id
    assert predicate.build_definition.external_parameters.fields
    return document


@pytest.fixture
def entry() -> Artifact:
    return artifact(
        installed=INSTALLED, crypto=PINNED, libraries=[LZO], features=["systemd"], added_cflags=["-g"],
        image="sha256:" + "b" * 64, base_image="sha256:" + "c" * 64, engine="docker",
    )  # fmt: skip


def test_it_is_a_statement_of_slsas_and_the_same_each_time(entry: Artifact) -> None:
    text = provenance(entry, [SBOM])
    assert provenance(entry, [SBOM]) == text
    document = checked(text)
    assert document["predicateType"] == "https://slsa.dev/provenance/v1"
    assert [each["name"] for each in document["subject"]] == [f"{entry.name}.tar.gz", "openvpn.cdx.json"]
    assert document["subject"][1]["digest"] == {"sha256": SBOM.sha256}


def test_the_check_refuses_what_the_protocol_does_not_know(entry: Artifact) -> None:
    document = json.loads(provenance(entry, []))
    document["predicate"]["buildDefinition"]["soul"] = "immortal"
    with pytest.raises(ParseError, match="soul"):
        checked(json.dumps(document).encode())


def test_all_that_a_user_chose_is_there(entry: Artifact) -> None:
    asked = json.loads(provenance(entry, []))["predicate"]["buildDefinition"]["externalParameters"]
    assert asked == {
        "release": "2.6.14", "source": "tarball", "variant": "recommended", "guard": False, "target": "linux-amd64",
        "engine": "docker", "crypto": "openssl-3.5", "features": ["systemd"], "cflags": ["-g"],
        "signingCertificate": None,
    }  # fmt: skip


def test_sources_packages_and_images_are_resolved(entry: Artifact) -> None:
    found = json.loads(provenance(entry, []))["predicate"]["buildDefinition"]["resolvedDependencies"]
    names = [each.get("name", each.get("uri")) for each in found]
    assert names == [
        "openvpn: openvpn-2.6.14.tar.gz", "openssl-3.5: openssl-3.5.7.tar.gz", "lzo: lzo", "toolchain image",
        "base image", "pkg:deb/debian/gcc-12@12.2.0-14+deb12u1?arch=amd64", "pkg:deb/debian/none@1?arch=all",
    ]  # fmt: skip
    assert found[3]["digest"] == {"sha256": "b" * 64}
    assert found[5]["digest"] == {"dpkgFileList": "a" * 64}


def test_a_repository_is_named_only_where_a_pin_says_that_it_is_upstreams() -> None:
    facts: dict[str, Any] = {"kind": "git", "name": "v2.6.14", "commit": "1" * 40, "tree": "2" * 40, "epoch": 0}
    for verified in (True, False):
        entry = artifact(source=Source(**facts, verified=verified).model_dump())
        (source,) = checked(provenance(entry, []))["predicate"]["buildDefinition"]["resolvedDependencies"]
        assert source["digest"] == {"gitCommit": "1" * 40, "gitTree": "2" * 40}
        assert source.get("uri") == ("git+https://github.com/OpenVPN/openvpn@v2.6.14" if verified else None)
