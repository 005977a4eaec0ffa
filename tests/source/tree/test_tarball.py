"""Reading archives: what a source tarball may hold, and everything that it may not."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping

import pytest

from patchkit.errors import UnsafeArchiveError
from patchkit.source.tree import tarball as unpack
from patchkit.source.tree.tarball import as_tree
from patchkit.source.tree.tree import MAX_BYTES, SYMLINK, Origin, SourceTree
from tests.support.source.samples import COMPRESSORS, DATE, FILES, Member, tar_of, tarball

ORIGIN = Origin(kind="tarball", name="hand-made.tar", verified=False, epoch=0)
A = Member("top/a", b"a")


def tree(data: bytes) -> SourceTree:
    return as_tree(data, ORIGIN)


def link(name: str, target: str) -> Member:
    return Member(name, kind=tarfile.SYMTYPE, target=target, mode=0o777)


def hard(name: str, target: str) -> Member:
    return Member(name, kind=tarfile.LNKTYPE, target=target)


def folder(name: str, mode: int = 0o755) -> Member:
    return Member(name, kind=tarfile.DIRTYPE, mode=mode)


def sparse() -> bytes:
    """A file of one hole of 4 KiB, in the old GNU way."""
    info = Member("top/holes", kind=tarfile.GNUTYPE_SPARSE).info()
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[483:495] = b"00000010000\0"  # the real size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + tar_of(A)


@pytest.mark.parametrize("kind", COMPRESSORS)
def test_every_compression_gives_the_same_tree(kind: str) -> None:
    assert contents(tree(tarball(kind=kind))) == FILES


def test_paths_are_below_the_top_folder_which_is_dropped() -> None:
    unpacked = tree(tar_of(folder("./top/"), folder("top/sub"), Member("./top/sub/./b", b"b"), A))
    assert contents(unpacked) == {"sub/b": b"b", "a": b"a"}
    assert all(entry.mode == 0o644 for entry in unpacked.entries.values())


def test_git_archives_comment_is_no_member() -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", pax_headers={"comment": "0" * 40}) as archive:
        archive.addfile(A.info(), io.BytesIO(A.data))
    assert contents(tree(out.getvalue())) == {"a": b"a"}


def test_a_link_that_stays_inside_is_kept_as_a_link() -> None:
    unpacked = tree(tar_of(A, link("top/deep/er/up", "../../a"), link("top/side", "a"), link("top/here", ".")))
    assert {path: (entry.mode, entry.read()) for path, entry in unpacked.entries.items() if path != "a"} == {
        "deep/er/up": (SYMLINK, b"../../a"),
        "side": (SYMLINK, b"a"),
        "here": (SYMLINK, b"."),
    }


def test_a_hard_link_to_an_earlier_member_is_that_file() -> None:
    unpacked = tree(tar_of(Member("top/a", b"a", mode=0o755), hard("top/sub/b", "top/a")))
    assert unpacked.read("sub/b") == b"a"
    assert unpacked.entries["sub/b"].mode == 0o755


@pytest.mark.parametrize(
    ("mode", "kept"), [(0o600, 0o644), (0o666, 0o644), (0o700, 0o755), (0o775, 0o755), (0o654, 0o755), (0o1644, 0o644)]
)
def test_only_the_executable_bit_of_a_mode_is_kept(mode: int, kept: int) -> None:
    assert tree(tar_of(Member("top/a", b"", mode=mode))).entries["a"].mode == kept


def test_time_stamps_are_kept_and_the_newest_is_the_trees() -> None:
    unpacked = tree(tar_of(Member("top/a", mtime=DATE), Member("top/b", mtime=DATE + 9), Member("top/c", mtime=1)))
    assert [entry.mtime for entry in unpacked.entries.values()] == [DATE, DATE + 9, 1]
    assert unpacked.origin.epoch == DATE + 9
    assert not unpacked.origin.verified


def test_a_fraction_of_a_second_is_dropped() -> None:
    assert tree(tar_of(Member("top/a", pax={"mtime": f"{DATE}.75"}))).entries["a"].mtime == DATE


@pytest.mark.parametrize(
    ("members", "why"),
    [
        pytest.param([Member("/etc/passwd")], "'/etc/passwd' would leave the folder", id="absolute-path"),
        pytest.param([Member("../a")], "'../a' would leave the folder", id="parent"),
        pytest.param([Member("top/../../a")], "would leave the folder", id="parent-in-the-middle"),
        pytest.param([Member("top/sub/../a")], "would leave the folder", id="parent-that-comes-back"),
        pytest.param([folder("top/.."), A], "would leave the folder", id="parent-folder"),
        pytest.param([Member("top\\..\\a")], "would leave the folder", id="backslashes"),
        pytest.param([Member(".")], "'.' is not a top folder", id="no-name"),
        pytest.param([link("top/l", "/etc/passwd")], "the link 'l' leads out", id="absolute-link"),
        pytest.param([link("top/l", "..")], "to '..'", id="link-to-parent"),
        pytest.param([link("top/sub/l", "../../x")], "leads out of the folder, to '../../x'", id="relative-link"),
        pytest.param([link("top/l", "a/../../x")], "leads out of the folder", id="link-with-a-detour"),
        pytest.param([hard("top/h", "top/none")], "hard link 'top/h' leads to 'top/none'", id="hard-link-to-nothing"),
        pytest.param([hard("top/h", "other/a")], "which is not there", id="hard-link-to-another-top"),
        pytest.param([hard("top/h", "../etc/passwd")], "would leave the folder", id="hard-link-to-parent"),
        pytest.param([hard("top/h", "/etc/passwd")], "would leave the folder", id="absolute-hard-link"),
        pytest.param([hard("top/h", "top/a"), A], "which is not there", id="hard-link-to-a-later-member"),
        pytest.param([Member("top/d", kind=tarfile.CHRTYPE)], "neither a file, a folder nor a link", id="device"),
        pytest.param([Member("top/d", kind=tarfile.BLKTYPE)], "neither a file", id="block-device"),
        pytest.param([Member("top/f", kind=tarfile.FIFOTYPE)], "neither a file", id="fifo"),
        pytest.param([Member("top/u", kind=b"Z")], "neither a file", id="unknown-kind"),
        pytest.param([Member("top/s", mode=0o4755)], "'top/s' has a setuid", id="setuid"),
        pytest.param([Member("top/s", mode=0o2755)], "setuid or setgid bit", id="setgid"),
        pytest.param([folder("top/s", mode=0o2755), A], "setuid or setgid bit", id="setgid-folder"),
        pytest.param([A, A], "'top/a' is in it twice", id="twice"),
        pytest.param([A, Member("top/./a")], "is in it twice", id="twice-in-two-spellings"),
        pytest.param([A, link("top/a", "b")], "is in it twice", id="file-and-link"),
        pytest.param([A, Member("other/b")], "more than one top folder: other, top", id="two-tops"),
        pytest.param([A, folder("other")], "more than one top folder", id="two-tops-one-empty"),
        pytest.param([Member("a", b"a")], "outside the top folder", id="no-top"),
        pytest.param([link("top", ".")], "outside the top folder", id="top-is-a-link"),
        pytest.param(
            [link("top/l", "sub"), Member("top/l/x")], "'l/x' lies below 'l', which is not a folder", id="below-a-link"
        ),
        pytest.param([Member("top/a/x"), link("top/a", "sub")], "lies below 'a'", id="below-a-later-link"),
        pytest.param([A, Member("top/a/x/y/z")], "lies below 'a'", id="below-a-file"),
        pytest.param([], "it holds no files", id="no-members"),
        pytest.param([folder("top"), folder("top/sub")], "it holds no files", id="only-folders"),
    ],
)
def test_a_member_with_no_business_in_a_source_is_refused(members: list[Member], why: str) -> None:
    with pytest.raises(UnsafeArchiveError, match=r"hand-made\.tar is not safe to unpack") as refused:
        tree(tar_of(*members))
    assert why in refused.value.why


def test_a_hard_link_to_a_link_does_not_carry_it_to_where_it_leads_out() -> None:
    # "../../a" is inside seen from deep/er/, and outside seen from the top.
    inside = link("top/deep/er/up", "../../a")
    with pytest.raises(UnsafeArchiveError):
        tree(tar_of(A, inside, hard("top/up", "top/deep/er/up")))


def test_links_through_other_links_do_not_lead_out() -> None:
    # Read as text, "here/.." is the top folder; on disk, where "here" is ".", it is the top's parent.
    with pytest.raises(UnsafeArchiveError):
        tree(tar_of(A, link("top/here", "."), link("top/out", "here/../secret")))


def test_a_sparse_file_is_refused() -> None:
    with pytest.raises(UnsafeArchiveError):
        tree(sparse())


@pytest.mark.parametrize("stamp", ["nan", "inf", "-inf", "1e30", "-5"])
def test_a_time_stamp_that_no_file_can_have_is_refused(stamp: str) -> None:
    with pytest.raises(UnsafeArchiveError):
        tree(tar_of(Member("top/a", pax={"mtime": stamp})))


@pytest.mark.parametrize(
    "pax", [{"size": "-1024"}, {"size": "1" + "0" * 5000}, {"GNU.sparse.size": "x", "GNU.sparse.map": "x"}]
)
def test_a_pax_header_with_impossible_numbers_is_refused(pax: Mapping[str, str]) -> None:
    with pytest.raises(UnsafeArchiveError):
        tree(tar_of(A, Member("top/b", b"b" * 600, pax=pax), Member("top/c")))


class TestBombs:
    """With limits of a test's size; the real ones are checked by name, so that they are not lost."""

    @pytest.fixture(autouse=True)
    def _small_limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert MAX_BYTES <= 2**28
        assert unpack.MAX_MEMBERS <= 50_000
        monkeypatch.setattr(unpack, "MAX_BYTES", 2**20)
        monkeypatch.setattr(unpack, "MAX_MEMBERS", 100)

    def test_what_stays_below_the_limits_is_accepted(self) -> None:
        members = [Member(f"top/{number}", b"x" * 2000) for number in range(100)]
        assert len(tree(gzip.compress(tar_of(*members))).entries) == 100

    @pytest.mark.parametrize("kind", COMPRESSORS)
    def test_a_huge_file_is_refused(self, kind: str) -> None:
        packed = COMPRESSORS[kind](tar_of(Member("top/zeros", bytes(2**21))))
        with pytest.raises(UnsafeArchiveError) as refused:
            tree(packed)
        assert refused.value.why == "it unpacks to more than 1 MiB"

    def test_a_bomb_hidden_in_a_pax_header_is_refused(self) -> None:
        # No member is large: what is large is the comment of an empty one.
        packed = gzip.compress(tar_of(Member("top/a", pax={"comment": "x" * 2**21})))
        assert len(packed) < 2**14
        with pytest.raises(UnsafeArchiveError) as refused:
            tree(packed)
        assert refused.value.why == "it unpacks to more than 1 MiB"

    def test_a_size_that_only_a_pax_header_claims_is_refused(self) -> None:
        with pytest.raises(UnsafeArchiveError) as refused:
            tree(tar_of(Member("top/a", pax={"size": str(2**40)})))
        assert refused.value.why == "it unpacks to more than 1 MiB"

    def test_many_links_to_one_large_file_are_refused(self) -> None:
        # On disk each of them would be a copy.
        links = [hard(f"top/{number}", "top/large") for number in range(50)]
        with pytest.raises(UnsafeArchiveError) as refused:
            tree(tar_of(Member("top/large", b"x" * 2**19), *links))
        assert refused.value.why == "it unpacks to more than 1 MiB"

    @pytest.mark.parametrize("member", [Member, folder], ids=["files", "folders"])
    def test_too_many_members_are_refused(self, member: type[Member]) -> None:
        with pytest.raises(UnsafeArchiveError) as refused:
            tree(tar_of(*(member(f"top/{number}") for number in range(101))))
        assert refused.value.why == "it has more than 100 members"


@pytest.mark.parametrize("kind", ["gz", "xz", "bz2"])
@pytest.mark.parametrize("left", [0.1, 0.5, 0.9, -1], ids=str)
def test_a_truncated_archive_is_refused(kind: str, left: float) -> None:
    packed = tarball({**FILES, "noise": hashlib.shake_256(b"noise").digest(5000)}, kind=kind)
    with pytest.raises(UnsafeArchiveError, match="not safe") as refused:
        tree(packed[: int(len(packed) * left)] if left > 0 else packed[:-1])
    assert "not a whole tar archive" in refused.value.why


def test_an_uncompressed_archive_that_breaks_off_is_refused_wherever_it_does() -> None:
    # The first member is whole in each of them, so none may pass for an archive of fewer files.
    plain = tar_of(A, Member("top/b", b"b" * 700), Member("top/c", b"c"))
    end = 2 * 512 + 3 * 512 + 2 * 512  # of the last member: header and data of each, in blocks
    assert [length for length in range(1024, end + 512, 128) if accepts(plain[:length])] == []
    assert accepts(plain[: end + 1024])


def test_a_damaged_header_in_the_middle_is_not_the_end_of_the_archive() -> None:
    plain = bytearray(tar_of(A, Member("top/b", b"b"), Member("top/c", b"c")))
    plain[1024 + 3] ^= 1  # inside the second member's name
    with pytest.raises(UnsafeArchiveError):
        tree(bytes(plain))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>not found</html>",
        b"\x1f\x8b",
        b"\x1f\x8b but not gzip after all" + bytes(100),
        b"BZh9 not bzip2",
        b"\xfd7zXZ\0 not xz" + bytes(100),
        gzip.compress(b""),
        gzip.compress(b"text, no tar" * 100),
        b"PK\x03\x04" + bytes(600),
        bytes(range(256)) * 8,
    ],
    ids=["empty", "html", "magic-only", "bad-gz", "bad-bz2", "bad-xz", "empty-gz", "text-gz", "zip", "bytes"],
)
def test_what_is_no_tar_is_refused(data: bytes) -> None:
    with pytest.raises(UnsafeArchiveError) as refused:
        tree(data)
    assert "not a whole tar archive" in refused.value.why


def test_a_damaged_checksum_of_the_compression_is_noticed() -> None:
    packed = bytearray(tarball())
    packed[-6] ^= 1  # inside gzip's CRC
    with pytest.raises(UnsafeArchiveError):
        tree(bytes(packed))


def accepts(data: bytes) -> bool:
    try:
        tree(data)
    except UnsafeArchiveError:
        return False
    return True


def contents(unpacked: SourceTree) -> dict[str, bytes]:
    return {path: entry.read() for path, entry in unpacked.entries.items()}
