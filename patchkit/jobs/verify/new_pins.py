"""The entries that pin new releases: what was checked of each, and the files of pins with them, for a review.

An entry goes into the file itself only where all of it was checked: the signature by a key that is pinned, what the
source states of itself, a tarball against its tag, and two records of its hash, one of which may be that signature.
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources as package
from pathlib import Path

from patchkit import resources
from patchkit.context import Context
from patchkit.errors import NotCheckedError, PatchkitError
from patchkit.jobs.matrix.pin_file import pin_file
from patchkit.jobs.verify.evidence import Collector, EvidenceRequest, SourceForm, armours
from patchkit.jobs.verify.new_entry import RECORDS, NewEntry
from patchkit.jobs.verify.new_keys import key_entries
from patchkit.jobs.verify.new_tags import NewTag, NewTagsRequest
from patchkit.patching import pins
from patchkit.patching.pins import NAME
from patchkit.releases.catalog import TagPin, TarballPin
from patchkit.releases.entries import with_tag, with_tarball
from patchkit.releases.keys import upstream_keys
from patchkit.source.git.annotated_tag import committed_on
from patchkit.source.openpgp.gnupg import key_ring
from patchkit.source.openpgp.judgement import GOOD, Judgement
from patchkit.source.tree.compare import differences
from patchkit.source.tree.tree import SourceTree, blob_id
from patchkit.source.tree.version_m4 import own_version
from patchkit.storage import reading, whole_folder

_BLOBS = ("reliable.c", "reliable.h", "ssl.c")
UNCHECKED = ".unchecked"
"""Behind the name of a file with entries of which something could not be checked."""
REVIEW = "review.md"


@dataclass(frozen=True)
class NewPinsRequest:
    """What the entries are made from, besides the tags."""

    tags: NewTagsRequest
    records: Mapping[str, Path] = field(default_factory=dict)
    """Public files that state the hash of a tarball, such as another project's recipe, by the name of the place."""


@dataclass(frozen=True)
class NewPinFile:
    """A file of pins, as it is and as it becomes."""

    path: str
    before: str
    checked: str
    """With the entries that were checked."""
    all: str
    """With all entries."""


@dataclass(frozen=True)
class NewPins:
    """The entries of all new releases, and the files that they go into."""

    entries: Sequence[NewEntry]
    files: Sequence[NewPinFile]

    @property
    def diff(self) -> str:
        """The entries that were checked, as a unified diff of patchkit's repository."""
        return "".join(
            line
            for file in self.files
            for line in difflib.unified_diff(
                file.before.splitlines(keepends=True),
                file.checked.splitlines(keepends=True),
                f"a/{file.path}",
                f"b/{file.path}",
            )
        )

    @property
    def review(self) -> str:
        """What a maintainer reads before an entry is committed, in Markdown."""
        out = ["# New pins, to be reviewed\n"]
        release = ""
        for entry in self.entries:
            if entry.release != release:
                release = entry.release
                out.append(f"\n## {release}\n")
            where = f"{entry.path}{UNCHECKED if entry.missing else ''}" if entry.path else "no file"
            out.append(f"\n- **{entry.what}** in {where}: `{entry.value}`\n")
            out += [f"  - checked: {text}\n" for text in entry.checked]
            out += [f"  - NOT checked: {text}\n" for text in entry.missing]
        return "".join(out)

    def error(self) -> NotCheckedError | None:
        """Make the error for entries of which something could not be checked; None where there are none."""
        missing = [f"{entry.release}, {entry.what}: {text}" for entry in self.entries for text in entry.missing]
        if not missing:
            return None
        return NotCheckedError(
            "some of what new pins need could not be checked",
            why="\n".join(missing),
            advice=f"such entries are in files that end in {UNCHECKED}; --record, --key and PATCHKIT_MIRROR give more",
        )


def write(new: NewPins, folder: Path) -> list[str]:
    """Write the files of ``new``, their difference and the review into ``folder``, whole or not at all.

    Returns the names that were written. Raises StorageError where ``folder`` holds something, or DiskFullError.
    """
    texts = {file.path: file.checked for file in new.files if file.checked != file.before}
    texts |= {f"{file.path}{UNCHECKED}": file.all for file in new.files if file.all != file.checked}
    texts |= {REVIEW: new.review} | ({"pins.diff": new.diff} if new.diff else {})
    with whole_folder(folder) as temporary:
        for name, text in texts.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    return sorted(texts)


def new_pins(tags: Sequence[NewTag], request: NewPinsRequest, context: Context) -> NewPins:
    """Make the entries of the releases of ``tags`` that have no pin; tarballs are fetched from where they are.

    Raises StorageError for a record or file of keys that cannot be read, SignatureFileError, OpenPgpMissingError,
    PinMismatchError where a template reads more than the file that it changes, and what reading the tags raises.
    """
    records = {}
    for name, path in request.records.items():
        with reading(path):
            records[name] = path.read_text("utf-8", "replace").lower()
    entries: list[NewEntry] = []
    signed: list[tuple[str, str, Judgement | None]] = []
    with key_ring(armours(request.tags.keys)) as ring:
        for tag in tags:
            if tag.form is None or tag.form.tree is None or tag.form.findings:
                continue  # moved, forged or unreadable: an error of its own
            source = EvidenceRequest(request.tags.source.of(tag.version.text), keys=tuple(request.tags.keys))
            collector = Collector(source, tag.version, None, ring, context)
            of_tag = _tag_entry(tag, tag.form, tag.form.tree, context)
            entries.append(of_tag)
            signed.append((tag.version.text, "git tag", tag.form.judgement))
            if tag.known == "new":
                context.ui.step(f"Tarball of {tag.version}")
                tarball = collector.tarball()
                entries.append(_tarball_entry(tag, tag.form.tree, tarball, records))
                signed.append((tag.version.text, "tarball", tarball.judgement))
            entries += _patch_entries(tag, of_tag.missing)
        entries += key_entries(signed, ring, records)
    paths = dict.fromkeys(entry.path for entry in entries if entry.path)
    files = [_file(path, [entry for entry in entries if entry.path == path]) for path in paths]
    return NewPins(entries, [file for file in files if file.all != file.before])


def _file(path: str, entries: Sequence[NewEntry]) -> NewPinFile:
    before = checked = every = _text(path)
    for entry in entries:
        every = entry.add(every)
        checked = checked if entry.missing else entry.add(checked)
    return NewPinFile(path, before, checked, every)


def _text(path: str) -> str:
    """Return the text that patchkit itself uses of the file ``path`` of its repository."""
    top, _, inside = path.partition("/")
    if top == "patches":
        file = resources.folder(top) / inside
        return file.read_text("utf-8") if file.is_file() else ""
    place = package.files("patchkit.releases") / path.removeprefix("patchkit/releases/")
    return place.read_text("utf-8") if place.is_file() else ""


def _tag_entry(tag: NewTag, form: SourceForm, tree: SourceTree, context: Context) -> NewEntry:
    checked, missing = _signed(form.judgement)
    _states(tag, tree, checked, missing)
    blobs = {path: blob_id(tree.read(path)) for path in map(tree.find, _BLOBS)}
    date = committed_on(form.repository or "", tag.tag, context.cache)
    pin = TagPin(tag.tag, date, tag.commit, tree.origin.tree or "", blobs)
    path = "patchkit/releases/releases.toml"
    return NewEntry(
        tag.version.text, "tag", f"{pin.commit}, tree {pin.tree}", path, lambda text: with_tag(text, pin),
        checked, missing,
    )  # fmt: skip


def _tarball_entry(tag: NewTag, of_tag: SourceTree, form: SourceForm, records: Mapping[str, str]) -> NewEntry:
    version, path = tag.version, "patchkit/releases/tarballs.toml"
    if form.tree is None or form.path is None:
        errors: list[PatchkitError] = [*form.findings, *([form.unavailable] if form.unavailable else [])]
        return NewEntry(
            version.text, "tarball", "none", "", lambda text: text, [], [f"not available: {errors[0].what}"]
        )
    checked, unsigned = _signed(form.judgement)
    stated = [] if unsigned else ["OpenVPN's signature"]
    missing = [error.what for error in form.findings]
    _states(tag, form.tree, checked, missing)
    compared = differences(form.tree, of_tag)
    if compared.suspicious:
        missing.append(f"{len(compared.suspicious)} files are not those of the tag: {compared.suspicious[0].path}, …")
    else:
        checked.append(f"{compared.same} files are those of the tag, {len(compared.generated)} are generated")
    data = form.path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    stated += [name for name, text in records.items() if digest in text]
    if len(stated) < RECORDS:
        has = f"only {', '.join(stated)} states" if stated else "nothing states"
        missing += [*unsigned, f"{has} its hash, {RECORDS} records are needed: --record NAME=FILE"]
    else:
        checked.append(f"its hash is stated by {', '.join(stated)}" + "".join(f"; {text}" for text in unsigned))
    in_pool = f"openvpn_{version.text}.orig.{form.path.name.partition(f'{version.text}.')[2]}"
    debian = in_pool if any(digest in text and in_pool in text for text in records.values()) else None
    name = f"openvpn-{version.text}.{form.path.name.partition(f'{version.text}.')[2]}"
    pin = TarballPin(name, digest, len(data), debian, tuple(stated))
    return NewEntry(
        version.text, "tarball", digest, path, lambda text: with_tarball(text, version, pin), checked, missing
    )


def _patch_entries(tag: NewTag, missing: Sequence[str]) -> Iterator[NewEntry]:
    """Yield an entry for each variant that the release has something for; as good as the tag that it was made from."""
    row = tag.row
    if row is None:
        return
    for name in dict.fromkeys(cell.variant for cell in row.cells):
        cells = [cell for cell in row.cells if cell.variant == name and cell.attempt is not None]
        errors = [cell.error for cell in cells if cell.error is not None]
        if not cells:
            continue
        known = pins.load(resources.folder("patches") / name)
        paths = {path for cell in cells for path in (cell.attempt.files if cell.attempt else ())}
        new = sorted(path for path in paths if row.files[path] not in known.get(path.rpartition("/")[2], {}))
        checked = [f"{len(paths) - len(new)} of {len(paths)} files are known: they become what the pins state"]
        if errors:
            why = [f"refused: {errors[0].what}"]
            yield NewEntry(tag.version.text, f"variant {name}", "nothing", "", lambda text: text, [], why)
        elif new:
            yield NewEntry(
                tag.version.text, f"variant {name}", ", ".join(new), f"patches/{name}/{NAME}",
                lambda text, name=name: pin_file(name, [row], tomllib.loads(text)),  # type: ignore[misc]
                [*checked, "the names that it uses are there, plain and guarded"],
                [f"the tag is not: {text}" for text in missing],
            )  # fmt: skip


def _signed(judgement: Judgement | None) -> tuple[list[str], list[str]]:
    """Say what is checked of a signature, and what is missing."""
    if judgement is None or judgement.worth not in GOOD:
        return [], [f"signature: {judgement.worth} ({judgement.detail})" if judgement else "signature: missing"]
    text = f"signature: {judgement.worth}, key {judgement.key} of {judgement.primary} ({judgement.detail})"
    if judgement.primary not in {key.fingerprint for key in upstream_keys()}:
        return [text], [f"keys.toml does not name the key {judgement.primary}: --key FILE and --record write its entry"]
    return [text], []


def _states(tag: NewTag, tree: SourceTree, checked: list[str], missing: list[str]) -> None:
    own = own_version(tree)
    if own == tag.version:
        checked.append(f"its version.m4 states {own}")
    else:
        missing.append(f"its version.m4 states {own}" if own else "it does not state its version")
