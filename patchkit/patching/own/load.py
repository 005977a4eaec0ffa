"""Read a user's own variant from ``--patch FILE|DIR`` or ``--variant ./FOLDER``. Nothing of it is run."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from patchkit import resources
from patchkit.errors import BadPatchError
from patchkit.patching import variants
from patchkit.patching.combination import combination
from patchkit.patching.formats import quilt
from patchkit.patching.own.mails import Mail, described, mails_of
from patchkit.patching.own.plain_text import plain_text
from patchkit.patching.own.reading import MAX_FOLDER, files_of, read_below, read_file
from patchkit.patching.own.variant import BroughtVariant, OwnDiff, OwnFolder, OwnPatch
from patchkit.patching.templates import template_name
from patchkit.patching.unified import MAX_DIFF, read, refuse_nested
from patchkit.patching.variants import Variant
from patchkit.printable import in_one_line
from patchkit.storage import expanded

_MOST_DIFFS = 500
_LONGEST = 32  # characters of a file's name that go into names
_TITLE = 80
_MOST_FAULTS, _LONGEST_FAULT = 6, 200  # of a patch.toml, in a message; characters of each
_LONGEST_AUTHORS = 200
_MOST_LISTED = 50  # patches of a series that its description lists
_RESERVED = {"name", "folder", "kind", "digest", "given", "texts", "steps"}


def is_path(name: str) -> bool:
    """Return whether ``name``, given for a variant's name, is a path: ``./FOLDER``, ``../x``, ``/x``, ``~/x``."""
    return name.startswith((".", "/", "~"))


def any_of(text: str) -> Variant:
    """Read the patch or the variant's folder at the path ``text``. Raises BadPatchError and StorageError."""
    path = expanded(text)
    return folder(text) if (path / variants.DESCRIPTION).exists() else patch(text, "patchkit variants ./PATH")


def patch(text: str, asked_as: str = "--patch FILE|DIR") -> Variant:
    """Read the diffs in the file or folder ``text``, and make them known under their name.

    ``asked_as`` is how the command takes it: the advice where nothing is there.

    Raises BadPatchError where they are not plain diffs, and StorageError where they can't be read.
    """
    path = expanded(text)
    if path.is_dir():
        return _known(_series(path))
    if not path.exists():
        raise BadPatchError(f"there is no file or folder {in_one_line(text)}", advice=asked_as)
    data = read_file(path, MAX_DIFF)
    return _known(_patch(path.name, _steps(path.name, data), [data]))


def derived(own: Variant, diff: bytes, origin: str) -> Variant:
    """Return the patch ``diff``, which was made of ``own`` and keeps its name, title and description.

    A header that is written for it names ``own``, by a hash that a file has. Raises BadPatchError.
    """
    made = known_as(own, diff, register=False)
    return made.model_copy(update={"name": own.name, "description": own.description, "origin": origin})


def known_as(own: Variant, diff: bytes, *, register: bool = True) -> Variant:
    """Make the patch ``diff`` known as a file with the name of ``own`` would be: by its own hash. Raises BadPatchError.

    With ``register`` false, it is only returned.
    """
    given = own.given if isinstance(own, BroughtVariant) else own.name
    made = _patch(given, [OwnDiff(given, read(diff, given), own.title, own.author)], [diff])
    if isinstance(own, OwnPatch):
        made = made.model_copy(update={"authors": own.authors})
    return _known(made) if register else made


def folder(text: str) -> Variant:
    """Read the variant in the folder ``text``, and make it known under the folder's name; the catalogue's stay its own.

    Raises BadPatchError where the folder is not a valid variant, StorageError where it can't be read.
    """
    path = expanded(text).resolve()
    if not path.is_dir():
        raise BadPatchError(
            f"there is no folder {in_one_line(text)}",
            advice="patchkit variants new NAME lays one out; --patch takes a diff",
        )
    if path.parent == resources.folder("patches").resolve():
        return variants.variant(path.name)
    files = files_of(path)
    if variants.DESCRIPTION not in files:
        raise BadPatchError(
            f"{in_one_line(text)} has no {variants.DESCRIPTION}",
            why="a variant's folder has one, and a template for each file that changes",
            advice="patchkit variants new NAME lays one out; --patch takes a quilt series",
        )
    own = _folder(path, files)
    other = variants.registered(own.name)
    if other is not None and other.folder != path:
        raise BadPatchError(
            f"two variants are called {own.name}",
            why=f"{in_one_line(str(other.folder))}\n{in_one_line(str(path))}",
            advice="a folder's name is its variant's, in file names and versions too: rename one of them",
        )
    return _known(own)


def _known(own: Variant) -> Variant:
    """Make a variant known under its name; another one of that name may have been combined before."""
    combination.cache_clear()
    return variants.register(own)


def _patch(given: str, steps: Sequence[OwnDiff], parts: Sequence[bytes], *, is_series: bool = False) -> OwnPatch:
    whole = b"".join(b"%d %b" % (len(part), part) for part in parts) if is_series else parts[0]
    digest = hashlib.sha256(whole).hexdigest()
    paths = list(dict.fromkeys(change.path for step in steps for change in step.changes))
    refuse_nested(in_one_line(given)[:200], paths)
    shown = in_one_line(given)[:200]
    authors = list(dict.fromkeys(step.author for step in steps if step.author))
    title = steps[0].title
    if len(steps) > 1 or (is_series and not title):
        title = f"{len(steps)} patch{'' if len(steps) == 1 else 'es'} of {shown}"
    listed = [f"{number}. {step.summary}" for number, step in enumerate(steps[:_MOST_LISTED], 1)]
    listed += [f"and {len(steps) - _MOST_LISTED} more"] if len(steps) > _MOST_LISTED else []
    return OwnPatch(
        name=f"{_slug(given)}-{digest[:8]}",
        folder=Path(),
        title=in_one_line(title or shown)[:_TITLE],
        description="\n".join(
            [f"A patch of the user's own: {shown}, sha256 {digest}", *(listed if len(steps) > 1 else [])]
        ),
        author=", ".join(authors)[:_LONGEST_AUTHORS] or "unknown",
        origin="other, given with --patch",
        status="experimental",
        last_update=variants.UNDATED,
        guard=False,
        files=paths,
        functions=[],
        markers=[],
        order=0,
        conflicts=[],
        upstream=[],
        digest=digest,
        given=shown,
        steps=tuple(steps),
        authors=tuple(authors),
    )


def _steps(name: str, data: bytes, strip: int = 1) -> list[OwnDiff]:
    """The diffs in one file: one for each mail of an mbox that has a diff, otherwise one."""
    shown = in_one_line(name)[:200]
    data = plain_text(data, shown)
    mails = mails_of(data) or [described(data)]
    if len(mails) == 1:
        return [_step(shown, mails[0], strip)]
    numbered = [(f"{shown} (mail {number} of {len(mails)})", mail) for number, mail in enumerate(mails, 1)]
    steps = [_step(label, mail, strip) for label, mail in numbered if mail.has_diff]
    if not steps:
        raise BadPatchError(
            f"{shown} has {len(mails)} mails, and none has a diff",
            why="a diff has a --- line with a +++ line behind it",
            advice="git format-patch --stdout writes mails with diffs",
        )
    return steps


def _step(label: str, mail: Mail, strip: int) -> OwnDiff:
    return OwnDiff(label, read(mail.text, label, strip), mail.title[:_TITLE], mail.author[:_LONGEST_AUTHORS])


def _series(path: Path) -> OwnPatch:
    """A quilt series: all of its patches, in its order."""
    series = path / quilt.SERIES
    if not series.is_file():
        raise BadPatchError(
            f"{in_one_line(str(path))} has no file {quilt.SERIES}",
            why="a folder of patches needs one: it lists them in the order in which they are applied",
            advice="ls *.patch > series, in that folder",
        )
    raw = read_below(path, quilt.SERIES, MAX_DIFF)
    text = plain_text(raw, in_one_line(str(series)))
    entries = list(quilt.entries(text))
    if not entries or len(entries) > _MOST_DIFFS:
        raise BadPatchError(
            f"{in_one_line(str(series))} lists {len(entries)} patches",
            why=f"1 to {_MOST_DIFFS} are taken",
            advice="each line is the name of a patch: ls *.patch > series, in that folder",
        )
    steps: list[OwnDiff] = []
    parts = [raw]
    for name, options in entries:
        if options not in ([], ["-p1"], ["-p0"]):
            raise BadPatchError(
                f"{in_one_line(str(series))} lists {in_one_line(name)} with {in_one_line(' '.join(options))}",
                why="patchkit knows -p1 and -p0",
                advice="take the option out of that line, and write the patch anew for -p1: quilt refresh -p1",
            )
        data = read_below(path, name, MAX_DIFF)
        parts.append(data)
        if sum(map(len, parts)) > MAX_FOLDER:
            raise BadPatchError(
                f"{in_one_line(str(path))} has more than {MAX_FOLDER >> 20} MiB of patches",
                advice="give those that change OpenVPN's source alone",
            )
        steps += _steps(name, data, 0 if options == ["-p0"] else 1)
    given = path.resolve().name
    if given == "patches" and path.resolve().parent.name == "debian":
        given = "debian-patches"
    return _patch(given, steps, parts, is_series=True)


def _folder(path: Path, files: dict[str, bytes]) -> OwnFolder:
    where = in_one_line(str(path / variants.DESCRIPTION))
    try:
        table = tomllib.loads(files[variants.DESCRIPTION].decode("utf-8"))
        texts = {name: data.decode("utf-8") for name, data in files.items() if name.endswith(".j2")}
        reserved = sorted(_RESERVED & table.keys())
        if reserved:
            raise BadPatchError(f"{where} has a field that is not its own: {reserved[0]}")
        own = {"name": path.name, "folder": path, "given": path.name, "digest": _digest(files), "texts": texts}
        described = OwnFolder(**{**table, **own})
    except (UnicodeDecodeError, ValidationError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadPatchError(
            f"{where} is not valid", why=_told(error), advice="docs/variants.md explains the fields"
        ) from error
    if described.name in variants.names():
        raise BadPatchError(
            f"{described.name} is a variant of the catalogue",
            why="a folder of your own must have another name: it goes into file names and versions",
            advice=f"rename {in_one_line(str(path))}",
        )
    missing = [file for file in described.files if f"{file}.diff.j2" not in texts]
    if missing:
        raise BadPatchError(
            f"{where} lists files without a template",
            why=", ".join(
                f"{in_one_line(file)[:80]} needs {in_one_line(template_name(file))[:90]}" for file in missing[:6]
            ),
            advice="write the template, or take the file out of `files`",
        )
    if not described.files:
        raise BadPatchError(f"{where} lists no file that changes", advice='files = ["reliable.c"]')
    return described


def _told(error: Exception) -> str:
    """What is wrong, in a few lines: pydantic lists all faults, whatever their number."""
    if isinstance(error, ValidationError):
        faults = error.errors(include_url=False, include_context=False)
        texts = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults[:_MOST_FAULTS]]
        texts += [f"and {len(faults) - _MOST_FAULTS} more"] if len(faults) > _MOST_FAULTS else []
    else:
        texts = [str(error) or type(error).__name__]
    return "\n".join(in_one_line(text)[:_LONGEST_FAULT] for text in texts)


def _digest(files: dict[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name, data in sorted(files.items()):
        whole.update(b"%d %b %d " % (len(name), name.encode("utf-8", "surrogateescape"), len(data)))
        whole.update(data)
    return whole.hexdigest()


def _slug(given: str) -> str:
    stem = re.sub(r"(\.(diff|patch|mbox|txt|eml))+$", "", given.lower())
    slug = re.sub(r"[^a-z0-9]+", "-", stem)[:_LONGEST].strip("-")
    return slug or "patch"
