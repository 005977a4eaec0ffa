"""Write the SBOM of an artifact: CycloneDX 1.6, with what it holds and loads, our change, and known vulnerabilities.

It holds no date of its own and no random number: the same artifact gets the same bytes.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import quote

from patchkit import __version__
from patchkit.packaging.components import CompiledPart, Names, known_names
from patchkit.packaging.contents import Member
from patchkit.packaging.manifest import Artifact, File, Vulnerability
from patchkit.releases import advisories
from patchkit.releases.libraries import libraries
from patchkit.releases.library_advisories import library_advisories

if TYPE_CHECKING:
    from cyclonedx.model import ExternalReference, HashType, Property
    from cyclonedx.model.component import Component, Patch, Pedigree
    from cyclonedx.model.license import License
    from cyclonedx.model.vulnerability import Vulnerability as Entry

SUFFIX = ".cdx.json"
MAIN = "openvpn"
"""The reference of OpenVPN itself within the document."""
_COMPILED_IN = "compiled-in"
_NVD = "https://nvd.nist.gov/vuln/detail/"
_HOME = "https://openvpn.net/community/"
_STATES = {"affected": "exploitable", "fixed here": "resolved_with_pedigree", "cannot be told": "in_triage"}
_NOT_JUDGED = "in_triage"
_OF_LIBRARY = "the library has it, as far as records state; whether OpenVPN calls that part is not judged"
_METHODS = {"2.0": "CVSSv2", "3.0": "CVSSv3", "3.1": "CVSSv31", "4.0": "CVSSv4"}


def sbom(artifact: Artifact, contents: Mapping[str, Member], parts: Sequence[CompiledPart], diff: bytes) -> bytes:
    """Return the SBOM of ``artifact``, whose archive has ``contents``; ``diff`` is our change, empty for stock."""
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.lifecycle import LifecyclePhase, PredefinedLifecycle
    from cyclonedx.model.tool import ToolRepository
    from cyclonedx.output.json import JsonV1Dot6

    main = _main(artifact, contents, diff)
    others = [_component(part) for part in parts]
    tool = Component(name="patchkit", version=__version__, type=ComponentType.APPLICATION, bom_ref="patchkit")
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"urn:sha256:{artifact.files[0].sha256}"),
        metadata=BomMetaData(
            component=main,
            tools=ToolRepository(components=[tool]),
            timestamp=datetime.datetime.fromtimestamp(artifact.source.epoch, datetime.UTC),
            lifecycles=[PredefinedLifecycle(LifecyclePhase.BUILD)],
        ),
        components=others,
        vulnerabilities=[_vulnerability(vulnerability) for vulnerability in artifact.vulnerabilities],
    )
    bom.register_dependency(main, others)
    return JsonV1Dot6(bom).output_as_string(indent=2).encode() + b"\n"


def _main(artifact: Artifact, contents: Mapping[str, Member], diff: bytes) -> Component:
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    names, archive = known_names()[MAIN], artifact.files[0]
    return Component(
        name="openvpn",
        version=artifact.version,
        type=ComponentType.APPLICATION,
        bom_ref=MAIN,
        description=f"OpenVPN {artifact.release}, variant {artifact.patch.variant}, for {artifact.build.target}",
        licenses=[_licence(names)],
        hashes=[_sha256(archive.sha256)],
        purl=PackageURL.from_string(f"pkg:generic/openvpn@{quote(artifact.version, safe='.+~')}"),
        cpe=cpe_name(names, artifact.release),
        external_references=[*map(_file, artifact.files), _source(artifact)],
        pedigree=_pedigree(artifact, diff),
        components=[
            Component(
                name=path,
                type=ComponentType.FILE,
                bom_ref=f"file:{path}",
                hashes=[_sha256(hashlib.sha256(member.data).hexdigest())],
            )
            for path, member in sorted(contents.items())
            if member.is_program
        ],
        properties=_properties(artifact),
    )


def _properties(artifact: Artifact) -> list[Property]:
    from cyclonedx.model import Property

    values = {"target": artifact.build.target, "variant": artifact.patch.variant, "inputs": artifact.inputs}
    return [Property(name=f"patchkit:{name}", value=value) for name, value in values.items()]


def _file(file: File) -> ExternalReference:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri

    is_diff = file.name.endswith(".diff")
    return ExternalReference(
        type=ExternalReferenceType.OTHER if is_diff else ExternalReferenceType.DISTRIBUTION,
        url=XsUri(quote(file.name, safe="+~")),
        comment="the change" if is_diff else "the archive",
        hashes=[_sha256(file.sha256)],
    )


def _source(artifact: Artifact) -> ExternalReference:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, XsUri

    source = artifact.source
    known = source.sha256 or source.contents
    return ExternalReference(
        type=ExternalReferenceType.VCS if source.kind == "git" else ExternalReferenceType.SOURCE_DISTRIBUTION,
        url=XsUri(_HOME),
        comment=f"{source.name}{f', commit {source.commit}' if source.commit else ''}",
        hashes=[_sha256(known)] if known else [],
    )


def _pedigree(artifact: Artifact, diff: bytes) -> Pedigree | None:
    """Return what the component was made from, and our change; None for stock."""
    from cyclonedx.model.component import Component, ComponentType, Pedigree
    from packageurl import PackageURL

    if not diff:
        return None
    upstream = Component(
        name="openvpn",
        version=artifact.release,
        type=ComponentType.APPLICATION,
        bom_ref="openvpn-upstream",
        licenses=[_licence(known_names()[MAIN])],
        purl=PackageURL.from_string(f"pkg:generic/openvpn@{quote(artifact.release, safe='.+~')}"),
        cpe=cpe_name(known_names()[MAIN], artifact.release),
    )
    change = artifact.patch
    notes = f"variant {change.variant}, {change.status}; sha256 of the diff: {change.diff_sha256}"
    return Pedigree(ancestors=[upstream], patches=[_patch(artifact, diff)], notes=notes)


def _patch(artifact: Artifact, diff: bytes) -> Patch:
    from cyclonedx.model import AttachedText, Encoding, XsUri
    from cyclonedx.model.component import Diff, Patch, PatchClassification
    from cyclonedx.model.issue import IssueClassification, IssueType, IssueTypeSource

    cured = [vulnerability for vulnerability in artifact.vulnerabilities if vulnerability.state == "fixed here"]
    text = AttachedText(content=base64.b64encode(diff).decode(), content_type="text/x-diff", encoding=Encoding.BASE_64)
    named = next((file.name for file in artifact.files if file.name.endswith(".diff")), None)
    return Patch(
        type=PatchClassification.BACKPORT if cured else PatchClassification.UNOFFICIAL,
        diff=Diff(text=text, url=XsUri(quote(named, safe="+~")) if named else None),
        resolves=[
            IssueType(
                type=IssueClassification.SECURITY,
                id=vulnerability.id,
                description=vulnerability.title,
                source=IssueTypeSource(name="NVD", url=XsUri(_NVD + vulnerability.id)),
            )
            for vulnerability in cured
        ],
    )


def _component(part: CompiledPart) -> Component:
    from cyclonedx.model import ExternalReference, ExternalReferenceType, Property, XsUri
    from cyclonedx.model.component import Component, ComponentScope, ComponentType
    from packageurl import PackageURL

    properties = [Property(name="patchkit:linkage", value=part.linkage)]
    if part.asked_for_as:
        properties.append(Property(name="patchkit:soname", value=part.asked_for_as))
    return Component(
        name=part.name,
        version=part.version or None,
        type=ComponentType.LIBRARY,
        scope=ComponentScope.REQUIRED,
        bom_ref=f"{_COMPILED_IN if part.linkage == 'compiled in' else part.linkage}:{part.asked_for_as or part.name}",
        licenses=[_licence(part.names)] if part.names else [],
        hashes=[_sha256(part.sha256)] if part.sha256 else [],
        purl=PackageURL.from_string(part.purl) if part.purl else None,
        cpe=cpe_name(part.names, part.upstream_version) if part.names else None,
        external_references=[
            ExternalReference(type=ExternalReferenceType.SOURCE_DISTRIBUTION, url=XsUri(url)) for url in part.urls[:1]
        ],
        properties=properties,
    )


def _vulnerability(vulnerability: Vulnerability) -> Entry:
    from cyclonedx.model import XsUri
    from cyclonedx.model.impact_analysis import ImpactAnalysisResponse, ImpactAnalysisState
    from cyclonedx.model.vulnerability import (
        BomTarget,
        Vulnerability,
        VulnerabilityAnalysis,
        VulnerabilityRating,
        VulnerabilityScoreSource,
        VulnerabilitySeverity,
        VulnerabilitySource,
    )

    known = next((advisory for advisory in advisories.advisories() if advisory.id == vulnerability.id), None)
    method, _, score = known.cvss.partition(": ") if known else ("", "", "")
    severity = "unknown" if vulnerability.severity == "not rated" else vulnerability.severity
    fixed = ", ".join(known.fixed) if known else _fixed_library(vulnerability)
    is_open = vulnerability.state != "fixed here"
    of_main = vulnerability.component == MAIN
    return Vulnerability(
        bom_ref=vulnerability.id,
        id=vulnerability.id,
        source=VulnerabilitySource(name="NVD", url=XsUri(_NVD + vulnerability.id)),
        description=vulnerability.title,
        ratings=[
            VulnerabilityRating(
                severity=VulnerabilitySeverity(severity),
                score=Decimal(score) if score else None,
                method=VulnerabilityScoreSource(_METHODS[method]) if method in _METHODS else None,
            )
        ],
        recommendation=f"upstream's releases with the fix: {fixed}" if fixed and is_open else None,
        analysis=VulnerabilityAnalysis(
            state=ImpactAnalysisState(_STATES[vulnerability.state] if of_main else _NOT_JUDGED),
            responses=[ImpactAnalysisResponse.UPDATE] if is_open else [],
            detail=f"{vulnerability.state}; used from: {vulnerability.reach}" if of_main else _OF_LIBRARY,
        ),
        affects=[BomTarget(ref=_reference(vulnerability.component))],
    )


def _reference(component: str) -> str:
    """Return the reference, within the document, of OpenVPN itself or of a library that is compiled in."""
    return MAIN if component == MAIN else f"{_COMPILED_IN}:{libraries()[component].title}"


def _fixed_library(vulnerability: Vulnerability) -> str:
    """Return the release of the same branch of a library that has the fix; empty where the record has none."""
    branch = libraries()[vulnerability.component].branch if vulnerability.component in libraries() else ""
    known = next((advisory for advisory in library_advisories() if advisory.id == vulnerability.id), None)
    return known.fixed.get(branch, "") if known else ""


def _licence(names: Names) -> License:
    from cyclonedx.contrib.license.factories import LicenseFactory

    return LicenseFactory().make_from_string(names.licence)


def cpe_name(names: Names, version: str) -> str | None:
    """Return the CPE 2.3 name; NVD writes an underscore or nothing where others write a plus sign, so it is escaped."""
    if not names.cpe or not version:
        return None
    escaped = "".join(sign if sign.isalnum() or sign in "._-" else f"\\{sign}" for sign in version)
    return f"cpe:2.3:a:{names.cpe}:{escaped}:*:*:*:*:*:*:*"


def _sha256(digest: str) -> HashType:
    from cyclonedx.model import HashAlgorithm, HashType

    return HashType(alg=HashAlgorithm.SHA_256, content=digest)
