"""Mails as mail programs write them: decoded as they were meant, with their own authors and titles, or refused."""

from __future__ import annotations

import base64
import gzip
import quopri
from pathlib import Path

import pytest

from patchkit.errors import BadPatchError
from patchkit.patching.combination import combination
from patchkit.patching.dep3 import header
from patchkit.patching.formats.export import files
from patchkit.patching.own import load
from patchkit.patching.own.mails import mails_of
from patchkit.patching.own.variant import OwnPatch
from patchkit.patching.render import render
from tests.support.patching.own_patches import PATH, diff_of
from tests.support.patching.samples import ALLMAN, tree

CHANGED = ALLMAN.replace("found = NULL", "found = 0 /* ü = */")
ONE = diff_of(ALLMAN, CHANGED)
TWO = diff_of(CHANGED, CHANGED.replace("return found", "return (found)"))
HEAD = b"From: =?utf-8?q?J=C3=B6rg?= <joerg@example.org>\nSubject: [PATCH] Mine\nMIME-Version: 1.0\n"
UTF8 = b"Content-Type: text/plain; charset=utf-8\n"
BASE64 = b"Content-Transfer-Encoding: base64\n\n"
CRLF = ONE.replace(b"\n", b"\r\n")


def patch(folder: Path, data: bytes, name: str = "mine.mbox") -> OwnPatch:
    (folder / name).write_bytes(data)
    read = load.patch(str(folder / name))
    assert isinstance(read, OwnPatch)
    return read


def of_parts(*parts: bytes) -> bytes:
    return (
        HEAD
        + b'Content-Type: multipart/mixed; boundary="XX"\n\n'
        + b"".join(b"--XX\n%b\n" % part for part in parts)
        + b"--XX--\n"
    )


def attachment(data: bytes, name: bytes = b"mine.patch", kind: bytes = b"text/x-patch") -> bytes:
    heads = b'Content-Type: %b\nContent-Disposition: attachment; filename="%b"\n' % (kind, name)
    return heads + BASE64 + base64.encodebytes(data)


TEXT = UTF8 + b"\nplease apply\n"
PROGRAMS = {
    "base64": HEAD + UTF8 + BASE64 + base64.encodebytes(b"It helps.\n---\n" + ONE),
    "base64-crlf": HEAD + UTF8 + BASE64 + base64.encodebytes(CRLF),
    "quoted-printable": HEAD + UTF8 + b"Content-Transfer-Encoding: quoted-printable\n\n" + quopri.encodestring(ONE),
    "8bit": HEAD + UTF8 + b"\n" + ONE,
    "latin-1-talk": HEAD + b"Content-Type: text/plain; charset=iso-8859-1\n\nGr\xfc\xdfe\n---\n"
    + diff_of(CHANGED, ALLMAN).replace("ü".encode(), b"u"),
    "attached": of_parts(TEXT, attachment(ONE)),
    "attached-octets": of_parts(TEXT, attachment(ONE, kind=b"application/octet-stream")),
    "attached-mail": of_parts(TEXT, attachment(b"From x Mon Sep 17 00:00:00 2001\n" + HEAD + UTF8 + b"\n" + ONE)),
    "twice": of_parts(UTF8 + b"\n" + ONE, attachment(ONE)),
    "signed": of_parts(UTF8 + b"\n" + ONE, attachment(b"\x80\x81", b"signature.asc", b"application/pgp-signature")),
    "html-beside": of_parts(UTF8 + b"\n" + ONE, b"Content-Type: text/html\n\n<pre>" + ONE + b"</pre>"),
}  # fmt: skip


@pytest.mark.parametrize("begin", [b"", b"From x Mon Sep 17 00:00:00 2001\n", b"From - Mon Sep 17 00:00:00 2001\n"])
@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_what_mail_programs_write_is_decoded(program: str, begin: bytes, tmp_path: Path) -> None:
    read = patch(tmp_path, begin + PROGRAMS[program])
    assert (read.title, read.author, len(read.steps)) == ("Mine", "Jörg <joerg@example.org>", 1)
    if program != "latin-1-talk":
        assert render(combination(read.name), tree(ALLMAN), "x").files == {PATH: CHANGED.encode()}


def test_several_attachments_are_several_patches(tmp_path: Path) -> None:
    read = patch(tmp_path, of_parts(TEXT, attachment(ONE, b"1.patch"), attachment(TWO, b"2.patch")))
    assert [step.title for step in read.steps] == ["Mine: 1.patch", "Mine: 2.patch"]
    assert render(combination(read.name), tree(ALLMAN), "x").files[PATH].count(b"return (found)") == 1


@pytest.mark.parametrize(
    ("mail", "says"),
    [
        (HEAD + UTF8 + BASE64 + base64.encodebytes(ONE)[:-6] + b"*\n", "base64 is damaged"),
        (HEAD + UTF8 + b"Content-Transfer-Encoding: x-secret\n\n" + ONE, "encoded as x-secret"),
        (HEAD + b"Content-Type: text/plain; format=flowed\n\n" + ONE, "format=flowed"),
        (HEAD + b"Content-Type: text/html\n\n<pre>" + ONE + b"</pre>", "HTML"),
        (HEAD + b"Content-Type: text/plain; charset=iso-8859-1\n\n" + ONE.replace("ü".encode(), b"\xfc"), "iso-8859-1"),
        (HEAD + b"Content-Type: text/plain; charset=utf-16\n" + BASE64
         + base64.encodebytes(ONE.decode().encode("utf-16")), "UTF-16"),
        (of_parts(TEXT, attachment(gzip.compress(ONE), b"mine.patch.gz", b"application/gzip")), "compressed: gzip"),
        (of_parts(TEXT, attachment(ONE.decode().encode("utf-16"))), "mine.patch is text in UTF-16"),
        (HEAD + b'Content-Type: multipart/encrypted; boundary="XX"\n\n--XX\n\nx\n--XX--\n', "encrypted"),
    ],
)  # fmt: skip
def test_what_can_not_be_decoded_as_it_was_meant_is_refused(mail: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(BadPatchError, match=says) as caught:
        patch(tmp_path, mail)
    assert caught.value.advice


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (ONE.decode().encode("utf-16"), r"mine\.diff is text in UTF-16"),
        (ONE.decode().encode("utf-16-le"), "UTF-16LE"),
        (ONE.decode().encode("utf-16-be"), "UTF-16BE"),
        (ONE.decode().encode("utf-32"), "UTF-32"),
        (gzip.compress(ONE), r"mine\.diff is compressed: gzip"),
    ],
)
def test_files_that_are_not_plain_text(data: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(BadPatchError, match=says):
        patch(tmp_path, data, "mine.diff")


def test_a_byte_order_mark_is_not_the_diffs(tmp_path: Path) -> None:
    assert patch(tmp_path, b"\xef\xbb\xbf" + ONE, "mine.diff").files == [PATH]


def two_mails() -> bytes:
    begin = b"From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
    heads = (b"From: A <a@example.org>\nSubject: [PATCH 1/2] First\n", b"From: B <b@example.org>\nSubject: Second\n")
    return b"\n".join(begin + head + UTF8 + b"\n---\n" + diff for head, diff in zip(heads, (ONE, TWO), strict=True))


def test_each_mail_of_an_mbox_keeps_its_author_and_title(tmp_path: Path) -> None:
    read = patch(tmp_path, two_mails())
    assert read.title == "2 patches of mine.mbox"
    assert read.author == "A <a@example.org>, B <b@example.org>"
    assert read.description.splitlines()[1:] == ["1. First (A <a@example.org>)", "2. Second (B <b@example.org>)"]
    written = header(combination(read.name), "2.6.14", None, guard=False).decode().splitlines()
    assert [line for line in written if line.startswith("Author")] == [
        "Author: A <a@example.org>",
        "Author: B <b@example.org>",
    ]
    (mbox,) = files("git", combination(f"{read.name}"), tree(ALLMAN), "x", guard=False).values()
    again = mails_of(mbox)
    assert [(mail.title, mail.author) for mail in again] == [
        ("First", "A <a@example.org>"),
        ("Second", "B <b@example.org>"),
    ]
    assert b"Subject: [PATCH 2/2] Second" in mbox
    quilt = files("quilt", combination(f"{read.name}"), tree(ALLMAN), "x", guard=False)
    assert list(quilt) == [f"{read.name}-1.patch", f"{read.name}-2.patch"]
    assert b"Author: B <b@example.org>\n" in quilt[f"{read.name}-2.patch"]
    assert b"Author: A" not in quilt[f"{read.name}-2.patch"]


def test_a_mail_that_somebody_else_has_sent_has_its_author_in_its_body(tmp_path: Path) -> None:
    read = patch(tmp_path, HEAD + UTF8 + b"\nFrom: Real <real@example.org>\nSubject: Other\n\nIt helps.\n---\n" + ONE)
    assert (read.title, read.author) == ("Other", "Real <real@example.org>")


def test_a_header_as_debian_has_it_states_title_and_author(tmp_path: Path) -> None:
    stated = b"Description: Cure it\n In two lines.\nAuthor: D <d@example.org>\nForwarded: no\n---\n"
    read = patch(tmp_path, stated + ONE, "mine.patch")
    assert (read.title, read.author) == ("Cure it", "D <d@example.org>")


def test_a_series_counts_its_patches(tmp_path: Path) -> None:
    for count, title in (1, "1 patch of q"), (2, "2 patches of q"):
        folder = tmp_path / str(count) / "q"
        folder.mkdir(parents=True)
        for name, diff in zip(("a.patch", "b.patch")[:count], (ONE, TWO), strict=False):
            (folder / name).write_bytes(diff)
            with (folder / "series").open("a") as series:
                series.write(f"{name}\n")
        assert load.patch(str(folder)).title == title


CONTROL = "x\nForwarded: yes\r\nBcc: a@b\x0bc\x85d\u2028e\x1b[31m"


def test_no_control_character_gets_into_a_header(tmp_path: Path) -> None:
    """Titles, authors and descriptions are what others wrote: none adds a line to a header."""
    read = patch(tmp_path, ONE, "mine.diff")
    update = {"title": CONTROL, "author": CONTROL, "authors": (CONTROL,), "origin": CONTROL, "description": CONTROL}
    own = combination(read.name).__class__((read.model_copy(update=update),))
    for form in ("plain", "quilt", "git"):
        (data,) = files(form, own, tree(ALLMAN), "x", guard=False).values()
        head = data.partition(b"diff --git")[0].decode()
        fields = head.partition("\n\n")[0] if form == "git" else head  # a mail's text may say what it likes
        assert not any(line.startswith(("Bcc", "Forwarded: yes")) for line in fields.splitlines())
        assert set("\r\x0b\x85\u2028\x1b").isdisjoint(head)
