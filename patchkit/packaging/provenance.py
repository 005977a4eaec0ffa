"""Write the provenance of an artifact: an in-toto statement with a predicate of SLSA's build track, version 1.

It states what was asked for, what that was resolved to, and what came out. It holds no time and no host name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from patchkit import __version__
from patchkit.packaging.manifest import Artifact, File, Source

SUFFIX = ".intoto.json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:patchkit:build:1"
"""The meaning of the parameters: docs/artifacts.md."""
_UPSTREAM = "git+https://github.com/OpenVPN/openvpn"


def provenance(artifact: Artifact, described: Sequence[File]) -> bytes:
    """Return the provenance of ``artifact``: of its files, and of the documents ``described``."""
    statement = {
        "_type": STATEMENT,
        "subject": [
            {"name": file.name, "digest": {"sha256": file.sha256}}
            for file in (*artifact.files, *artifact.packages, *described)
        ],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": _asked_for(artifact),
                "internalParameters": _decided(artifact),
                "resolvedDependencies": [*_sources(artifact), *_toolchain(artifact)],
            },
            "runDetails": {
                "builder": {
                    "id": f"urn:patchkit:builder:{artifact.build.engine}",
                    "version": {"patchkit": __version__},
                    "builderDependencies": [
                        {
                            "uri": f"pkg:generic/patchkit@{__version__}",
                            "digest": {"patchkitFiles": artifact.patchkit_sha256},
                        }
                    ],
                },
                "metadata": {"invocationId": artifact.inputs},
            },
        },
    }
    return json.dumps(statement, indent=2).encode() + b"\n"


def _asked_for(artifact: Artifact) -> dict[str, Any]:
    """Return everything that a user can choose and that decides the bytes."""
    build, crypto = artifact.build, artifact.build.crypto
    return {
        "release": artifact.release,
        "source": artifact.source.kind,
        "variant": artifact.patch.variant,
        "guard": artifact.patch.guard,
        "target": build.target,
        "engine": build.engine,
        "crypto": crypto.library if crypto else "system",
        "features": build.features,
        "cflags": build.added_cflags,
        "signingCertificate": artifact.signature.certificate if artifact.signature else None,
    }


def _decided(artifact: Artifact) -> dict[str, Any]:
    """Return what followed from it."""
    build = artifact.build
    return {
        "series": artifact.series,
        "triplet": build.triplet,
        "recipe": build.recipe,
        "compiler": build.compiler,
        "configure": build.configure,
        "cppflags": build.cppflags,
        "cflags": build.cflags,
        "ldflags": build.ldflags,
        "sourceDateEpoch": artifact.source.epoch,
        "diffSha256": artifact.patch.diff_sha256,
        "zlib": build.zlib,
    }


def _sources(artifact: Artifact) -> list[dict[str, Any]]:
    crypto, build = artifact.build.crypto, artifact.build
    libraries = [(crypto.library, crypto.source)] if crypto and crypto.source else []
    libraries += [(library.name, library.source) for library in build.libraries]
    upstream = _UPSTREAM if artifact.source.verified else None
    return [_source("openvpn", artifact.source, upstream), *(_source(name, source, None) for name, source in libraries)]


def _source(name: str, source: Source, repository: str | None) -> dict[str, Any]:
    digests = {
        "sha256": source.sha256, "gitCommit": source.commit, "gitTree": source.tree, "patchkitTree": source.contents
    }  # fmt: skip
    descriptor: dict[str, Any] = {
        "name": f"{name}: {source.name}",
        "digest": {kind: digest for kind, digest in digests.items() if digest},
        "annotations": {"kind": source.kind, "verified": source.verified},
    }
    if source.kind == "git" and repository:
        descriptor["uri"] = f"{repository}@{source.name}"
    return descriptor


def _toolchain(artifact: Artifact) -> list[dict[str, Any]]:
    images = {"toolchain image": artifact.build.image, "base image": artifact.build.base_image}
    dependencies: list[dict[str, Any]] = [
        {"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}
        for name, digest in images.items()
        if digest
    ]
    if wheel := artifact.build.wheel:
        name, version = wheel.name.split("-")[:2]
        dependencies.append(
            {"uri": f"pkg:pypi/{name}@{version}", "name": wheel.name, "digest": {"sha256": wheel.sha256}}
        )
    for full_name, state in artifact.build.installed.items():
        (name, _, architecture), (version, _, digest) = full_name.partition(":"), state.partition(" ")
        purl = f"pkg:deb/debian/{name}@{quote(version, safe='.+~:-')}?arch={architecture}"
        dependencies.append({"uri": purl, "digest": {"dpkgFileList": digest}} if digest else {"uri": purl})
    return dependencies
