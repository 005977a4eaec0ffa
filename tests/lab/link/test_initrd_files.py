"""Files of an initramfs, used again."""

from __future__ import annotations

import os
import resource
from contextlib import suppress

import pytest

from patchkit.errors import MachineError
from patchkit.lab.link.initrd_files import InitrdFiles


def content(descriptor: int) -> bytes:
    return os.pread(descriptor, 1 << 20, 0)


def test_what_stays_the_same_is_not_written_again() -> None:
    files = InitrdFiles()
    with files.holding([b"base", b"peers", b"a long order"]) as first:
        assert content(first) == b"basepeersa long order"
        os.pwrite(first, b"BASE", 0)  # to be seen, if nobody writes it anew
    with files.holding([b"base", b"peers", b"short"]) as second:
        assert (second, content(second)) == (first, b"BASEpeersshort")
    with files.holding([b"base", b"others", b"short"]) as third:
        assert (third, content(third)) == (first, b"baseothersshort")


def test_two_at_once_have_a_file_each_and_each_gets_its_own_again() -> None:
    files = InitrdFiles()
    with files.holding([b"a", b"1"]) as first, files.holding([b"b", b"1"]) as second:
        assert first != second
    with files.holding([b"b", b"2"]) as again:
        assert (again, content(again)) == (second, b"b2")


def test_a_file_that_a_guest_may_still_read_is_not_used_again() -> None:
    files = InitrdFiles()
    with suppress(ZeroDivisionError), files.holding([b"a", b"1"]) as first:
        os.pwrite(first, b"A", 0)
        raise ZeroDivisionError
    with files.holding([b"a", b"2"]) as second:
        assert content(second) == b"a2"


def test_no_memory() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, hard))
    try:
        with pytest.raises(MachineError, match="no memory for the initramfs"), InitrdFiles().holding([b"12345678"]):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
