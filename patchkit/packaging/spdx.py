"""Write the SBOM of an artifact in SPDX 2.3 as well, for those whose tools read no CycloneDX.

The same components, hashes, licences and names as in CycloneDX's, and the change as a file; SPDX 2.3 has no place for
known vulnerabilities. It holds no date of its own and no random number: the same artifact gets the same bytes.
"""

from __future__ import annotations

import datetime
import hashlib
import importlib.util
import io
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from patchkit import __version__
from patchkit.errors import ToolError
from patchkit.packaging.components import CompiledPart, Names, known_names
from patchkit.packaging.contents import Member
from patchkit.packaging.manifest import Artifact
from patchkit.packaging.sbom import MAIN, cpe_name

if TYPE_CHECKING:
    from spdx_tools.spdx.model import Checksum, ExternalPackageRef, File, Package, Relationship

SUFFIX = ".spdx.json"
_DOCUMENT = "SPDXRef-DOCUMENT"
_OPENVPN = "SPDXRef-openvpn"
_HOME = "https://openvpn.net/community/"


def check_ready() -> None:
    """Raise ToolError where the library that writes SPDX is not installed."""
    if importlib.util.find_spec("spdx_tools") is None:
        raise ToolError(
            "spdx-tools is missing", why="it writes and validates SPDX", advice="pip install 'patchkit[spdx]'"
        )


def spdx(artifact: Artifact, contents: Mapping[str, Member], parts: Sequence[CompiledPart], diff: bytes) -> bytes:
    """Return the SPDX document of ``artifact``, whose archive has ``contents``; ``diff`` is the change, or empty.

    Raises ToolError where the library that writes it is not installed.
    """
    check_ready()
    from spdx_tools.spdx.model import Actor, ActorType, CreationInfo, Document, RelationshipType
    from spdx_tools.spdx.writer.json.json_writer import write_document_to_stream

    main = _main(artifact)
    libraries = [_package(part, number) for number, part in enumerate(parts)]
    programs = [_file(path, member.data) for path, member in sorted(contents.items()) if member.is_program]
    change = [_file(_named(artifact), diff)] if diff else []
    document = Document(
        CreationInfo(
            spdx_version="SPDX-2.3",
            spdx_id=_DOCUMENT,
            name=artifact.name,
            document_namespace=uuid.uuid5(uuid.NAMESPACE_URL, f"urn:sha256:{artifact.files[0].sha256}").urn,
            creators=[Actor(ActorType.TOOL, f"patchkit-{__version__}")],
            created=datetime.datetime.fromtimestamp(artifact.source.epoch, datetime.UTC).replace(tzinfo=None),
        ),
        packages=[main, *libraries],
        files=[*programs, *change],
        relationships=[
            _related(_DOCUMENT, RelationshipType.DESCRIBES, _OPENVPN),
            *(_related(program.spdx_id, RelationshipType.EXPANDED_FROM_ARCHIVE, _OPENVPN) for program in programs),
            *(_related(patch.spdx_id, RelationshipType.PATCH_FOR, _OPENVPN) for patch in change),
            *(
                _related(
                    _OPENVPN,
                    RelationshipType.STATIC_LINK if part.linkage == "compiled in" else RelationshipType.DYNAMIC_LINK,
                    package.spdx_id,
                )
                for part, package in zip(parts, libraries, strict=True)
            ),
        ],
    )
    text = io.StringIO()
    write_document_to_stream(document, text, validate=True)
    return text.getvalue().encode() + b"\n"


def _main(artifact: Artifact) -> Package:
    from spdx_tools.spdx.model import Checksum, ChecksumAlgorithm, Package, PackagePurpose, SpdxNoAssertion

    names, archive = known_names()[MAIN], artifact.files[0]
    source = artifact.source
    purl = f"pkg:generic/openvpn@{quote(artifact.version, safe='.+~')}"
    return Package(
        spdx_id=_OPENVPN,
        name="openvpn",
        version=artifact.version,
        file_name=archive.name,
        download_location=SpdxNoAssertion(),
        files_analyzed=False,
        checksums=[Checksum(ChecksumAlgorithm.SHA256, archive.sha256)],
        homepage=_HOME,
        source_info=f"{source.name}, sha256 {source.sha256}" if source.sha256 else f"{source.name}, {source.commit}",
        license_declared=_licence(names),
        license_concluded=_licence(names),
        copyright_text=SpdxNoAssertion(),
        description=f"OpenVPN {artifact.release}, variant {artifact.patch.variant}, for {artifact.build.target}",
        external_references=_references(purl, cpe_name(names, artifact.release)),
        primary_package_purpose=PackagePurpose.APPLICATION,
    )


def _package(part: CompiledPart, number: int) -> Package:
    from spdx_tools.spdx.model import Checksum, ChecksumAlgorithm, Package, PackagePurpose, SpdxNoAssertion

    stem = re.sub(r"[^A-Za-z0-9.-]", "-", part.asked_for_as or part.name)
    return Package(
        spdx_id=f"SPDXRef-{number}-{stem}",
        name=part.name,
        version=part.version or None,
        download_location=part.urls[0] if part.urls else SpdxNoAssertion(),
        files_analyzed=False,
        checksums=[Checksum(ChecksumAlgorithm.SHA256, part.sha256)] if part.sha256 else [],
        license_declared=_licence(part.names) if part.names else SpdxNoAssertion(),
        license_concluded=_licence(part.names) if part.names else SpdxNoAssertion(),
        copyright_text=SpdxNoAssertion(),
        comment=f"{part.linkage}{f', as {part.asked_for_as}' if part.asked_for_as else ''}",
        external_references=_references(part.purl, cpe_name(part.names, part.upstream_version) if part.names else None),
        primary_package_purpose=PackagePurpose.LIBRARY,
    )


def _references(purl: str, cpe: str | None) -> list[ExternalPackageRef]:
    from packageurl import PackageURL
    from spdx_tools.spdx.model import ExternalPackageRef, ExternalPackageRefCategory

    written = PackageURL.from_string(purl).to_string() if purl else ""  # as CycloneDX's library writes it
    names = [ExternalPackageRef(ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", written)] if purl else []
    return [*names, *([ExternalPackageRef(ExternalPackageRefCategory.SECURITY, "cpe23Type", cpe)] if cpe else [])]


def _file(path: str, data: bytes) -> File:
    from spdx_tools.spdx.model import Checksum, ChecksumAlgorithm, File

    # SPDX 2.3 requires a SHA-1 of every file; nothing relies on it here.
    sha1 = Checksum(ChecksumAlgorithm.SHA1, hashlib.sha1(data, usedforsecurity=False).hexdigest())
    checksums: list[Checksum] = [sha1, Checksum(ChecksumAlgorithm.SHA256, hashlib.sha256(data).hexdigest())]
    return File(name=f"./{path}", spdx_id=f"SPDXRef-file-{re.sub(r'[^A-Za-z0-9.-]', '-', path)}", checksums=checksums)


def _named(artifact: Artifact) -> str:
    """Return the name of the diff."""
    return next((file.name for file in artifact.files if file.name.endswith(".diff")), "change.diff")


def _related(one: str, kind: object, other: str) -> Relationship:
    from spdx_tools.spdx.model import Relationship

    return Relationship(one, kind, other)


def _licence(names: Names) -> object:
    from spdx_tools.common.spdx_licensing import spdx_licensing

    return spdx_licensing.parse(names.licence)
