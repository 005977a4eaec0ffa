"""What the manifest says of one artifact that was built and has passed its smoke test."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from patchkit import __version__
from patchkit.building.check.elf import Linkage
from patchkit.building.check.smoke import CheckResult
from patchkit.building.recipe.openssl import configure_words
from patchkit.building.toolchain import SYSTEM
from patchkit.jobs.build.plan import Ground, Planned
from patchkit.packaging import manifest
from patchkit.packaging.dist import described
from patchkit.patching.variants import GUARD_MACRO


def describe(
    planned: Planned,
    ground: Ground,
    *,
    version: str,
    linked: Linkage,
    files: Mapping[str, bytes],
    checks: Sequence[CheckResult],
    left_out: Sequence[str],
) -> manifest.Artifact:
    """Return the entry of the artifact ``planned``.

    ``version`` is what its binary calls itself, ``files`` are its files by name, ``left_out`` what it lacks and why.
    """
    rendered, origin, target = planned.rendered, ground.obtained.tree.origin, ground.tools.target
    return manifest.Artifact(
        name=planned.name,
        version=version,
        release=ground.obtained.label,
        series=ground.obtained.series,
        patchkit=__version__,
        inputs=planned.inputs,
        source=manifest.Source(**asdict(origin)),
        patch=manifest.Patch(
            variant=rendered.variant,
            status=planned.variant.status,
            guard=rendered.guard,
            diff_sha256=rendered.sha256 if rendered.diff else None,
            files=[
                manifest.PatchedFile(path=path, before=_sha256(ground.obtained.tree.read(path)), after=_sha256(data))
                for path, data in sorted(rendered.files.items())
            ],
        ),
        build=manifest.Build(
            target=target.name,
            triplet=target.triplet,
            engine=ground.identity.engine,
            compiler=ground.identity.compiler,
            packages=dict(ground.identity.packages),
            image=ground.identity.image,
            base_image=ground.identity.base_image,
            recipe=ground.tools.series.recipe,
            configure=_options(ground),
            cppflags=[*target.cppflags, *([f"-D{GUARD_MACRO}"] if rendered.guard else [])],
            cflags=target.cflags,
            ldflags=target.ldflags,
            crypto=_crypto(ground),
            portability=ground.tools.portability,
            features=ground.tools.features,
            libraries=[
                manifest.StaticLibrary(
                    name=library.source.library.name,
                    version=library.source.version,
                    source=manifest.Source(**asdict(library.source.tree.origin)),
                )
                for library in ground.others
            ],
            left_out=list(left_out),
            needed=list(linked.needed),
            glibc=linked.glibc,
        ),
        checks=[manifest.Check(name=check.name, passed=check.passed, detail=check.detail) for check in checks],
        signature=_signature(ground),
        files=[described(name, data) for name, data in files.items()],
    )


def _options(ground: Ground) -> list[str]:
    by_hand = ground.tools.series.recipe == "autotools" and ground.library is not None
    return [*ground.tools.configure, *(configure_words(ground.tools.target) if by_hand else [])]


def _signature(ground: Ground) -> manifest.AuthenticodeSignature | None:
    signer = ground.signer
    return manifest.AuthenticodeSignature(subject=signer.subject, certificate=signer.fingerprint) if signer else None


def _crypto(ground: Ground) -> manifest.Crypto:
    pinned = ground.tools.crypto.pinned
    if pinned is None or ground.library is None:
        version = ground.identity.packages.get("libssl-dev", "unknown")
        return manifest.Crypto(choice="system", library=SYSTEM, version=version, linked="shared", verified=None)
    source = ground.library.source
    return manifest.Crypto(
        choice="pinned",
        library=pinned.name,
        version=source.version,
        linked="static",
        verified=source.verified,
        source=manifest.Source(**asdict(source.tree.origin)),
        end_of_life=pinned.end_of_life.isoformat() if pinned.end_of_life else None,
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
