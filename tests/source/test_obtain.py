"""From a request to a tree: which source is taken, what it is called, and what vouches for it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import (
    BadSourceError,
    BadUsageError,
    OfflineError,
    PatchkitError,
    TagMovedError,
    UnknownVersionError,
    WrongHashError,
    WrongReleaseError,
)
from patchkit.releases.catalog import Catalog, Release, TagPin, TarballPin
from patchkit.releases.version import Version
from patchkit.source import obtain as room
from patchkit.source.obtain import Obtained, SourceRequest, obtain
from patchkit.ui import Ui
from tests.support.source.samples import FILES, Repository, folder_of, tarball
from tests.support.source.website import Site, status, whole

VERSION = "2.9.1"
TARBALL = tarball({**FILES, "from": b"tarball"})
NAME = f"openvpn-{VERSION}.tar.gz"

Obtain = Callable[..., Obtained]


@pytest.fixture
def get(cache: Cache, ui: Ui) -> Obtain:
    def run(version: str = VERSION, *, offline: bool = False, **how: object) -> Obtained:
        return obtain(SourceRequest(version, **how), Context(cache, ui, offline))  # type: ignore[arg-type]

    return run


@pytest.fixture
def clone(tmp_path: Path) -> Repository:
    """A repository with the tag v2.9.1."""
    created = Repository(tmp_path / "clone")
    created.commit({**FILES, "from": b"git"})
    created.tag(f"v{VERSION}")
    return created


@pytest.fixture
def pins(clone: Repository, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Put other pins in the place of those that ship: 2.9.1 by tag, by tarball, or by both."""

    def put(*, tag: bool = True, packed: bytes | None = TARBALL) -> None:
        commit, tree = clone.git("rev-parse", "HEAD", "HEAD^{tree}").split()
        tag_pin = TagPin(f"v{VERSION}", "2023-11-14", commit, tree, {})
        sha256 = hashlib.sha256(packed or b"").hexdigest()
        tarball_pin = TarballPin(NAME, sha256, len(packed or b""), f"openvpn_{VERSION}.orig.tar.gz", ())
        release = Release(Version(VERSION), tag_pin if tag else None, tarball_pin if packed else None)
        monkeypatch.setattr(room, "catalog", lambda: Catalog([release]))

    put()
    return put


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the tarball, named by PATCHKIT_MIRROR."""
    folder = folder_of({NAME: TARBALL}, tmp_path / "mirror")
    monkeypatch.setenv("PATCHKIT_MIRROR", str(folder))
    return folder


class TestPinned:
    @pytest.fixture(autouse=True)
    def _pinned(self, pins: Callable[..., None]) -> None:
        """Every test here has the pins above."""

    @pytest.mark.usefixtures("mirror")
    def test_a_release_comes_from_its_tarball_and_is_verified(self, get: Obtain) -> None:
        got = get(offline=True)
        assert (got.label, got.series) == ("2.9.1", "2.9")
        assert got.release is not None
        assert got.tree.read("from") == b"tarball"
        assert got.tree.origin.verified
        assert got.tree.origin.sha256 == hashlib.sha256(TARBALL).hexdigest()
        assert got.tree.origin.size == len(TARBALL)

    @pytest.mark.usefixtures("mirror")
    def test_any_spelling_of_the_version_will_do(self, get: Obtain) -> None:
        assert get("v2.9.1", offline=True).label == "2.9.1"

    @pytest.mark.usefixtures("mirror")
    def test_once_fetched_it_needs_neither_mirror_nor_network(
        self, get: Obtain, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        get(offline=True)
        monkeypatch.delenv("PATCHKIT_MIRROR")
        assert get(offline=True).tree.read("from") == b"tarball"

    def test_the_second_mirror_has_it_under_debians_name(
        self, get: Obtain, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "empty").mkdir()
        site.on(f"/pool/openvpn_{VERSION}.orig.tar.gz", whole(TARBALL))
        monkeypatch.setenv("PATCHKIT_MIRROR", f"{tmp_path}/empty\n{site.url}/gone {site.url}/pool/")
        site.on(f"/gone/{NAME}", status(410))
        assert get(offline=True).tree.origin.verified
        assert site.asked(f"/gone/{NAME}") == 1

    def test_debians_pool_has_it_when_upstream_is_out_of_reach(
        self, get: Obtain, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        site.on(f"/pool/main/o/openvpn/openvpn_{VERSION}.orig.tar.gz", whole(TARBALL))
        monkeypatch.setenv("PATCHKIT_DEBIAN_MIRROR", site.url)
        # Upstream's hosts, on a port where nobody listens: no test asks them for a release that is not.
        monkeypatch.setattr(
            "patchkit.source.fetch.places._UPSTREAM", ("http://127.0.0.1:1/{name}", "http://127.0.0.1:1/{tag}")
        )
        assert get().tree.origin.verified

    def test_offline_without_a_copy_is_said(self, get: Obtain) -> None:
        with pytest.raises(OfflineError, match=NAME):
            get(offline=True)

    def test_a_mirrors_wrong_tarball_is_refused(self, get: Obtain, mirror: Path) -> None:
        (mirror / NAME).write_bytes(tarball({**FILES, "from": b"somebody"}))
        with pytest.raises(WrongHashError):
            get(offline=True)

    @pytest.mark.usefixtures("mirror")
    def test_git_is_taken_when_it_is_named(self, get: Obtain, clone: Repository) -> None:
        got = get(git=str(clone.path))
        assert got.tree.read("from") == b"git"
        assert got.tree.origin.verified
        assert got.tree.origin.kind == "git"
        assert (got.label, got.series) == ("2.9.1", "2.9")

    @pytest.mark.usefixtures("mirror")
    def test_the_environment_names_a_repository_like_the_option(
        self, get: Obtain, clone: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATCHKIT_GIT", str(clone.path))
        got = get()
        assert got.tree.read("from") == b"git"
        assert got.tree.origin.verified

    def test_the_option_counts_more_than_the_environment(
        self, get: Obtain, clone: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATCHKIT_GIT", "/nowhere")
        assert get(git=str(clone.path)).tree.origin.verified

    def test_a_moved_tag_is_refused(self, get: Obtain, clone: Repository) -> None:
        clone.commit({"from": b"somebody"})
        clone.tag(f"v{VERSION}")
        with pytest.raises(TagMovedError):
            get(git=str(clone.path))

    def test_without_a_tarball_pin_git_is_asked(
        self, get: Obtain, clone: Repository, pins: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pins(packed=None)
        monkeypatch.setattr("patchkit.source.git.repository.UPSTREAM", clone.url)
        got = get()
        assert got.tree.origin.verified
        assert got.tree.read("from") == b"git"

    @pytest.mark.usefixtures("mirror")
    def test_without_a_tag_pin_the_environments_repository_is_passed_over_for_the_verified_tarball(
        self, get: Obtain, clone: Repository, pins: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pins(tag=False)
        monkeypatch.setenv("PATCHKIT_GIT", str(clone.path))
        assert get(offline=True).tree.origin.verified
        # Who names it on the command line means it.
        assert not get(git=str(clone.path)).tree.origin.verified

    def test_a_source_by_hand_is_taken_as_it_is(self, get: Obtain, tmp_path: Path) -> None:
        (tmp_path / "mine.tar.gz").write_bytes(TARBALL)
        for source in (tmp_path / "mine.tar.gz", folder_of(FILES, tmp_path / "mine")):
            got = get("2.9.1", source=source)
            # Even the pinned tarball's own bytes: by hand is by hand.
            assert not got.tree.origin.verified
            assert (got.label, got.series, got.release) == ("2.9.1", "2.9", None)

    def test_a_source_by_hand_counts_more_than_the_environment(
        self, get: Obtain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATCHKIT_GIT", "/nowhere")
        assert get(source=folder_of(FILES, tmp_path / "mine")).tree.origin.kind == "directory"


def test_a_source_by_hand_may_be_of_a_version_that_no_pin_knows(get: Obtain, tmp_path: Path) -> None:
    got = get("2.9.99", source=folder_of(FILES, tmp_path / "mine"))
    assert (got.label, got.series) == ("2.9.99", "2.9")


def stating(version: str, folder: Path) -> Path:
    return folder_of({**FILES, "version.m4": f"define([PRODUCT_VERSION], [{version}])\n".encode()}, folder)


@pytest.mark.parametrize(
    ("stated", "given", "label", "series"),
    [
        ("2.6.14", "", "2.6.14", "2.6"),
        ("2.6.14", "v2.6.14", "2.6.14", "2.6"),
        ("2.6.14", "2.6.14-0+deb12u2", "2.6.14-0+deb12u2", "2.6"),
        ("2.7_git", "", "2.7_git", "2.7"),
        ("2.7_git", "2.7_git", "2.7_git", "2.7"),
        ("2.7_git", "2.7_rc1", "2.7_rc1", "2.7"),
        ("2.x-master", "", "2.x-master", "2.5"),
        ("2.x-master", "2.x-master", "2.x-master", "2.5"),
        ("6.1.4", "", "6.1.4", "2.5"),
        ("6.1.4", "6.1.4", "6.1.4", "2.5"),
    ],
)
def test_a_source_by_hand_names_its_version(
    get: Obtain, tmp_path: Path, stated: str, given: str, label: str, series: str
) -> None:
    got = get(given, source=stating(stated, tmp_path / "mine"))
    assert (got.label, got.series) == (label, series)
    assert got.version.series == series
    assert got.version == Version.parse("2.6.14" if stated == "2.6.14" else "2.7rc1" if "rc1" in given else series)


@pytest.mark.parametrize(
    ("stated", "given"),
    [("2.5.1", "2.6.14"), ("2.6.14", "2.6.13"), ("2.7_git", "2.6.14"), ("6.1.4", "2.6.14"), ("2.6.14", "6.1.4")],
)
def test_a_source_by_hand_that_states_another_version_is_refused(
    get: Obtain, tmp_path: Path, stated: str, given: str
) -> None:
    with pytest.raises(WrongReleaseError, match=stated):
        get(given, source=stating(stated, tmp_path / "mine"))


def test_a_source_by_hand_without_any_version(get: Obtain, tmp_path: Path) -> None:
    files = {path: data for path, data in FILES.items() if path != "version.m4"}
    folder = folder_of(files, tmp_path / "mine")
    assert get("2.6.14", source=folder).label == "2.6.14"
    with pytest.raises(BadSourceError, match="does not name its version") as caught:
        get("", source=folder)
    assert "--version" in caught.value.advice


@pytest.mark.parametrize("stated", ["../../x", "2.6.14\n$(x)", "-x", "2.6/1", "9" * 100])
def test_a_version_that_no_file_name_can_hold_is_refused(get: Obtain, tmp_path: Path, stated: str) -> None:
    with pytest.raises(BadSourceError, match="mine names a version that is not one") as caught:
        get("", source=stating(stated, tmp_path / "mine"))
    assert "--version V" in caught.value.advice
    assert get("2.6.14", source=tmp_path / "mine").label == "2.6.14"


def test_the_folder_that_holds_the_source_deeper_is_named(get: Obtain, tmp_path: Path) -> None:
    folder_of(FILES, tmp_path / "mine/vendor/openvpn-2.9")
    with pytest.raises(BadSourceError, match=r"vendor/openvpn-2\.9") as caught:
        get("", source=tmp_path / "mine")
    assert "mine/vendor/openvpn-2.9" in caught.value.advice


def test_a_source_by_hand_still_needs_a_version_that_is_one(get: Obtain, tmp_path: Path) -> None:
    with pytest.raises(UnknownVersionError):
        get("main", source=folder_of(FILES, tmp_path / "mine"))


def test_source_and_git_exclude_each_other(get: Obtain, tmp_path: Path) -> None:
    with pytest.raises(BadUsageError, match="--source and --git"):
        get(source=tmp_path, git=str(tmp_path))


def test_a_version_that_no_pin_knows_is_unknown_without_git(get: Obtain) -> None:
    with pytest.raises(UnknownVersionError, match=r"2\.99\.1"):
        get("2.99.1")
    with pytest.raises(UnknownVersionError):
        get("main")


def test_a_version_newer_than_the_pins_is_the_tag_of_that_name_unverified(get: Obtain, clone: Repository) -> None:
    clone.tag("v2.99.1")
    for version in ("2.99.1", "v2.99.1"):
        for where in (str(clone.path), clone.url):
            got = get(version, git=where)
            assert (got.label, got.series, got.release) == ("2.99.1", "2.99", None)
            assert got.tree.origin.name == "v2.99.1"
            assert not got.tree.origin.verified


def test_a_pinned_release_is_not_taken_from_just_any_repository(get: Obtain, clone: Repository) -> None:
    # With the pins that ship: our tag of that name is not upstream's.
    clone.tag("v2.6.14")
    with pytest.raises(TagMovedError):
        get("2.6.14", git=str(clone.path))


@pytest.mark.parametrize(
    ("says", "series"),
    [
        ("define([PRODUCT_VERSION_MAJOR], [2])\ndefine([PRODUCT_VERSION_MINOR], [8])\n", "2.8"),
        ("define([PRODUCT_VERSION_MAJOR],[3])\ndefine([PRODUCT_VERSION_MINOR],[10])\n", "2.5"),
        ("define(PRODUCT_VERSION,[2.2.0])\n", "2.2"),
        ("define([PRODUCT_VERSION], [2.3_git])\n", "2.3"),
        ("define([PRODUCT_VERSION],   [2.1_rc22])\n", "2.1"),
    ],
)
def test_any_other_ref_is_called_by_its_commit_and_says_its_own_series(
    get: Obtain, clone: Repository, says: str, series: str
) -> None:
    commit = clone.commit({"version.m4": says.encode()})
    for ref in ("main", commit, commit[:10]):
        got = get(ref, git=str(clone.path))
        assert (got.label, got.series) == (f"git.{commit[:12]}", series)
        assert got.release is None
        assert not got.tree.origin.verified
    assert get("main", git=clone.url).label == f"git.{commit[:12]}"


@pytest.mark.parametrize("says", [b"", b"\xff\xfe", b"define([PRODUCT_NAME], [2.9])\n", None])
def test_a_ref_that_does_not_say_its_version_is_refused(get: Obtain, clone: Repository, says: bytes | None) -> None:
    if says is None:
        clone.git("rm", "--quiet", "version.m4")
    clone.commit({} if says is None else {"version.m4": says})
    with pytest.raises(BadSourceError) as refused:
        get("main", git=str(clone.path))
    assert "version.m4" in refused.value.what + refused.value.why


def test_the_environments_repository_serves_refs_that_no_pin_knows(
    get: Obtain, clone: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone.tag("v2.99.1")
    monkeypatch.setenv("PATCHKIT_GIT", str(clone.path))
    assert get("2.99.1").tree.origin.name == "v2.99.1"
    assert get("main").label == f"git.{clone.git('rev-parse', 'HEAD')[:12]}"


@pytest.mark.parametrize("version", ["", " ", "-rf", "../../x", "2.6.14; rm -rf /", "2.6.14\n", "9" * 10_000, "٢.٦.١٤"])
@pytest.mark.parametrize("git", [None, "clone"])
def test_a_hostile_version_is_unknown(get: Obtain, clone: Repository, version: str, git: str | None) -> None:
    with pytest.raises(UnknownVersionError) as refused:
        get(version, git=git and str(clone.path))
    assert len(refused.value.what) < 200


@pytest.mark.slow
def test_a_real_release_is_fetched_verified_and_used_again_offline(get: Obtain) -> None:
    got = get("2.6.14")
    assert got.tree.origin.verified
    assert got.tree.find("reliable.c") == "src/openvpn/reliable.c"
    assert len(get("2.6.14", offline=True).tree.entries) == len(got.tree.entries) > 300


def test_every_refusal_is_an_error_of_patchkits_own(get: Obtain, tmp_path: Path) -> None:
    for how in ({"git": str(tmp_path)}, {"source": tmp_path / "absent"}, {"git": "file:///nowhere"}):
        with pytest.raises(PatchkitError):
            get("2.6.14", **how)
