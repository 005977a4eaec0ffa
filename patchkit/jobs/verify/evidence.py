"""The two forms that a release's source comes in, a tarball and a git tag, each with what vouches for it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from patchkit.context import Context
from patchkit.errors import (
    BadSignatureError,
    BadUsageError,
    GitError,
    NetworkUnavailableError,
    OfflineError,
    PatchkitError,
    PlacesExhaustedError,
    TagMovedError,
    UnknownVersionError,
    UnsafeArchiveError,
    WrongHashError,
    WrongReleaseError,
)
from patchkit.jobs.verify.model import Fact
from patchkit.releases.catalog import Release, TarballPin
from patchkit.releases.keys import missing_keys, upstream_keys
from patchkit.releases.version import Version, shown
from patchkit.source import obtain
from patchkit.source.fetch import mirror, unpinned
from patchkit.source.git import repository
from patchkit.source.git.annotated_tag import TagText, tag_text
from patchkit.source.obtain import SourceRequest
from patchkit.source.openpgp.gnupg import KeyRing
from patchkit.source.openpgp.judgement import GOOD, Judgement, judge
from patchkit.source.tree import directory
from patchkit.source.tree.tree import SourceTree
from patchkit.storage import reading

_NOT_AT_HAND = (NetworkUnavailableError, OfflineError, PlacesExhaustedError, UnknownVersionError)
_TAMPERED = (WrongHashError, TagMovedError, GitError, UnsafeArchiveError)


@dataclass(frozen=True)
class EvidenceRequest:
    """Which source is judged, and by which keys."""

    source: SourceRequest
    """A release; with a repository, any ref. Without places of its own: ``PATCHKIT_GIT``, else upstream's."""
    signature: Path | None = None
    """The signature of a tarball given by hand; otherwise the file beside it with ``.asc`` or ``.sig`` appended."""
    keys: tuple[Path, ...] = ()
    """Files with further keys that count as upstream's."""
    now: float | None = None
    """Seconds since 1970 at which keys count as expired; None for the clock's."""

    @property
    def version(self) -> str:
        """The release or ref."""
        return self.source.version

    def validate(self) -> None:
        """Raise BadUsageError for a signature without a tarball that it could be of."""
        if self.signature is not None and (self.source.source is None or self.source.source.is_dir()):
            raise BadUsageError("--signature is of a tarball", advice="--source TARBALL")


def armours(keys: Sequence[Path]) -> list[bytes]:
    """The keys that count: upstream's, and those in further files. Raises StorageError."""
    found = [one.armour for one in upstream_keys()]
    for path in keys:
        with reading(path):
            found.append(path.read_bytes())
    return found


@dataclass
class Exhibit:
    """One form of the source."""

    what: str
    tree: SourceTree | None = None
    """None where it is not at hand, or was tampered with."""
    pinned: bool = False
    """Whether pins vouch for every byte."""
    signed: Judgement | None = None
    path: Path | None = None
    """The tarball."""
    where: str | None = None
    """The repository."""
    absent: PatchkitError | None = None
    """Why it is not at hand."""
    facts: list[Fact] = field(default_factory=list)
    findings: list[PatchkitError] = field(default_factory=list)

    @property
    def vouched(self) -> bool:
        """By a pin or a good signature."""
        return self.tree is not None and (self.pinned or (self.signed is not None and self.signed.worth in GOOD))

    def fact(self, name: str, value: str, good: bool | None) -> None:
        self.facts.append(Fact(name=f"{self.what}: {name}", value=value, good=good))


@dataclass(frozen=True)
class Collector:
    """Collects the exhibits, each judged by itself."""

    request: EvidenceRequest
    version: Version | None
    """None for a ref that is no release."""
    release: Release | None
    """What the pins know of it."""
    ring: KeyRing
    context: Context

    def tarball(self) -> Exhibit:
        """The tarball; a folder given by hand counts as one that nobody has signed."""
        exhibit = Exhibit(
            "tarball" if self.request.source.source is None or self.request.source.source.is_file() else "folder"
        )
        try:
            pin = self.release.tarball if self.release else None
            path = exhibit.path = self._path(pin)
            exhibit.tree = directory.tree_from(path)
            if path.is_file():
                self._hash(exhibit, path, pin)
                self._sign(exhibit, self._tarball_signature(path), path)
        except _NOT_AT_HAND as error:
            if self.request.source.source is not None:
                raise
            exhibit.absent = error
        except _TAMPERED as error:
            _tampered(exhibit, error)
        return exhibit

    def tag(self) -> Exhibit:
        """The tag."""
        ref = self.release.ref if self.release else f"v{self.version.text}" if self.version else self.request.version
        where = (
            self.request.source.git
            or repository.default_repository()
            or mirror.repository_with(ref)
            or repository.UPSTREAM
        )
        exhibit = Exhibit("tag" if self.version else "ref", where=where)
        pin = self.release.tag if self.release else None
        try:
            exhibit.tree = repository.tree_at(where, ref, self.context, pin=pin)
            origin = exhibit.tree.origin
            exhibit.pinned = origin.verified
            as_pinned = "as pinned" if pin else "no pin knows it"
            exhibit.fact("commit", f"{origin.commit}, {as_pinned}", True if pin else None)
            exhibit.fact("tree", f"{origin.tree}, {as_pinned}", True if pin else None)
            self._sign_tag(exhibit, tag_text(where, ref, self.context.cache), ref)
        except _NOT_AT_HAND as error:
            exhibit.absent = error
        except _TAMPERED as error:
            if (
                isinstance(error, GitError)
                and self.request.source.git is None
                and repository.default_repository() is None
            ):
                exhibit.absent = error  # upstream's own repository, which nobody has asked for
            else:
                _tampered(exhibit, error)
        return exhibit

    def _path(self, pin: TarballPin | None) -> Path:
        if self.request.source.source is not None:
            return self.request.source.source
        if self.version is None:
            raise UnknownVersionError("only releases have tarballs", why=f"{shown(self.request.version)} is none")
        if self.release is not None and pin is not None:
            return obtain.tarball_path(self.release, pin, self.context)
        return unpinned.tarball(self.version, self.context)

    def _hash(self, exhibit: Exhibit, path: Path, pin: TarballPin | None) -> None:
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        # A release may have come as .tar.gz and as .tar.xz, and pins know one of them.
        if pin is not None and path.name.rpartition(".")[2] == pin.name.rpartition(".")[2]:
            if digest != pin.sha256:
                raise WrongHashError(
                    f"{path.name} is not the {pin.name} that upstream published",
                    why=f"wanted sha256 {pin.sha256}\nfound  sha256 {digest}",
                    advice="get it again, from another place",
                )
            exhibit.pinned = True
        as_pinned = "as pinned" if exhibit.pinned else "no pin knows it"
        exhibit.fact("sha256", f"{digest}, {as_pinned}", exhibit.pinned or None)
        exhibit.fact("size", f"{len(data)} bytes", exhibit.pinned or None)

    def _tarball_signature(self, path: Path) -> Path | Judgement:
        if self.request.signature is not None:
            return self.request.signature
        if self.request.source.source is not None:
            beside = [path.with_name(path.name + suffix) for suffix in (".asc", ".sig")]
            found = next((one for one in beside if one.is_file()), None)
            return found or Judgement("missing", f"there is no {beside[0].name} beside it")
        if self.version is None:
            raise BadUsageError("only releases have tarballs")
        try:
            return unpinned.signature(self.version, path.name, self.context)
        except _NOT_AT_HAND as error:
            return Judgement("missing", error.what)

    def _sign(self, exhibit: Exhibit, signature: Path | Judgement, path: Path) -> None:
        if isinstance(signature, Path):
            with reading(signature):
                text = signature.read_bytes()
            signature = judge(self.ring, text, path.read_bytes(), self.request.now)
        self._judged(exhibit, signature)

    def _sign_tag(self, exhibit: Exhibit, text: TagText | None, ref: str) -> None:
        origin = exhibit.tree.origin if exhibit.tree else None
        if text is None or text.signature is None:
            why = "its text has no signature" if text else "a tag without a text of its own"
            if text and text.other_signature:
                why = f"signed with {text.other_signature}, which patchkit does not read"
            self._judged(exhibit, Judgement("missing", why if self.version else "no release, so nobody signs it"))
            return
        self._judged(exhibit, judge(self.ring, text.signature, text.signed, self.request.now))
        if text.name != ref:
            exhibit.findings.append(
                WrongReleaseError(
                    f"what is called {shown(ref)} there is the tag {shown(text.name)}",
                    why="a tag's own text, which is what was signed, has its name",
                    advice="somebody may pass off an old release as a new one",
                )
            )
        if origin is not None and text.leads_to != origin.commit:
            exhibit.findings.append(
                BadSignatureError(
                    f"the tag {shown(ref)} does not lead to the commit itself",
                    why=f"its text says {shown(text.leads_to)}, the commit is {origin.commit}",
                )
            )

    def _judged(self, exhibit: Exhibit, signed: Judgement) -> None:
        exhibit.signed = signed
        lacking = next((one for one in missing_keys() if signed.key.endswith(one.id)), None)
        told = f"; upstream has signed {' to '.join(lacking.tags)} with it" if lacking and signed.key else ""
        good = True if signed.worth in GOOD else False if signed.worth == "bad" else None
        exhibit.fact("signature", f"{signed.worth} ({signed.detail}{told})", good)
        if signed.worth == "bad":
            exhibit.findings.append(
                BadSignatureError(
                    f"the signature of the {exhibit.what} is bad",
                    why=signed.detail,
                    advice="get both again, from another place; nobody should build this",
                )
            )


def _tampered(exhibit: Exhibit, error: PatchkitError) -> None:
    exhibit.tree = None
    exhibit.fact("state", error.what, False)
    exhibit.findings.append(error)
