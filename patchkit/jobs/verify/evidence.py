"""The two forms that a release's source comes in, a tarball and a git tag, each with its pins and its signature."""

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

_UNAVAILABLE = (NetworkUnavailableError, OfflineError, PlacesExhaustedError, UnknownVersionError)
_TAMPERED = (WrongHashError, TagMovedError, GitError, UnsafeArchiveError)


@dataclass(frozen=True)
class EvidenceRequest:
    """The source that is judged, and the keys that its signatures are checked with."""

    source: SourceRequest
    """A release; with a repository, any ref. By default from ``PATCHKIT_GIT``, or else from upstream."""
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
        """Check that the options go together. Raises BadUsageError for a signature without a tarball to check."""
        if self.signature is not None and (self.source.source is None or self.source.source.is_dir()):
            raise BadUsageError("--signature needs a tarball", advice="--source TARBALL")


def armours(keys: Sequence[Path]) -> list[bytes]:
    """Return upstream's keys and those in the files ``keys``, each in ASCII armour.

    Raises StorageError for a file that cannot be read.
    """
    texts = [key.armour for key in upstream_keys()]
    for path in keys:
        with reading(path):
            texts.append(path.read_bytes())
    return texts


@dataclass
class SourceForm:
    """One form of the source, and what authenticates it."""

    name: str
    """``tarball``, ``folder``, ``tag`` or ``ref``."""
    tree: SourceTree | None = None
    """The files; None where they are not available, or were tampered with."""
    pinned: bool = False
    """Whether every byte is as pinned."""
    judgement: Judgement | None = None
    """What its signature is worth; None where none was looked for."""
    path: Path | None = None
    """The tarball or folder."""
    repository: str | None = None
    """The repository that has the tag."""
    unavailable: PatchkitError | None = None
    """Why it is not available; None where it is."""
    facts: list[Fact] = field(default_factory=list)
    findings: list[PatchkitError] = field(default_factory=list)

    @property
    def authenticated(self) -> bool:
        """Whether the source is as pinned, or has a good signature."""
        return self.tree is not None and (self.pinned or (self.judgement is not None and self.judgement.worth in GOOD))

    def add_fact(self, name: str, value: str, good: bool | None) -> None:
        """Add a fact about this form: ``good`` is None where it speaks neither for nor against."""
        self.facts.append(Fact(name=f"{self.name}: {name}", value=value, good=good))


@dataclass(frozen=True)
class Collector:
    """Looks for both forms of a source, and judges each by itself."""

    request: EvidenceRequest
    version: Version | None
    """None for a ref that is not a release."""
    release: Release | None
    """The release's pins; None where there are none."""
    ring: KeyRing
    context: Context

    @property
    def _source(self) -> SourceRequest:
        return self.request.source

    def tarball(self) -> SourceForm:
        """Return the tarball; a folder that the user has named counts as a tarball without a signature.

        Tampering is in the result, and so is a tarball that is not available. Raises BadSourceError or StorageError
        for a tarball or folder that cannot be read, and OpenPgpMissingError where gpg is missing.
        """
        form = SourceForm("tarball" if self._source.source is None or self._source.source.is_file() else "folder")
        try:
            pin = self.release.tarball if self.release else None
            path = form.path = self._path(pin)
            form.tree = directory.tree_from(path)
            if path.is_file():
                self._hash(form, path, pin)
                self._sign(form, self._tarball_signature(path), path)
        except _UNAVAILABLE as error:
            if self._source.source is not None:
                raise
            form.unavailable = error
        except _TAMPERED as error:
            _mark_tampered(form, error)
        return form

    def tag(self) -> SourceForm:
        """Return the tag, or the ref, of the repository that the user has named, or else of the default one.

        Tampering is in the result, and so is a tag that is not available. Raises StorageError, and OpenPgpMissingError
        where gpg is missing.
        """
        ref = self.release.ref if self.release else f"v{self.version.text}" if self.version else self.request.version
        where = self._source.git or repository.default_repository() or mirror.repository_with(ref)
        where = where or repository.UPSTREAM
        form = SourceForm("tag" if self.version else "ref", repository=where)
        pin = self.release.tag if self.release else None
        try:
            form.tree = repository.tree_at(where, ref, self.context, pin=pin)
            origin = form.tree.origin
            form.pinned = origin.verified
            as_pinned = "as pinned" if pin else "no pin knows it"
            form.add_fact("commit", f"{origin.commit}, {as_pinned}", True if pin else None)
            form.add_fact("tree", f"{origin.tree}, {as_pinned}", True if pin else None)
            self._sign_tag(form, tag_text(where, ref, self.context.cache), ref)
        except _UNAVAILABLE as error:
            form.unavailable = error
        except _TAMPERED as error:
            named = self._source.git is not None or repository.default_repository() is not None
            if isinstance(error, GitError) and not named:
                form.unavailable = error  # upstream's own repository, which the user has not named
            else:
                _mark_tampered(form, error)
        return form

    def _path(self, pin: TarballPin | None) -> Path:
        if self._source.source is not None:
            return self._source.source
        if self.version is None:
            raise UnknownVersionError(
                "only releases have tarballs", why=f"{shown(self.request.version)} is not a release"
            )
        if self.release is not None and pin is not None:
            return obtain.tarball_path(self.release, pin, self.context)
        return unpinned.tarball(self.version, self.context)

    def _hash(self, form: SourceForm, path: Path, pin: TarballPin | None) -> None:
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        # A release may have come as .tar.gz and as .tar.xz, and pins know one of them.
        if pin is not None and path.name.rpartition(".")[2] == pin.name.rpartition(".")[2]:
            if digest != pin.sha256:
                raise WrongHashError(
                    f"{path.name} is not the {pin.name} that upstream published",
                    why=f"pinned sha256 {pin.sha256}\nfound  sha256 {digest}",
                    advice="download the tarball again, from another place",
                )
            form.pinned = True
        as_pinned = "as pinned" if form.pinned else "no pin knows it"
        form.add_fact("sha256", f"{digest}, {as_pinned}", form.pinned or None)
        form.add_fact("size", f"{len(data)} bytes", form.pinned or None)

    def _tarball_signature(self, path: Path) -> Path | Judgement:
        if self.request.signature is not None:
            return self.request.signature
        if self._source.source is not None:
            beside = [path.with_name(path.name + suffix) for suffix in (".asc", ".sig")]
            signature = next((file for file in beside if file.is_file()), None)
            return signature or Judgement("missing", f"there is no {beside[0].name} beside it")
        if self.version is None:
            raise BadUsageError("only releases have tarballs")
        try:
            return unpinned.signature(self.version, path.name, self.context)
        except _UNAVAILABLE as error:
            return Judgement("missing", error.what)

    def _sign(self, form: SourceForm, signature: Path | Judgement, path: Path) -> None:
        if isinstance(signature, Path):
            with reading(signature):
                text = signature.read_bytes()
            signature = judge(self.ring, text, path.read_bytes(), self.request.now)
        self._judge(form, signature)

    def _sign_tag(self, form: SourceForm, text: TagText | None, ref: str) -> None:
        origin = form.tree.origin if form.tree else None
        if text is None or text.signature is None:
            why = "its text has no signature" if text else "a tag without a text of its own"
            if text and text.other_signature:
                why = f"signed with {text.other_signature}, which patchkit does not read"
            self._judge(form, Judgement("missing", why if self.version else "no release, so nobody signs it"))
            return
        self._judge(form, judge(self.ring, text.signature, text.signed, self.request.now))
        if text.name != ref:
            form.findings.append(
                WrongReleaseError(
                    f"the ref {shown(ref)} leads to the tag {shown(text.name)}",
                    why="the tag's own text, which is what was signed, has another name",
                    advice="do not build it: somebody may pass off an old release as a new one",
                )
            )
        if origin is not None and text.leads_to != origin.commit:
            form.findings.append(
                BadSignatureError(
                    f"the tag {shown(ref)} does not lead to the commit itself",
                    why=f"its text names {shown(text.leads_to)}, the commit is {origin.commit}",
                )
            )

    def _judge(self, form: SourceForm, judgement: Judgement) -> None:
        form.judgement = judgement
        missing_key = next((key for key in missing_keys() if judgement.key.endswith(key.id)), None)
        used = f"; upstream has signed {' to '.join(missing_key.tags)} with it" if missing_key and judgement.key else ""
        good = True if judgement.worth in GOOD else False if judgement.worth == "bad" else None
        form.add_fact("signature", f"{judgement.worth} ({judgement.detail}{used})", good)
        if judgement.worth == "bad":
            form.findings.append(
                BadSignatureError(
                    f"the signature of the {form.name} is bad",
                    why=judgement.detail,
                    advice="do not build it; get the source and the signature again, from another place",
                )
            )


def _mark_tampered(form: SourceForm, error: PatchkitError) -> None:
    form.tree = None
    form.add_fact("state", error.what, False)
    form.findings.append(error)
