"""Port a user's patch from one release to another: a three-way merge through upstream's own files, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from patchkit.building.settings import BuildSettings
from patchkit.context import Context
from patchkit.errors import AlreadyPatchedError, BadUsageError, NotProvenError
from patchkit.jobs.port import review
from patchkit.jobs.port.merging import Merging
from patchkit.jobs.port.result import Ported
from patchkit.jobs.prove.job import ProveRequest, prove
from patchkit.jobs.prove.result import Proof
from patchkit.patching.combination import Combination
from patchkit.patching.own import load
from patchkit.patching.render import render
from patchkit.patching.unified import MAX_DIFF
from patchkit.releases.catalog import Release
from patchkit.source.git import repository
from patchkit.source.git.merge import diff_file, moved
from patchkit.source.obtain import Obtained, SourceRequest, obtain
from patchkit.storage import expanded

_ASKED_AS = "patchkit port FILE|DIR --from V --to V: a diff, an mbox, or a folder with a quilt series"


@dataclass(frozen=True)
class PortRequest:
    """A patch, the release that it is for, and the one that it is to be for."""

    patch: str
    """The path of a diff, an mbox or a quilt series."""
    before: SourceRequest
    after: SourceRequest
    prove: bool = False
    """Whether both are compiled, and compared with the sources without the patch."""
    settings: BuildSettings = field(default_factory=BuildSettings)


def port(request: PortRequest, context: Context) -> Ported:
    """Port the patch that ``request`` names, and return it for the other release. Nothing is written.

    Raises BadPatchError for the patch, what obtaining both sources raises, PatchMismatchError where the patch does not
    fit the release that it is for, PortConflictError where upstream has changed the same lines, AlreadyPatchedError
    where the target has all of it, BadUsageError where its diff is too large, and with ``prove`` what proving raises,
    and NotProvenError.
    """
    patch = load.patch(request.patch, _ASKED_AS)
    old, new = (obtain(source, context) for source in (request.before, request.after))
    where = request.after.git or repository.default_repository()

    def moves(paths: Sequence[str]) -> Mapping[str, str]:
        commits = [_commit(obtained) for obtained in (old, new)]
        if where is None or repository.is_url(where) or None in commits:
            context.ui.warn(f"{', '.join(paths)}: to see where upstream moved them, a clone is needed: --git CLONE")
            return {}
        return moved(repository.git_folder(expanded(where)), str(commits[0]), str(commits[1]), paths)

    merging = Merging(old.tree, new.tree, (old.label, new.label), moves)
    merging.run(patch)
    files = [review.file_of(path, merging) for path in merging.before]
    changed = {path: data for path, data in sorted(merging.after.items()) if _differs(new, path, data)}
    if not changed:
        raise AlreadyPatchedError(
            f"{new.label} has all of {patch.title} already",
            why=", ".join(merging.after),
            advice="nothing is to be done",
        )
    diff = b"".join(_diff(new, path, data) for path, data in changed.items())
    if len(diff) > MAX_DIFF:
        raise BadUsageError("the ported diff is too large", why=f"{len(diff)} bytes")
    origin = f"other, ported by patchkit from {old.label} to {new.label}"
    merged = load.derived(patch, diff, origin)
    rendered = render(Combination((merged,)), new.tree, new.label, series=new.series)
    if dict(rendered.files) != changed:
        raise RuntimeError("the ported diff does not give what was merged")
    # The name by which other commands will call it has the hash of what is printed, its header too.
    ported = load.known_as(patch, rendered.diff)
    proofs = _proofs(request, [patch.name, ported.name], context) if request.prove else []
    return Ported(
        name=ported.name,
        before=old.label,
        after=new.label,
        rendered=rendered,
        files=files,
        moved_hunks=merging.moved_hunks,
        doubt=review.doubt(patch.name, rendered, new.tree),
        proofs=proofs,
    )


def _proofs(request: PortRequest, names: Sequence[str], context: Context) -> list[Proof]:
    proofs = [
        prove(ProveRequest(source, name, request.settings), context)
        for source, name in zip((request.before, request.after), names, strict=True)
    ]
    failures = [f"{proof.release}: {line}" for proof in proofs for line in proof.failures]
    if failures:
        raise NotProvenError(
            f"both compile, and not both are proven: {', '.join(proof.release for proof in proofs if proof.failures)}",
            why="\n".join(failures),
            advice="without --prove, the diff is printed",
        )
    return proofs


def _differs(obtained: Obtained, path: str, data: bytes) -> bool:
    return path not in obtained.tree or obtained.tree.read(path) != data


def _diff(obtained: Obtained, path: str, data: bytes) -> bytes:
    if path in obtained.tree:
        return diff_file(obtained.tree.read(path), data, path)
    return diff_file(b"", data, path).replace(b"--- a/%b\n" % path.encode(), b"--- /dev/null\n", 1)


def _commit(obtained: Obtained) -> str | None:
    release: Release | None = obtained.release
    pinned = release.tag.commit if release is not None and release.tag is not None else None
    return obtained.tree.origin.commit or pinned
