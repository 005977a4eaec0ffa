"""The first step: is this source upstream's? Pins, the signatures of tarball and tag, and the one against the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from patchkit.context import Context
from patchkit.errors import (
    PatchkitError,
    TarballDiffersError,
    UnknownKeyError,
    UnknownVersionError,
    UnsignedError,
    WeakSignatureError,
    WrongReleaseError,
)
from patchkit.jobs.verify.evidence import Collector, EvidenceRequest, SourceForm, armours
from patchkit.jobs.verify.model import EVIDENCE, EvidenceName, Fact
from patchkit.releases.catalog import Release, catalog
from patchkit.releases.version import Version
from patchkit.source.git import repository
from patchkit.source.obtain import SourceRequest, version_of
from patchkit.source.openpgp.gnupg import key_ring
from patchkit.source.openpgp.judgement import GOOD
from patchkit.source.tree.compare import differences
from patchkit.source.tree.version_m4 import own_version

_NAMED = 12  # files of a tarball that a one-line summary names
_DOUBTS: dict[str, type[PatchkitError]] = {
    "unknown key": UnknownKeyError,
    "weak": WeakSignatureError,
    "missing": UnsignedError,
}
_DOUBT_TEXTS: dict[str, str] = {
    "unknown key": "a key that is not known as upstream's",
    "weak": "a signature whose hash can be cheated",
    "missing": "no signature",
}


@dataclass
class JudgedSource:
    """A source, and what was found out about it."""

    label: str
    """The release, or ``git.`` and a commit: goes into file names."""
    version: Version | None
    """The release; for any other ref the version in its version.m4, or None where that has none."""
    release: Release | None
    """The release's pins; None where there are none."""
    request: SourceRequest
    """Gives the steps that follow the source that was judged."""
    named_by_user: bool
    """Whether the user has named the repository, the tarball or the folder."""
    summary: str = ""
    facts: list[Fact] = field(default_factory=list)
    findings: list[PatchkitError] = field(default_factory=list)
    checked: Sequence[EvidenceName] = ()
    """The evidence that was checked, whatever came out."""

    @property
    def may_run(self) -> bool:
        """Whether the source may be compiled: never after tampering, and without a pin or a good signature only where
        the user has named it, as everywhere in patchkit.
        """
        return all(self.named_by_user and type(error) in _DOUBTS.values() for error in self.findings)


def judge_source(request: EvidenceRequest, context: Context) -> JudgedSource:
    """Get the source of ``request``, as a tarball, as a tag or as both, and judge it. Findings are in the result.

    Raises the error of the first form where neither is available, BadSourceError or StorageError for a tarball or
    folder that cannot be read, OpenPgpMissingError without gpg, StorageError for a file of keys that cannot be read,
    and SignatureFileError for one that holds no key.
    """
    version = version_of(request.source)
    release = _pinned_release(request.version)
    with key_ring(armours(request.keys)) as ring:
        collector = Collector(request, version, release, ring, context)
        tag, tarball = forms = [collector.tag(), collector.tarball()]
        available = [form for form in forms if form.tree is not None]
        if not available:
            raise _unavailable_error(_preferred(request, release, forms), request)
        used = _used_form(request, release, forms)
        judged = _gathered(request, version, release, used, forms)
        if version is not None:
            _check_own_versions(version, available, judged)
        _compare(tarball, tag, judged)
        _check_authentication(used, forms, judged)
        judged.checked = _checked(used, tag, tarball)
        return judged


def _checked(used: SourceForm, tag: SourceForm, tarball: SourceForm) -> list[EvidenceName]:
    signatures = [form.judgement.worth for form in (tag, tarball) if form.judgement is not None]
    both = tag.tree is not None and tarball.tree is not None
    there: dict[EvidenceName, bool] = {
        "pin": used.pinned,
        "signature": any(worth in GOOD or worth == "bad" for worth in signatures),
        "tag": tag.tree is not None,
        "tarball": tarball.tree is not None,
        "comparison": both,
    }
    return [name for name in EVIDENCE if there[name]]


def _pinned_release(version: str) -> Release | None:
    try:
        return catalog().find(version)
    except UnknownVersionError:
        return None


def _unavailable_error(forms: Sequence[SourceForm], request: EvidenceRequest) -> PatchkitError:
    """Tampering comes before what is not available, then the form that other commands use: so they say the same."""
    errors = [error for form in forms for error in form.findings]
    errors += [form.unavailable for form in forms if form.unavailable is not None]
    first, *others = errors
    why = "\n".join(filter(None, (first.why, *(f"{other.what}: {other.why}" for other in others))))
    return type(first)(first.what, why=why, advice=first.advice or f"--git URL|PATH or --source for {request.version}")


def _used_form(request: EvidenceRequest, release: Release | None, forms: Sequence[SourceForm]) -> SourceForm:
    """The form that the following steps use."""
    return next(form for form in _preferred(request, release, forms) if form.tree is not None)


def _preferred(request: EvidenceRequest, release: Release | None, forms: Sequence[SourceForm]) -> list[SourceForm]:
    """Sort ``forms``: first what the user has named, what is pinned, or what is authenticated."""
    tag, tarball = forms
    if request.source.source is not None:
        return [tarball, tag]
    if request.source.git is not None:
        return [tag, tarball]
    if release is not None:  # as for every other command
        by_tarball = release.tarball is not None and (release.tag is None or repository.default_repository() is None)
        return [tarball, tag] if by_tarball else [tag, tarball]
    return sorted(forms, key=lambda form: not form.authenticated)  # the tag, unless only the tarball is


def _gathered(
    request: EvidenceRequest,
    version: Version | None,
    release: Release | None,
    used: SourceForm,
    forms: Sequence[SourceForm],
) -> JudgedSource:
    tree = used.tree
    if tree is None:
        raise RuntimeError("the form that is used is available")
    if used.repository is not None:
        used_source = SourceRequest(request.version, git=used.repository)
    elif used.pinned and request.source.source is None:
        used_source = SourceRequest(request.version)
    else:
        used_source = SourceRequest(request.version, source=used.path)
    unavailable = [
        Fact(name=f"{form.name}: state", value=f"not available: {form.unavailable.what}", good=None)
        for form in forms
        if form.unavailable is not None
    ]
    return JudgedSource(
        label=version.text if version else f"git.{(tree.origin.commit or '')[:12]}",
        version=version or own_version(tree),
        release=release,
        request=used_source,
        named_by_user=bool(request.source.source or request.source.git),
        facts=[*(fact for form in forms for fact in form.facts), *unavailable],
        findings=[error for form in forms for error in form.findings],
    )


def _check_own_versions(version: Version, available: Sequence[SourceForm], judged: JudgedSource) -> None:
    """A signature of an old release does not show that it is a new one: the source itself has to name its version."""
    for form in available:
        own = own_version(form.tree) if form.tree else None
        # The first two release candidates of 2.1 have no version in them.
        good = own == version if own is not None else None
        form.add_fact("says of itself", f"{own}" if own else "nothing", good)
        judged.facts.append(form.facts[-1])
        if own is not None and own != version:
            judged.findings.append(
                WrongReleaseError(
                    f"the {form.name} is not {version}, but {own}",
                    why="its version.m4 says so",
                    advice=f"--version {own}, if this is the release that you need",
                )
            )


def _compare(tarball: SourceForm, tag: SourceForm, judged: JudgedSource) -> None:
    """Add what differs between both forms to ``judged``, where both are available."""
    if tarball.tree is None or tag.tree is None:
        return
    compared = differences(tarball.tree, tag.tree)
    aside = [f"{len(compared.generated)} generated", f"{len(compared.left_out)} left out of the {tarball.name}"]
    aside += [f"{len(compared.line_endings)} with other line endings"] if compared.line_endings else []
    unexplained = f", {len(compared.suspicious)} UNEXPLAINED" if compared.suspicious else ""
    value = f"{compared.same} files the same{unexplained}; aside: {', '.join(aside)}"
    judged.facts.append(Fact(name=f"{tarball.name} against tag", value=value, good=not compared.suspicious))
    judged.facts += [Fact(name=file.path, value=file.kind, good=False) for file in compared.suspicious]
    lists = {
        "generated": compared.generated,
        "left out": compared.left_out,
        "other line endings": compared.line_endings,
    }
    judged.facts += [
        Fact(name=f"aside: {why}", value=", ".join(names), good=None) for why, names in lists.items() if names
    ]
    if compared.suspicious:
        named = [f"{file.path}: {file.kind}" for file in compared.suspicious[:_NAMED]]
        unnamed = len(compared.suspicious) - len(named)
        judged.findings.append(
            TarballDiffersError(
                f"{len(compared.suspicious)} files of the {tarball.name} are not those of the tag",
                why="\n".join([*named, *([f"and {unnamed} more"] if unnamed else [])]),
                advice="look at each of them; --git uses the tag alone",
            )
        )


def _check_authentication(used: SourceForm, forms: Sequence[SourceForm], judged: JudgedSource) -> None:
    """Summarize what authenticates the form that is used; a finding where nothing does."""
    worth = used.judgement.worth if used.judgement else "missing"
    if used.authenticated:
        by = [*(["pins"] if used.pinned else []), *([f"a signature ({worth})"] if worth in GOOD else [])]
        others = [form.name for form in forms if form is not used and form.authenticated]
        judged.summary = f"{used.name}, vouched for by {' and '.join(by)}"
        judged.summary += f"; so is the {others[0]}" if others else ""
        return
    judged.summary = f"{used.name}, with nothing that vouches for it"
    if worth in _DOUBTS:
        judged.findings.append(
            _DOUBTS[worth](
                f"the {used.name} is not authenticated: no pin, and {_DOUBT_TEXTS[worth]}",
                why=used.judgement.detail if used.judgement else "only a tarball or a tag can be signed",
                advice="--key FILE adds a key that counts as upstream's; "
                "--git or --source names another form of the release",
            )
        )
