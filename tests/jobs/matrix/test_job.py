"""The matrix over made-up repositories and sources: every verdict, every way to ask, one process or several."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from patchkit import resources
from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import (
    AlreadyPatchedError,
    AnchorError,
    BadSourceError,
    BadUsageError,
    ConflictError,
    PatchkitError,
    TagMovedError,
    UnknownVersionError,
)
from patchkit.jobs.matrix.collect_sources import MatrixRequest
from patchkit.jobs.matrix.job import Row, matrix
from patchkit.patching.combination import combination
from patchkit.patching.variants import variant
from patchkit.source.obtain import SourceRequest
from patchkit.source.tree.tree import blob_id
from patchkit.ui import Ui
from tests.support.patching.samples import ALLMAN, GNU
from tests.support.source.samples import FILES, Repository, folder_of

Ask = Callable[..., list[Row]]

PATH = "src/openvpn/reliable.c"
NO_ANCHOR = ALLMAN.replace("sequence broken", "is full")
PATCHED = ALLMAN.replace("return found;", "reliable_schedule_now(rel);\n    return found;")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.delenv("GIT_DIR", raising=False)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Releases that no pin knows, one that pins know otherwise, and what is no release."""
    repository = Repository(tmp_path_factory.mktemp("git") / "original")
    repository.commit({"version.m4": FILES["version.m4"]})
    release(repository, "v2.0.9", {"reliable.c": GNU})  # older than everything that is of interest
    release(repository, "v2.3.99_alpha1", {"reliable.c": GNU})
    repository.git("rm", "--quiet", "reliable.c")
    release(repository, "v2.4.99", {PATH: ALLMAN})
    release(repository, "v2.5.0", {PATH: ALLMAN})
    release(repository, "v2.8.0_rc1", {PATH: ALLMAN + "\n"})
    release(repository, "start_of_2.8", {})
    release(repository, "v2.6_branched", {})
    release(repository, "v2.9.0", {PATH: ALLMAN}, annotated=False)
    return repository


@pytest.fixture
def repository(original: Repository, tmp_path: Path) -> Repository:
    shutil.copytree(original.path, tmp_path / "upstream", symlinks=True)
    return Repository.at(tmp_path / "upstream", original.seconds)


@pytest.fixture
def ask(repository: Repository, cache: Cache, ui: Ui) -> Ask:
    def run(
        *refs: str, variants: tuple[str, ...] = ("retransmit",), since: str | None = None, **places: object
    ) -> list[Row]:
        source = SourceRequest(**{"git": str(repository.path), **places})  # type: ignore[arg-type]
        return matrix(MatrixRequest(source, since, refs, variants), Context(cache, ui))

    return run


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the variant retransmit under the name ``mine``, that a test may do anything with."""
    folder = tmp_path / "patches/mine"
    shutil.copytree(resources.folder("patches"), tmp_path / "patches")
    shutil.copytree(tmp_path / "patches/retransmit", folder)
    (folder / "pins.toml").unlink()
    monkeypatch.setattr(resources, "folder", lambda name: tmp_path / name)
    variant.cache_clear()
    combination.cache_clear()
    yield folder
    variant.cache_clear()
    combination.cache_clear()


def release(repository: Repository, tag: str, files: dict[str, str], *, annotated: bool = True) -> None:
    repository.commit({path: text.encode() for path, text in files.items()})
    if annotated:
        repository.tag(tag)
    else:
        repository.git("tag", tag)


def verdicts(rows: list[Row]) -> dict[str, list[str]]:
    return {row.name: [cell.verdict for cell in row.cells] for row in rows}


def errors(rows: list[Row]) -> list[type[PatchkitError]]:
    refusals = [error for row in rows for error in (row.error, *(cell.error for cell in row.cells))]
    return [type(error) for error in refusals if error]


def upstream_says(folder: Path, *ranges: tuple[str, str]) -> None:
    """Let the variant's patch.toml have these ranges and no others."""
    toml = folder / "patch.toml"
    head = toml.read_text().partition("[[upstream]]")[0]
    parts = (f'[[upstream]]\nreleases = "{which}"\nstatus = "{status}"\nnote = "made up"\n' for which, status in ranges)
    toml.write_text(head + "".join(parts))
    variant.cache_clear()
    combination.cache_clear()


def test_all_releases_oldest_first_and_a_moved_tag_hides_no_other(ask: Ask) -> None:
    rows = ask()
    assert verdicts(rows) == {
        "2.3.99_alpha1": ["exact", "exact"],
        "2.4.99": ["exact", "exact"],
        "2.5.0": [],
        "2.8.0_rc1": ["superseded", "superseded"],
        "2.9.0": ["superseded", "superseded"],
    }
    assert [row.series for row in rows] == ["2.3", "2.4", "2.5", "2.8", "2.9"]
    assert [row.ref for row in rows] == ["v2.3.99_alpha1", "v2.4.99", "v2.5.0", "v2.8.0_rc1", "v2.9.0"]
    moved = rows[2]
    assert isinstance(moved.error, TagMovedError)
    assert moved.origin is None
    assert errors(rows) == [TagMovedError]


def test_a_row_says_what_was_looked_at_and_what_it_becomes(ask: Ask, repository: Repository) -> None:
    old, *_, new = ask()
    assert old.files == {"reliable.c": blob_id(GNU.encode())}
    assert new.files == {PATH: blob_id(ALLMAN.encode())}
    assert new.origin is not None
    assert new.origin.commit == repository.git("rev-parse", "v2.9.0")
    assert not new.origin.verified
    plain, guarded = new.cells
    assert plain.attempt is not None
    assert plain.attempt.files == {PATH: plain.sha256}
    assert (plain.guard, guarded.guard) == (False, True)
    assert plain.sha256 != guarded.sha256
    assert not plain.attempt.pinned


@pytest.mark.parametrize(
    ("since", "first"),
    [
        ("2.3", "2.3.99_alpha1"),
        ("v2.3.99", "2.3.99_alpha1"),
        ("2.3.99_alpha2", "2.4.99"),
        ("2.8", "2.8.0_rc1"),
        ("2.8.0_rc1", "2.8.0_rc1"),
        ("2.8.0_rc2", "2.9.0"),
        ("1.0", "2.3.99_alpha1"),
    ],
)
def test_since(ask: Ask, since: str, first: str) -> None:
    assert ask(since=since)[0].label == first


def test_since_must_be_a_release_and_leave_one(ask: Ask) -> None:
    for since in ("master", "9.9"):
        with pytest.raises(UnknownVersionError, match=since):
            ask(since=since)


def test_a_clone_without_releases_is_not_all_right(ask: Ask, tmp_path: Path) -> None:
    bare = Repository(tmp_path / "bare")
    bare.commit()
    for where in (str(bare.path), bare.url):
        with pytest.raises(UnknownVersionError):
            ask(git=where)


def test_refs_of_all_kinds(ask: Ask, repository: Repository) -> None:
    commit = repository.git("rev-parse", "v2.9.0")
    rows = ask("v2.9.0", "main", commit, "2.4.99")
    assert [row.ref for row in rows] == ["v2.9.0", "main", commit, "2.4.99"]
    assert [row.name for row in rows] == [
        "2.9.0",
        f"main (git.{commit[:12]})",
        f"{commit} (git.{commit[:12]})",
        "2.4.99",
    ]
    assert [row.series for row in rows] == ["2.9", "2.9", "2.9", "2.4"]
    assert [row.cells[0].verdict for row in rows] == ["superseded"] * 3 + ["exact"]


def test_an_unknown_ref_is_an_error(ask: Ask) -> None:
    with pytest.raises(UnknownVersionError, match=r"v2\.99\.9"):
        ask("v2.99.9")


def test_a_moved_ref_hides_no_other(ask: Ask) -> None:
    moved, new = ask("v2.5.0", "v2.9.0")
    assert isinstance(moved.error, TagMovedError)
    assert new.cells


def test_a_ref_that_can_not_be_read_hides_no_other(ask: Ask, repository: Repository) -> None:
    repository.git("rm", "--quiet", "version.m4")
    repository.commit({})
    good, bad, unknown = ask("v2.9.0", "main", "v2.99.9")
    assert good.cells
    assert isinstance(bad.error, BadSourceError)
    assert (bad.name, bad.cells, bad.series) == ("main", [], "")
    assert isinstance(unknown.error, UnknownVersionError)
    assert unknown.series == "2.99"


def test_a_forks_own_numbers_are_judged_by_the_code(ask: Ask, repository: Repository) -> None:
    """The variant is superseded since 2.6: by its number, this one would be."""
    release(repository, "v6.1.4", {PATH: ALLMAN})
    assert verdicts(ask("v6.1.4")) == {"6.1.4": ["exact", "exact"]}
    assert verdicts(ask())["6.1.4"] == ["exact", "exact"]


def test_what_else_the_tree_has_counts(ask: Ask, repository: Repository) -> None:
    """The same file, in a tree that has another variant elsewhere, or lacks what new code calls."""
    release(repository, "v2.4.98", {PATH: ALLMAN, "src/openvpn/reliable.h": "int resend_lowest;\n"})
    bare = ALLMAN.replace("void reliable_schedule_now(struct reliable *);", '#include "own.h"')
    repository.git("rm", "--quiet", "src/openvpn/reliable.h")
    release(repository, "v2.4.97", {PATH: bare, "src/openvpn/own.h": "int reliable_schedule_now;\n"})
    release(
        repository, "v2.4.96", {PATH: bare, "src/openvpn/own.h": "void reliable_schedule_now(struct reliable *);\n"}
    )
    for form in ({}, {"git": repository.url}):
        other, lacking, fine = ask("v2.4.98", "v2.4.97", "v2.4.96", **form)
        assert isinstance(other.cells[0].error, AlreadyPatchedError)
        assert isinstance(lacking.cells[0].error, AnchorError)
        assert "reliable_schedule_now" in lacking.cells[0].error.what
        assert fine.cells[0].error is None


def test_a_source_by_hand_needs_no_version(ask: Ask, tmp_path: Path) -> None:
    files = {PATH: ALLMAN.encode(), "configure.ac": b"", "version.m4": b"define([PRODUCT_VERSION], [2.4.1])\n"}
    [row] = ask(git=None, source=folder_of(files, tmp_path / "source"))
    assert verdicts([row]) == {"2.4.1": ["exact", "exact"]}


def test_a_source_by_hand(ask: Ask, tmp_path: Path) -> None:
    source = folder_of({PATH: ALLMAN.encode(), "configure.ac": b""}, tmp_path / "source")
    [row] = ask("2.4.1", git=None, source=source)
    assert verdicts([row]) == {"2.4.1": ["exact", "exact"]}
    assert row.origin is not None
    assert row.origin.kind == "directory"


def test_what_refuses_is_told_apart(ask: Ask, repository: Repository) -> None:
    release(repository, "v2.9.1", {PATH: NO_ANCHOR})
    release(repository, "v2.9.2", {PATH: PATCHED})
    repository.git("rm", "--quiet", PATH)
    release(repository, "v2.9.3", {})
    fits, no_anchor, patched, no_file = ask(since="2.9")
    assert verdicts([fits, no_anchor, patched]) == {
        "2.9.0": ["superseded"] * 2,
        "2.9.1": ["refused"] * 2,
        "2.9.2": ["refused"] * 2,
    }
    assert errors([fits, no_anchor, patched]) == [AnchorError] * 2 + [AlreadyPatchedError] * 2
    assert set(errors([no_file])) == {BadSourceError}  # of the release, or of each cell


def test_variants_that_need_the_file_lose_their_cells_only(ask: Ask) -> None:
    """retransmit-flag wants ssl.c and reliable.h, which the made-up releases lack; retransmit does not."""
    rows = ask("v2.9.0", variants=("retransmit", "retransmit-flag"))
    assert verdicts(rows) == {"2.9.0": ["superseded"] * 2 + ["refused"] * 2}
    assert errors(rows) == [BadSourceError] * 2


def test_not_applicable_is_not_even_tried(ask: Ask, repository: Repository, mine: Path) -> None:
    upstream_says(mine, (">=2.1.dev0, <2.9", "not-applicable"), (">=2.9", "needed"))
    release(repository, "v2.8.1", {PATH: NO_ANCHOR})
    rows = ask(since="2.8", variants=("mine",))
    assert verdicts(rows) == {
        "2.8.0_rc1": ["not-applicable"] * 2,
        "2.8.1": ["not-applicable"] * 2,
        "2.9.0": ["exact"] * 2,
    }
    assert all(cell.attempt is None and cell.sha256 is None for row in rows[:2] for cell in row.cells)


def test_not_applicable_needs_no_files(ask: Ask, mine: Path) -> None:
    """A variant of a file that older releases do not have yet is what not-applicable is for."""
    upstream_says(mine, (">=2.1.dev0", "not-applicable"))
    toml = mine / "patch.toml"
    toml.write_text(toml.read_text().replace('files = ["reliable.c"]', 'files = ["ssl_pkt.c"]'))
    (mine / "reliable.c.diff.j2").rename(mine / "ssl_pkt.c.diff.j2")
    variant.cache_clear()
    rows = ask("v2.9.0", variants=("retransmit", "mine"))
    assert verdicts(rows) == {"2.9.0": ["superseded"] * 2 + ["not-applicable"] * 2}


def test_a_variant_without_a_guarded_form_has_one_column(ask: Ask, mine: Path) -> None:
    toml = mine / "patch.toml"
    toml.write_text(toml.read_text().replace("guard = true", "guard = false"))
    variant.cache_clear()
    assert [cell.guard for cell in ask("v2.9.0", variants=("mine",))[0].cells] == [False]


def test_variants_named_badly(ask: Ask) -> None:
    with pytest.raises(ConflictError):
        ask(variants=("retransmit+retransmit-flag",))
    with pytest.raises(BadUsageError):
        ask(variants=("retransmit+retransmit",))


def test_a_variant_named_twice_is_one(ask: Ask) -> None:
    assert len(ask("v2.9.0", variants=("retransmit", "retransmit"))[0].cells) == 2


def test_a_url_gives_what_the_path_gives(ask: Ask, repository: Repository) -> None:
    assert verdicts(ask(git=repository.url)) == verdicts(ask())


def test_one_process_and_several_say_the_same(
    ask: Ask, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty different files are worth processes; refusals come back whole."""
    for number in range(20):
        text = (ALLMAN, NO_ANCHOR, PATCHED)[number % 3] + f"/* {number} */\n"
        release(repository, f"v2.99.{number}", {PATH: text})
    cores = os.sched_getaffinity(0)
    if len(cores) == 1:
        pytest.skip("there is only one core")

    class Counted(ProcessPoolExecutor):
        def __init__(self, workers: int, **given: Any) -> None:
            pools.append(workers)
            super().__init__(workers, **given)

    def cells() -> list[object]:
        rows = ask(since="2.99")
        assert all(cell.error.why for row in rows for cell in row.cells if cell.error)
        return [
            (row.name, cell.guard, cell.verdict, cell.sha256, cell.error and (type(cell.error), cell.error.what))
            for row in rows
            for cell in row.cells
        ]

    pools: list[int] = []
    monkeypatch.setattr("patchkit.jobs.matrix.workers.ProcessPoolExecutor", Counted)
    several = cells()
    os.sched_setaffinity(0, {min(cores)})
    try:
        assert cells() == several
    finally:
        os.sched_setaffinity(0, cores)
    assert pools == [len(cores)]
    assert len(several) == 40
    assert {verdict for _, _, verdict, *_ in several} == {"superseded", "refused"}  # type: ignore[misc,has-type]
