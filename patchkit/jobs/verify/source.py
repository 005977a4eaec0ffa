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
from patchkit.jobs.verify.evidence import Collector, EvidenceRequest, Exhibit, armours
from patchkit.jobs.verify.model import Fact
from patchkit.releases.catalog import Release, catalog
from patchkit.releases.version import Version
from patchkit.source.git import repository
from patchkit.source.obtain import SourceRequest, version_of
from patchkit.source.openpgp.gnupg import key_ring
from patchkit.source.openpgp.judgement import GOOD
from patchkit.source.tree.compare import Differences, differences
from patchkit.source.tree.tree import SourceTree
from patchkit.source.tree.version_m4 import own_version

_NAMED = 12  # files of a tarball that a one-line summary names
_DOUBTS: dict[str, type[PatchkitError]] = {
    "unknown key": UnknownKeyError,
    "weak": WeakSignatureError,
    "missing": UnsignedError,
}
_SAID: dict[str, str] = {
    "unknown key": "a key that is not known as upstream's",
    "weak": "a signature whose hash can be cheated",
    "missing": "no signature",
}


@dataclass
class Judged:
    """What was found out about a source."""

    label: str
    """The release, or ``git.`` and a commit: goes into file names."""
    version: Version | None
    """The release, for any other ref what it says of itself; None where that is none."""
    release: Release | None
    request: SourceRequest
    """What gives the source that was judged to the steps that follow."""
    tree: SourceTree
    compared: Differences | None
    handed_over: bool
    """Whether the user has named the repository, the tarball or the folder."""
    summary: str = ""
    facts: list[Fact] = field(default_factory=list)
    findings: list[PatchkitError] = field(default_factory=list)

    @property
    def may_run(self) -> bool:
        """Whether it may be compiled: nothing that was tampered with, and without a voucher only what was handed
        over, as everywhere in patchkit."""
        return all(self.handed_over and type(one) in _DOUBTS.values() for one in self.findings)


def judge_source(request: EvidenceRequest, context: Context) -> Judged:
    """Find the source, as a tarball, as a tag or as both, and judge it. Findings are in the result.

    Raises what getting it raised where there is neither form, OpenPgpMissingError without gpg, and
    SignatureFileError for a file of keys that holds none.
    """
    version = version_of(request.source)
    release = _known(request.version)
    with key_ring(armours(request.keys)) as ring:
        collector = Collector(request, version, release, ring, context)
        exhibits = [collector.tag(), collector.tarball()]
        found = [one for one in exhibits if one.tree is not None]
        if not found:
            raise _why_nothing(exhibits, request)
        used = _used(request, release, exhibits)
        judged = _gathered(request, version, release, used, exhibits)
        _same_release(version, found, judged)
        if len(found) == 2:
            judged.compared = _compared(exhibits[1], exhibits[0], judged)
        _vouch(used, exhibits, judged)
        return judged


def _known(text: str) -> Release | None:
    try:
        return catalog().find(text)
    except UnknownVersionError:
        return None


def _why_nothing(exhibits: Sequence[Exhibit], request: EvidenceRequest) -> PatchkitError:
    """What was tampered with comes before what is not at hand; a repository that was named before a tarball."""
    errors = [error for one in exhibits for error in one.findings]
    errors += [one.absent for one in exhibits if one.absent is not None]
    first, *others = errors
    why = "\n".join(filter(None, (first.why, *(f"{other.what}: {other.why}" for other in others))))
    return type(first)(first.what, why=why, advice=first.advice or f"--git URL|PATH or --source for {request.version}")


def _used(request: EvidenceRequest, release: Release | None, exhibits: Sequence[Exhibit]) -> Exhibit:
    """The form that the following steps work with: what was handed over, what is pinned, what is vouched for."""
    tag, tarball = exhibits
    if request.source.source is not None:
        order = [tarball]
    elif request.source.git is not None:
        order = [tag]
    elif release is not None:  # as for every other command
        order = (
            [tarball, tag]
            if release.tarball is not None and repository.default_repository() is None
            else [tag, tarball]
        )
    else:
        order = sorted(exhibits, key=lambda one: not one.vouched)  # the tag, unless only the tarball is vouched for
    found = [one for one in order if one.tree is not None] or [one for one in exhibits if one.tree is not None]
    return found[0]


def _gathered(
    request: EvidenceRequest,
    version: Version | None,
    release: Release | None,
    used: Exhibit,
    exhibits: Sequence[Exhibit],
) -> Judged:
    tree = used.tree
    if tree is None:
        raise RuntimeError("the form that is used is at hand")
    if used.where is not None:
        used_source = SourceRequest(request.version, git=used.where)
    elif used.pinned and request.source.source is None:
        used_source = SourceRequest(request.version)
    else:
        used_source = SourceRequest(request.version, source=used.path)
    absent = [
        Fact(name=f"{one.what}: state", value=f"not at hand: {one.absent.what}", good=None)
        for one in exhibits
        if one.absent is not None
    ]
    return Judged(
        label=version.text if version else f"git.{(tree.origin.commit or '')[:12]}",
        version=version or own_version(tree),
        release=release,
        request=used_source,
        tree=tree,
        compared=None,
        handed_over=bool(request.source.source or request.source.git),
        facts=[*(fact for one in exhibits for fact in one.facts), *absent],
        findings=[error for one in exhibits for error in one.findings],
    )


def _same_release(version: Version | None, found: Sequence[Exhibit], judged: Judged) -> None:
    """Whoever signs an old release has not signed that it is a new one: the source has to say so itself."""
    for one in found if version is not None else ():
        own = own_version(one.tree) if one.tree else None
        # The first two release candidates of 2.1 do not say.
        good = own == version if own is not None else None
        one.fact("says of itself", f"{own}" if own else "nothing", good)
        judged.facts.append(one.facts[-1])
        if own is not None and own != version:
            judged.findings.append(
                WrongReleaseError(
                    f"the {one.what} is not {version}, but {own}",
                    why="its version.m4 says so",
                    advice=f"--version {own}, if that is what is wanted",
                )
            )


def _compared(tarball: Exhibit, tag: Exhibit, judged: Judged) -> Differences | None:
    if tarball.tree is None or tag.tree is None:
        return None
    found = differences(tarball.tree, tag.tree)
    aside = [f"{len(found.generated)} generated", f"{len(found.left_out)} left out of the {tarball.what}"]
    aside += [f"{len(found.line_endings)} with other line endings"] if found.line_endings else []
    odd = f", {len(found.suspicious)} UNEXPLAINED" if found.suspicious else ""
    value = f"{found.same} files the same{odd}; aside: {', '.join(aside)}"
    judged.facts.append(Fact(name=f"{tarball.what} against tag", value=value, good=not found.suspicious))
    judged.facts += [Fact(name=one.path, value=one.kind, good=False) for one in found.suspicious]
    lists = {"generated": found.generated, "left out": found.left_out, "other line endings": found.line_endings}
    judged.facts += [
        Fact(name=f"aside: {why}", value=", ".join(names), good=None) for why, names in lists.items() if names
    ]
    if found.suspicious:
        named = [f"{one.path}: {one.kind}" for one in found.suspicious[:_NAMED]]
        more = len(found.suspicious) - len(named)
        judged.findings.append(
            TarballDiffersError(
                f"{len(found.suspicious)} files of the {tarball.what} are not those of the tag",
                why="\n".join([*named, *([f"and {more} more"] if more else [])]),
                advice="look at each of them; --git takes the tag alone",
            )
        )
    return found


def _vouch(used: Exhibit, exhibits: Sequence[Exhibit], judged: Judged) -> None:
    """One line on what vouches for what is used, and a finding where nothing does."""
    worth = used.signed.worth if used.signed else "missing"
    if used.vouched:
        by = [*(["pins"] if used.pinned else []), *([f"a signature ({worth})"] if worth in GOOD else [])]
        others = [one.what for one in exhibits if one is not used and one.vouched]
        judged.summary = f"{used.what}, vouched for by {' and '.join(by)}"
        judged.summary += f"; so is the {others[0]}" if others else ""
        return
    judged.summary = f"{used.what}, with nothing that vouches for it"
    if worth in _DOUBTS:
        judged.findings.append(
            _DOUBTS[worth](
                f"nothing vouches for the {used.what}: no pin, and {_SAID[worth]}",
                why=used.signed.detail if used.signed else "only a tarball or a tag can be signed",
                advice="--key FILE takes a further key that counts; --git or --source another form of the release",
            )
        )
