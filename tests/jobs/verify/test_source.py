"""Is a source upstream's? Real git tags and tarballs, signed with throw-away keys, and what can be wrong with them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import (
    BadSignatureError,
    GitError,
    OfflineError,
    PatchkitError,
    TagMovedError,
    TarballDiffersError,
    UnknownKeyError,
    UnknownVersionError,
    UnsafeArchiveError,
    UnsignedError,
    WeakSignatureError,
    WrongHashError,
    WrongReleaseError,
)
from patchkit.jobs.verify.evidence import EvidenceRequest
from patchkit.jobs.verify.source import JudgedSource, judge_source
from patchkit.releases.catalog import catalog
from patchkit.source.obtain import SourceRequest, obtain
from patchkit.ui import Ui
from tests.conftest import PINNED
from tests.support.jobs.made_up_release import IN_TARBALL, MADE, SOURCE, VERSION, Upstream, made_up, says
from tests.support.source.signers import Signer, signer
from tests.support.source.website import Site, redirect, serving, web_page, whole

HISTORY = os.environ.get("PATCHKIT_GIT")  # read at import: conftest clears it afterwards


@pytest.fixture(scope="module")
def people() -> Iterator[tuple[Signer, str, str]]:
    with signer() as home:
        yield home, home.key("Upstream", made=MADE - 1000), home.key("Weak", made=MADE - 1000, algorithm="rsa1024")


@pytest.fixture
def upstream(people: tuple[Signer, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    for name in ("http_proxy", "https_proxy", "GIT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    return made_up(people[0], people[1], tmp_path / "upstream")


def judged(
    upstream: Upstream,
    cache: Cache,
    *,
    version: str = VERSION,
    keys: tuple[Path, ...] | None = None,
    offline: bool = True,
    **places: object,
) -> JudgedSource:
    source_request = SourceRequest(version, **{"git": upstream.git, **places})  # type: ignore[arg-type]
    request = EvidenceRequest(source_request, keys=(upstream.public,) if keys is None else keys)
    return judge_source(request, Context(cache, Ui(quiet=True), offline))


def kinds(source: JudgedSource) -> list[type[PatchkitError]]:
    return [type(error) for error in source.findings]


def fact(source: JudgedSource, name: str) -> str:
    return next(fact.value for fact in source.facts if fact.name == name)


def test_a_signed_tag_vouches_for_a_release_that_nobody_has_pinned(upstream: Upstream, cache: Cache) -> None:
    upstream.tag()
    source = judged(upstream, cache)
    assert (source.findings, source.release, source.label, source.may_run) == ([], None, VERSION, True)
    assert source.summary == "tag, vouched for by a signature (good)"
    assert fact(source, "tag: commit").startswith(upstream.repository.git("rev-parse", "HEAD"))
    assert source.request.git == upstream.git


def test_by_url_the_tag_is_fetched_and_judged(upstream: Upstream, cache: Cache) -> None:
    upstream.tag()
    source = judged(upstream, cache, git=upstream.repository.url, offline=False, source=upstream.tarball())
    assert source.findings == []
    assert source.summary == "tarball, vouched for by a signature (good); so is the tag"


def test_a_key_that_is_not_upstreams(upstream: Upstream, cache: Cache) -> None:
    upstream.tag()
    source = judged(upstream, cache, keys=())
    assert kinds(source) == [UnknownKeyError]
    assert source.may_run  # the user has named this repository


def test_a_tag_without_a_signature(upstream: Upstream, cache: Cache) -> None:
    upstream.tag(key="")
    source = judged(upstream, cache)
    assert kinds(source) == [UnsignedError]
    assert source.findings[0].why == "its text has no signature"
    upstream.repository.git("tag", "--force", f"v{VERSION}", "HEAD")
    assert kinds(judged(upstream, cache)) == [UnsignedError]


def test_a_tag_with_a_weak_signature(people: tuple[Signer, str, str], upstream: Upstream, cache: Cache) -> None:
    upstream.key = people[2]
    upstream.tag(hash="SHA1")
    source = judged(upstream, cache)
    assert kinds(source) == [WeakSignatureError]
    assert "SHA-1" in source.findings[0].why


def test_a_tag_that_was_altered_after_it_was_signed(upstream: Upstream, cache: Cache) -> None:
    upstream.tag(altered=True)
    source = judged(upstream, cache)
    assert kinds(source) == [BadSignatureError]
    assert not source.may_run


def test_an_old_tag_passed_off_as_a_new_one(upstream: Upstream, cache: Cache) -> None:
    """Its signature is good; its own text, and its source, tell."""
    upstream.repository.commit({**SOURCE, "version.m4": says("2.9.0")})
    upstream.tag(name="v2.9.0")
    source = judged(upstream, cache)
    assert kinds(source) == [WrongReleaseError, WrongReleaseError]
    assert fact(source, "tag: signature").startswith("good")
    assert not source.may_run


def test_a_signed_tag_of_a_tag_vouches_for_what_that_one_leads_to(upstream: Upstream, cache: Cache) -> None:
    """Upstream's v2.2-beta1 is one."""
    upstream.tag("inner", key="")
    upstream.tag(commit=upstream.repository.git("rev-parse", "refs/tags/inner"), kind="tag")
    assert judged(upstream, cache).findings == []


@pytest.mark.parametrize("kind", ["commit", "tag"])
def test_a_tag_that_leads_nowhere(upstream: Upstream, cache: Cache, kind: str) -> None:
    upstream.tag(commit="1" * 40, kind=kind)
    with pytest.raises((GitError, UnknownVersionError)):
        judged(upstream, cache)


def test_a_tarball_and_its_signature_beside_it(upstream: Upstream, cache: Cache) -> None:
    upstream.tag()
    source = judged(upstream, cache, source=upstream.tarball())
    assert source.findings == []
    assert fact(source, "aside: generated") == "configure, src/Makefile.in"
    assert fact(source, "tarball against tag").startswith(f"{len(SOURCE)} files the same; aside: ")
    assert source.request.source == upstream.folder / f"openvpn-{VERSION}.tar.gz"


def test_a_tarball_with_files_that_are_not_in_the_tag(upstream: Upstream, cache: Cache) -> None:
    """Well signed, as the xz tarball of 2024 was."""
    upstream.tag()
    altered = {"src/openvpn/reliable.c": b"int made_up_too;\n", "m4/build-to-host.m4": b"eval\n", "src/configure": b""}
    source = judged(upstream, cache, source=upstream.tarball({**IN_TARBALL, **altered}))
    assert kinds(source) == [TarballDiffersError]
    assert source.findings[0].why.splitlines() == [
        "m4/build-to-host.m4: only in the tarball",
        "src/openvpn/reliable.c: altered",
    ]
    assert not source.may_run


def test_other_line_endings_are_set_aside_and_named(upstream: Upstream, cache: Cache) -> None:
    upstream.tag()
    files = {**IN_TARBALL, "version.m4": IN_TARBALL["version.m4"].replace(b"\n", b"\r\n")}
    source = judged(upstream, cache, source=upstream.tarball(files))
    assert source.findings == []
    assert fact(source, "aside: other line endings") == "version.m4"


def test_a_signature_of_another_file(upstream: Upstream, cache: Cache) -> None:
    source = judged(upstream, cache, git=None, source=upstream.tarball(of=b"another file"))
    assert kinds(source) == [BadSignatureError]
    assert not source.may_run


def test_an_older_tarball_under_a_new_name(upstream: Upstream, cache: Cache) -> None:
    old = upstream.tarball({**IN_TARBALL, "version.m4": says("2.9.0")})
    assert kinds(judged(upstream, cache, git=None, source=old)) == [WrongReleaseError]


def test_a_folder_is_nothing_that_anybody_signs(upstream: Upstream, cache: Cache) -> None:
    upstream.tag()
    source = judged(upstream, cache, source=upstream.repository.path)
    assert kinds(source) == [UnsignedError]
    assert "UNEXPLAINED" not in fact(source, "folder against tag")


def test_another_file_in_place_of_a_pinned_tarball(upstream: Upstream, cache: Cache) -> None:
    forged = upstream.tarball({**IN_TARBALL, "version.m4": says(PINNED)}, top=PINNED)
    with pytest.raises(WrongHashError, match="is not the openvpn"):
        judged(upstream, cache, version=PINNED, git=None, source=forged)
    upstream.tag(f"v{PINNED}")
    with pytest.raises((WrongHashError, TagMovedError)):
        judged(upstream, cache, version=PINNED, source=forged)


def test_a_pinned_tag_that_has_moved(upstream: Upstream, cache: Cache) -> None:
    upstream.tag(f"v{PINNED}")
    with pytest.raises(TagMovedError) as caught:
        judged(upstream, cache, version=PINNED)
    pin = catalog().find(PINNED).tag
    assert pin is not None
    assert pin.commit in caught.value.why


def test_nothing_at_hand_says_what_helps(upstream: Upstream, cache: Cache) -> None:
    with pytest.raises(OfflineError) as caught:
        judged(upstream, cache, git=None)
    assert "--git" in caught.value.advice


def test_a_pinned_release_that_no_place_has_is_told_as_other_commands_tell_it(
    upstream: Upstream, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default repository lacks the tag, which no pin knows; the tarball's is, and no place has it."""
    monkeypatch.setenv("PATCHKIT_GIT", str(upstream.git))
    (newest,) = [release.version.text for release in catalog().releases if release.tag is None][-1:]
    request, context = SourceRequest(newest), Context(cache, Ui(quiet=True), offline=True)
    for read in (lambda: judge_source(EvidenceRequest(request), context), lambda: obtain(request, context)):
        with pytest.raises(OfflineError):
            read()


@pytest.mark.parametrize(
    "name",
    ["../../x", "-rf", "--upload-pack=id", "x" * 10_000, "2.6.14\n2.6.15", "2.6.14;id", "v2.6.14/../..", "\x1b[31m", "",
     "refs/../x", "v2.6.14^{}", "a..b", "@{u}", "\N{BULLET}", "v2.6.14\0"],
)  # fmt: skip
@pytest.mark.parametrize("named", [True, False])
def test_hostile_versions_and_refs(upstream: Upstream, cache: Cache, tmp_path: Path, name: str, named: bool) -> None:
    upstream.tag()
    before = upstream.repository.git("for-each-ref")
    with pytest.raises(UnknownVersionError) as caught:
        judged(upstream, cache, version=name, git=upstream.git if named else None)
    assert len(caught.value.what + caught.value.why) < 500
    assert caught.value.what.isprintable()
    assert upstream.repository.git("for-each-ref") == before
    assert sorted(path.name for path in tmp_path.iterdir() if path != cache.root) == ["upstream"]


class TestFromUpstreamsPlaces:
    """What comes from the network: the user has named nothing."""

    @pytest.fixture
    def site(self) -> Iterator[Site]:
        with serving() as running:
            yield running

    @pytest.fixture(autouse=True)
    def _mirror(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATCHKIT_MIRROR", site.url)

    def test_a_tarball_with_a_good_signature(self, upstream: Upstream, cache: Cache, site: Site) -> None:
        path = upstream.tarball()
        for file in (path, path.with_name(f"{path.name}.asc")):
            site.on(f"/{file.name}", whole(file.read_bytes()))
        source = judged(upstream, cache, git=None)
        assert source.findings == []
        assert source.summary == "tarball, vouched for by a signature (good)"
        assert source.request.source is not None
        assert source.request.source.read_bytes() == path.read_bytes()
        assert [path.name for path in source.request.source.parent.iterdir() if path.name.endswith(".part")] == []

    def test_without_a_signature_it_is_never_run(self, upstream: Upstream, cache: Cache, site: Site) -> None:
        site.on(f"/openvpn-{VERSION}.tar.gz", whole(upstream.tarball(sign=False).read_bytes()))
        source = judged(upstream, cache, git=None)
        assert kinds(source) == [UnsignedError]
        assert not source.may_run

    @pytest.mark.parametrize("kind", ["text/html", "application/octet-stream"])
    def test_a_web_page_is_no_signature_and_no_tarball(
        self, upstream: Upstream, cache: Cache, site: Site, kind: str
    ) -> None:
        path = upstream.tarball()
        page = web_page() if kind == "text/html" else whole(b"\n <!DOCTYPE html><html>", Content_Type=kind)
        site.on(f"/{path.name}", whole(path.read_bytes()))
        site.on(f"/{path.name}.asc", page)
        source = judged(upstream, cache, git=None)
        assert kinds(source) == [UnsignedError]
        site.on(f"/{path.name}", page)
        with pytest.raises(OfflineError) as caught:
            judged(upstream, cache, git=None)
        assert "a web page instead of the file" in caught.value.why

    @pytest.mark.parametrize("scheme", ["file", "ftp", "gopher", "data"])
    def test_a_redirect_to_another_scheme_is_not_followed(
        self, upstream: Upstream, cache: Cache, site: Site, scheme: str
    ) -> None:
        path = upstream.tarball()
        site.on(f"/{path.name}", redirect(f"{scheme}://{path}"))
        with pytest.raises(OfflineError):
            judged(upstream, cache, git=None)

    def test_what_is_no_archive_is_refused(self, upstream: Upstream, cache: Cache, site: Site) -> None:
        site.on(f"/openvpn-{VERSION}.tar.gz", whole(b"\x1f\x8b not a gzip"))
        with pytest.raises(UnsafeArchiveError):
            judged(upstream, cache, git=None)


@pytest.mark.skipif(HISTORY is None, reason="PATCHKIT_GIT does not name upstream's full history")
@pytest.mark.parametrize(
    ("version", "worth"),
    [
        ("2.7.6", "good (Gert Doering <gert@v6.de>, SHA-256"),
        ("2.6.14", "weak (Gert Doering <gert@v6.de>, SHA-1"),
        ("2.4.0", "unknown key (made with 86CF944C9671FDF2"),
        ("2.2-beta1", "unknown key (made with 0C2D7CE8C0517EBA"),
        ("2.3.2", "unknown key (made with A92E06E365514975"),
        ("2.1.1", "missing"),
    ],
)
def test_upstreams_own_tags(version: str, worth: str, cache: Cache) -> None:
    source = judge_source(
        EvidenceRequest(SourceRequest(version, git=HISTORY)), Context(cache, Ui(quiet=True), offline=True)
    )
    assert source.findings == []  # all of them are pinned
    assert fact(source, "tag: signature").startswith(worth)
