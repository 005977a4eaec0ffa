"""What the guest is put together from: modules in the order of their needs, files where they belong."""

from __future__ import annotations

import ast
import lzma
import struct
import sys
from pathlib import Path

import pytest

from patchkit.errors import GuestError
from patchkit.lab.guest import initramfs
from patchkit.lab.guest.image import _LEFT_OUT, _MODULES, _in_order, _needs
from patchkit.lab.guest.userland import add_member
from patchkit.lab.runner.source import sources


def module(*needs: str, info: bool = True) -> bytes:
    """An ELF file with the sections that a module's needs are read from."""
    names = b"\0.shstrtab\0.modinfo\0"
    modinfo = b"license=GPL\0depends=" + ",".join(needs).encode() + b"\0name=x\0" if info else b"license=GPL\0"
    body = names + modinfo
    head = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 1, 62, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, 3, 1
    )
    sections = struct.pack("<IIQQQQIIQQ", *[0] * 10)
    sections += struct.pack("<IIQQQQIIQQ", 1, 3, 0, 0, 64, len(names), 0, 0, 1, 0)
    sections += struct.pack("<IIQQQQIIQQ", 11, 1, 2, 0, 64 + len(names), len(modinfo), 0, 0, 1, 0)
    return head + body + sections


def packed(**more: bytes) -> dict[str, bytes]:
    """The modules that are wanted, and more."""
    return {name: lzma.compress(data) for name, data in {**dict.fromkeys(_MODULES, module()), **more}.items()}


def test_a_module_says_what_it_needs() -> None:
    assert _needs(module("a", "b-c")) == ["a", "b-c"]
    assert _needs(module()) == []
    assert _needs(module(info=False)) == []


def test_each_module_comes_behind_its_needs() -> None:
    order = list(
        _in_order(
            packed(
                tun=module("one", "built_in"),
                one=module("two", "three"),
                two=module("three"),
                three=module(),
                nft_numgen=module("nf_tables"),
                nf_tables=module("crc-x"),
                crc_x=module(),
                unwanted=module(),
            )
        )
    )
    assert sorted(order) == sorted({*_MODULES, "one", "two", "three", "crc_x"})
    for first, second in (
        ("three", "two"),
        ("two", "one"),
        ("one", "tun"),
        ("crc_x", "nf_tables"),
        ("nf_tables", "nft_numgen"),
    ):
        assert order.index(first) < order.index(second)


def test_a_kernel_without_a_module() -> None:
    without = packed()
    del without["sch_netem"]
    with pytest.raises(GuestError, match="no module sch_netem"):
        _in_order(without)


def test_files_go_where_links_would_lead() -> None:
    files: dict[str, initramfs.InitramfsFile] = {}
    add_member(files, "./lib/x86_64-linux-gnu/libc.so.6", 0o4755, b"x", link_to=None, folder=False)
    add_member(files, "./usr/bin/sh", 0o777, b"", link_to="busybox", folder=False)
    add_member(files, "./usr/bin/", 0o755, b"", link_to=None, folder=True)
    add_member(files, "./", 0o755, b"", link_to=None, folder=True)
    assert files == {
        "usr/lib/x86_64-linux-gnu/libc.so.6": initramfs.regular(b"x", executable=True),
        "usr/bin/sh": initramfs.link("busybox"),
    }
    assert all(folder.endswith("/") for folder in _LEFT_OUT)


def test_the_runner_knows_pythons_own_library_alone() -> None:
    files = sources()
    assert {"__init__.py", "qemu_guest.py", "uml_guest.py", "host.py", "task.py"} <= set(files)
    for name, content in files.items():
        for node in ast.walk(ast.parse(content, name)):
            if isinstance(node, ast.ImportFrom) and not node.level:
                assert (node.module or "").partition(".")[0] in {*sys.stdlib_module_names, "runner"}, name
            elif isinstance(node, ast.Import):
                assert all(alias.name.partition(".")[0] in sys.stdlib_module_names for alias in node.names), name
    assert Path(str(sys.modules["patchkit.lab.runner.source"].__file__)).name in files
