"""A library's source: pinned, or given by hand as a tarball, a folder or a repository."""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import (
    BadSourceError,
    BadUsageError,
    GitError,
    OfflineError,
    PatchkitError,
    UnknownVersionError,
    UnsafeArchiveError,
    WrongHashError,
)
from patchkit.releases.catalog import TarballPin
from patchkit.releases.libraries import Library, crypto_libraries, libraries
from patchkit.source.library import LibrarySource, obtain_library, obtain_library_or_pinned, version_in
from patchkit.source.tree.tree import Entry, Origin, SourceTree
from patchkit.ui import Ui
from tests.support.source.samples import Repository, folder_of, tarball
from tests.support.source.website import Site, status


def old(version: str = "1.0.2u", date: str = "  20 Dec 2019") -> dict[str, bytes]:
    """What passes for an OpenSSL up to 1.1.1: the version is a text in a header, and in another for FIPS."""
    text = (
        "# ifdef OPENSSL_FIPS\n"
        f'#  define OPENSSL_VERSION_TEXT    "OpenSSL {version}-fips{date}"\n'
        "# else\n"
        f'#  define OPENSSL_VERSION_TEXT    "OpenSSL {version}{date}"\n'
        "# endif\n"
    )
    return {"Configure": b"#!/usr/bin/env perl\n", "crypto/opensslv.h": text.encode()}


def new(version: str = "3.0.20", tag: str = "") -> dict[str, bytes]:
    """The same from 3.0 on: a file of assignments."""
    major, minor, patch = version.split(".")
    rows = (
        f'MAJOR={major}\nMINOR={minor}\nPATCH={patch}\nPRE_RELEASE_TAG={tag}\nBUILD_METADATA=\nRELEASE_DATE="7 Apr"\n'
    )
    return {"Configure": b"#!/usr/bin/env perl\n", "VERSION.dat": rows.encode()}


PINNED = tarball(old(), "openssl-1.0.2u")
LIBRARY = Library(
    name="openssl-1.0.2",
    title="OpenSSL",
    branch="1.0.2",
    version="1.0.2u",
    tag="OpenSSL_1_0_2u",
    stable="OpenSSL_1_0_2-stable",
    tarball=TarballPin("openssl-1.0.2u.tar.gz", hashlib.sha256(PINNED).hexdigest(), len(PINNED), None, ()),
    urls=("http://127.0.0.1:1/openssl-1.0.2u.tar.gz",),
    end_of_life=datetime.date(2019, 12, 31),
)

Get = Callable[..., LibrarySource]
Obtain = Callable[[Library, Sequence[str], Context], LibrarySource]


@pytest.fixture
def get(cache: Cache, ui: Ui) -> Get:
    def run(
        *given: object, library: Library = LIBRARY, offline: bool = True, obtain: Obtain = obtain_library
    ) -> LibrarySource:
        return obtain(library, [str(source) for source in given], Context(cache, ui, offline))

    return run


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    created = Repository(tmp_path_factory.mktemp("original") / "openssl")
    created.commit(old())
    created.tag(LIBRARY.tag)
    created.commit(old("1.0.2v-dev", "  xx XXX xxxx"))
    created.git("branch", LIBRARY.stable)
    (created.path / "crypto/opensslv.h").unlink()
    created.commit(new("3.6.0", "dev"))
    return created


@pytest.fixture
def clone(repository: Repository) -> Repository:
    """The pinned release's tag, its branch a commit further on, and another series as main."""
    return repository


def tree_of(files: Mapping[str, bytes]) -> SourceTree:
    origin = Origin(kind="tarball", name="made-up.tar", verified=False, epoch=0)
    return SourceTree(origin, {path: Entry.of(data) for path, data in files.items()})


class TestVersion:
    @pytest.mark.parametrize(
        ("files", "version"),
        [
            (old(), "1.0.2u"),
            (old("1.1.1w", " 11 Sep 2023"), "1.1.1w"),
            (old("1.0.2v-dev", "  xx XXX xxxx"), "1.0.2v-dev"),
            (old("1.1.1", ""), "1.1.1"),
            (new(), "3.0.20"),
            (new("3.5.0", "alpha1"), "3.5.0-alpha1"),
            (new("3.6.0", '"dev"'), "3.6.0-dev"),
        ],
    )
    def test_an_openssl_says_which_it_is(self, files: Mapping[str, bytes], version: str) -> None:
        assert version_in(tree_of(files)) == version

    def test_it_may_be_in_the_public_headers_already(self) -> None:
        """1.1 has it in include/openssl; in 1.0.2 that is a link, whose text is no header."""
        files = old("1.1.1w")
        files["include/openssl/opensslv.h"] = files.pop("crypto/opensslv.h")
        assert version_in(tree_of(files)) == "1.1.1w"
        assert version_in(tree_of({**old(), "include/openssl/opensslv.h": b"../../crypto/opensslv.h"})) == "1.0.2u"

    @pytest.mark.parametrize(
        "files",
        [
            {},
            {"Configure": b""},
            {"crypto/opensslv.h": old()["crypto/opensslv.h"]},
            {**old(), "crypto/opensslv.h": b'#define OPENSSL_VERSION_TEXT "LibreSSL 2.8.3"\n'},
            {**old(), "crypto/opensslv.h": b'#define OPENSSL_VERSION_TEXT "OpenSSL \x1b]0;x\x07"\n'},
            {**old(), "crypto/opensslv.h": b"\xff\xfe"},
            {"Configure": b"", "VERSION.dat": b"MAJOR=3\nMINOR=0\n"},
            {"Configure": b"", "VERSION.dat": b"MAJOR=3\nMINOR=0\nPATCH=\x1b[2J\n"},
            {"Configure": b"", "VERSION.dat": b"MAJOR=\nMINOR=\nPATCH=\n"},
        ],
    )
    def test_what_does_not_say_so_is_no_openssl(self, files: Mapping[str, bytes]) -> None:
        with pytest.raises(BadSourceError, match=r"made-up\.tar is not a source of OpenSSL") as caught:
            version_in(tree_of(files))
        assert caught.value.exit_code == 25


class TestPinned:
    def test_the_pinned_tarball_is_verified(self, get: Get, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder_of({LIBRARY.tarball.name: PINNED}, tmp_path / "mirror")
        monkeypatch.setenv("PATCHKIT_MIRROR", str(tmp_path / "mirror"))
        source = get()
        assert source.verified
        assert source.version == "1.0.2u"
        assert source.pinned_tarball is not None
        assert source.pinned_tarball.read_bytes() == PINNED
        monkeypatch.delenv("PATCHKIT_MIRROR")
        assert get().tree.origin == source.tree.origin, "kept in the cache"

    def test_another_tarball_of_that_name_is_refused(
        self, get: Get, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder_of({LIBRARY.tarball.name: tarball(old(), "evil")}, tmp_path / "mirror")
        monkeypatch.setenv("PATCHKIT_MIRROR", str(tmp_path / "mirror"))
        with pytest.raises(WrongHashError):
            get()

    def test_offline_nothing_but_mirrors_is_asked(self, get: Get, site: Site) -> None:
        library = replace(LIBRARY, urls=(site.on("/openssl.tar.gz", status(404)),))
        with pytest.raises(OfflineError) as caught:
            get(library=library)
        assert site.asked("/openssl.tar.gz") == 0
        assert "--openssl-source" in caught.value.advice
        assert "--git" not in caught.value.advice, "that is OpenVPN's"
        with pytest.raises(PatchkitError):
            get(library=library, offline=False)
        assert site.asked("/openssl.tar.gz") == 1


class TestGiven:
    def test_a_tarball_with_the_pinned_hash_is_verified(self, get: Get, tmp_path: Path) -> None:
        """Whatever it is called, and wherever it is from: that is what pins are for."""
        path = tmp_path / "downloaded (1).tgz"
        path.write_bytes(PINNED)
        source = get(path)
        assert source.verified
        assert source.pinned_tarball == path

    def test_any_other_tarball_of_the_branch_is_taken_and_not_verified(self, get: Get, tmp_path: Path) -> None:
        path = tmp_path / "o.tar.xz"
        path.write_bytes(tarball(old("1.0.2zk"), "openssl-1.0.2zk", "xz"))
        source = get(path)
        assert (source.version, source.verified, source.pinned_tarball) == ("1.0.2zk", False, None)

    def test_a_folder(self, get: Get, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder_of(old(), tmp_path / "home/o#1")
        assert not get(tmp_path / "home/o#1").verified
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        assert get("~/o#1").version == "1.0.2u"
        monkeypatch.chdir(tmp_path)
        assert get("home/o#1").version == "1.0.2u"
        assert get("./home/../home/o#1/").version == "1.0.2u"

    def test_a_repository_has_the_releases_tag(self, clone: Repository, get: Get) -> None:
        clone.git("clone", "--quiet", "--bare", ".", "../bare.git")
        source = get(clone.path.parent / "bare.git")
        assert (source.version, source.verified) == ("1.0.2u", False)
        assert source.tree.origin.commit == clone.git("rev-parse", f"{LIBRARY.tag}^{{commit}}")

    def test_a_fork_without_the_tag_has_the_branch(self, clone: Repository, get: Get) -> None:
        """Offline too: that the tag is not in the cache says nothing of the branch."""
        clone.git("tag", "--delete", LIBRARY.tag)
        assert get(clone.url, offline=False).version == "1.0.2v-dev"
        assert get(clone.url, offline=True).version == "1.0.2v-dev"
        with pytest.raises(OfflineError):
            get(f"{clone.url}/elsewhere", offline=True)

    @pytest.mark.parametrize("ref", [LIBRARY.stable, LIBRARY.tag, "commit"])
    @pytest.mark.parametrize("as_url", [True, False])
    def test_a_ref_can_be_named(self, ref: str, as_url: bool, clone: Repository, get: Get) -> None:
        ref = clone.git("rev-parse", LIBRARY.stable) if ref == "commit" else ref
        source = get(f"{clone.url if as_url else clone.path}#{ref}", offline=False)
        assert source.tree.origin.commit == clone.git("rev-parse", f"{ref}^{{commit}}")

    def test_a_checkout_is_a_folder_unless_a_ref_is_named(self, clone: Repository, get: Get) -> None:
        """What lies there is what somebody is working on."""
        clone.git("checkout", "--quiet", LIBRARY.stable)
        folder_of(old("1.0.2mine"), clone.path)
        assert get(clone.path).version == "1.0.2mine"
        assert get(f"{clone.path}#{LIBRARY.tag}").version == "1.0.2u"

    def test_another_branch_is_refused_and_named(self, clone: Repository, get: Get, tmp_path: Path) -> None:
        (tmp_path / "three.tar.gz").write_bytes(tarball(new(), "openssl-3.0.20"))
        clone.git("tag", "--delete", LIBRARY.tag)
        clone.git("branch", "--delete", "--force", LIBRARY.stable)
        with pytest.raises(BadUsageError, match=r"OpenSSL 1\.0\.2 is needed") as caught:
            get(tmp_path / "three.tar.gz", clone.url, f"{clone.url}#main", offline=False)
        assert caught.value.exit_code == 2
        assert [line.rpartition(": ")[2] for line in caught.value.why.splitlines()] == [
            "OpenSSL 3.0.20",
            f"it has neither {LIBRARY.tag} nor {LIBRARY.stable}",
            "OpenSSL 3.6.0-dev",
        ]

    @pytest.mark.parametrize("version", ["1.0.20", "11.0.2", "1.0.1u", "1.0"])
    def test_a_branch_is_not_a_beginning(self, version: str, get: Get, tmp_path: Path) -> None:
        with pytest.raises(BadUsageError):
            get(folder_of(old(version), tmp_path / "o"))

    def test_of_several_the_first_that_fits_is_taken(self, get: Get, tmp_path: Path) -> None:
        three = folder_of(new(), tmp_path / "three")
        first, another = folder_of(old("1.0.2t"), tmp_path / "one"), folder_of(old("1.0.2s"), tmp_path / "another")
        assert get(three, first, another).version == "1.0.2t"
        assert get(another, first, three).version == "1.0.2s"

    def test_where_none_need_fit_the_pinned_one_is_taken(
        self, get: Get, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One command for many releases names the sources of several branches."""
        monkeypatch.setenv("PATCHKIT_MIRROR", str(folder_of({LIBRARY.tarball.name: PINNED}, tmp_path / "mirror")))
        assert get(folder_of(new(), tmp_path / "three"), obtain=obtain_library_or_pinned).verified

    def test_what_is_no_openssl_is_refused(self, get: Get, tmp_path: Path) -> None:
        (tmp_path / "no.tar.gz").write_bytes(tarball())
        (tmp_path / "no.txt").write_text("hello")
        (tmp_path / "empty").mkdir()
        other = Repository(tmp_path / "other")
        other.commit()
        refused: dict[str, type[PatchkitError]] = {
            f"{tmp_path}/no.tar.gz": BadSourceError,
            f"{tmp_path}/no.txt": UnsafeArchiveError,
            f"{tmp_path}/empty": BadSourceError,
            str(folder_of({"Configure": b""}, tmp_path / "nearly")): BadSourceError,
            f"{other.path}#main": BadSourceError,
            f"{tmp_path}/empty#main": GitError,
        }
        for given, error in refused.items():
            with pytest.raises(error):
                get(given)

    @pytest.mark.parametrize("given", ["", "#", "#main", "nothing", "nothing.tar.gz#v1", "~nobody-here/x", "x" * 5000])
    def test_what_is_not_there_is_named(
        self, given: str, get: Get, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An empty text is not this folder, even where this folder is an OpenSSL: a variable was not set."""
        monkeypatch.chdir(folder_of(old(), tmp_path / "here"))
        with pytest.raises(BadSourceError, match="there is no tarball, folder or repository") as caught:
            get(given)
        assert "--openssl-source" in caught.value.advice

    @pytest.mark.parametrize(
        "ref", ["--upload-pack=touch pwned", "-x", "..", "a..b", "@{-1}", "main:x", "a b", "\x1b[2J", "x" * 300]
    )
    def test_a_hostile_ref_is_no_ref(self, ref: str, clone: Repository, get: Get) -> None:
        for where in (clone.path, clone.url):
            with pytest.raises(UnknownVersionError, match="is not a git ref"):
                get(f"{where}#{ref}", offline=False)

    @pytest.mark.parametrize("where", ["ext::sh -c touch% pwned", "--upload-pack=touch pwned", "fd::1", "-"])
    def test_a_hostile_place_is_no_repository(
        self, where: str, get: Get, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(BadSourceError):
            get(where, offline=False)
        assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("library", libraries().values(), ids=lambda library: library.name)
def test_the_pins_are_well_formed(library: Library) -> None:
    pin = library.tarball
    assert re.fullmatch("[0-9a-f]{64}", pin.sha256)
    assert len(set(pin.records)) >= 2, "nobody's word alone"
    assert library.urls
    assert re.match(rf"{re.escape(library.branch)}(?!\d)", library.version)


@pytest.mark.parametrize("name", crypto_libraries())
def test_the_pins_of_openssl_are_well_formed(name: str) -> None:
    library = libraries()[name]
    pin = library.tarball
    for url in library.urls:
        assert re.fullmatch(rf"https://[\w.-]+/[\w./-]+/{re.escape(pin.name)}", url), url
    assert type(library.end_of_life) is datetime.date
    assert library.is_over(library.end_of_life + datetime.timedelta(days=1))
    assert not library.is_over(library.end_of_life)
    assert pin.debian in (None, f"openssl_{library.version}.orig.tar.gz")
    assert pin.size is None or pin.size > 2**20
    assert pin.name == f"openssl-{library.version}.tar.gz"
    assert library.name == f"openssl-{library.branch}"
    # As upstream calls them: OpenSSL_1_1_1w to 1.1.1, openssl-3.0.20 since.
    digits = library.version.replace(".", "_")
    assert library.tag in (f"OpenSSL_{digits}", f"openssl-{library.version}")
    assert library.stable in (f"OpenSSL_{library.branch.replace('.', '_')}-stable", f"openssl-{library.branch}")
