"""The two changes to the kernel: where they go, what they say, and sources that they do not fit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import GuestError
from patchkit.lab.guest.kernel import changes
from patchkit.lab.guest.kernel import source as kernel_source
from patchkit.lab.guest.kernel.pins import SourcePackage, pinned
from patchkit.lab.guest.kernel.unpack import source_files
from patchkit.patching.apply import apply
from patchkit.source.tree.tree import Entry, Origin, SourceTree
from patchkit.ui import Ui
from tests.support.lab.kernel_source import FILES, SYSCALL, UTIL

LOAD_FILE_C, SYSCALL_C, TRAP_C, UTIL_C = changes.FILES


def test_a_call_takes_time_once_its_value_is_set() -> None:
    rendered = changes.render(FILES, "7.2.1")
    after = rendered.files[SYSCALL_C].decode()
    assert after.index("REGS_SET_SYSCALL_RETURN(regs, ret)") < after.index(f"time_travel_ndelay({changes.SYSCALL_NS});")
    assert after.index("time_travel_ndelay") < after.index("if (failed(ret))")
    assert after.count("schedule();") == 2
    assert "\t\t\ttime_travel_ndelay" in after  # laid out as the kernel is


def test_the_initramfs_is_mapped_and_the_pages_behind_a_fault_come_along() -> None:
    files = changes.render(FILES, "7.2.1").files
    loaded, trap = files[LOAD_FILE_C].decode(), files[TRAP_C].decode()
    assert "memblock_alloc_or_panic" not in loaded
    assert loaded.index("memblock_alloc_raw(PAGE_ALIGN(*size), PAGE_SIZE)") < loaded.index("os_map_memory(area, fd")
    assert trap.index("err = 0;") < trap.index("handle_mm_fault") < trap.index("out:")


def test_the_random_numbers_are_those_of_splitmix64(tmp_path: Path) -> None:
    """Compiled and run: the first bytes are the high ones of splitmix64 from 0, whose numbers are published."""
    after = changes.render(FILES, "7.2.1").files[UTIL_C].replace(b"#include <sys/random.h>", b"#include <stdio.h>")
    main = b"void warn(const char *);\nvoid warn(const char *t) { puts(t); }\nint main(void) {\nunsigned char b[5];\n"
    main += b"os_getrandom(b, 2, 0);\nos_getrandom(b + 2, 3, 0);\n"
    main += b'printf("%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4]);\nreturn 0; }\n'
    text = after.replace(b"void os_warn", b"void warn(const char *);\nvoid os_warn")
    (tmp_path / "a.c").write_bytes(b"#include <sys/types.h>\n" + text + main)
    built = subprocess.run(["cc", "-o", "a", "a.c"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    # 0xe220a8397b1dcdaf, 0x6e789e6aa1b965f4, 0x06c45d188009454f, 0xf88bb8a8724c81ec, 0x1b39896a51a8749b
    assert subprocess.run([tmp_path / "a"], capture_output=True, text=True, check=True).stdout == "e26e06f81b"
    assert f"{changes.MARK}{changes.SYSCALL_NS}".encode() in (tmp_path / "a").read_bytes()


def test_the_diff_is_an_ordinary_one() -> None:
    rendered = changes.render(FILES, "7.2.1")
    tree = SourceTree(Origin("directory", "", verified=False, epoch=0), {p: Entry.of(d) for p, d in FILES.items()})
    assert dict(apply(rendered.diff, tree)) == rendered.files
    assert rendered.diff.startswith(b"Description: ")
    assert b"OpenVPN" not in rendered.diff


@pytest.mark.parametrize(
    ("path", "before", "after", "message"),
    [
        (SYSCALL_C, b"handle_syscall", b"handle_call", "handle_syscall"),
        (SYSCALL_C, b"(regs, ret)", b"(regs, value)", "PT_REGS_SET_SYSCALL_RETURN with ret"),
        (SYSCALL_C, b"(regs, -ENOSYS)", b"(regs, ret)", "2 times"),
        (SYSCALL_C, b"\t\tif (failed", b"\t\ttime_travel_ndelay(1);\n\t\tif (failed", "patched already"),
        (LOAD_FILE_C, b"area = memblock", b"*size = memblock", "area"),
        (TRAP_C, b"err = 0;", b"err = 1;", "err"),
        (UTIL_C, b"return getrandom", b"return random_bytes", "getrandom"),
        (UTIL_C, b"\treturn getrandom", b"\tif (len)\n\t\treturn getrandom", "without braces"),
        (UTIL_C, b"void *buf", b"char *buf", "parameters of the type void"),
        (UTIL_C, b"len, flags);", b"len, flags;", "can't be parsed"),
    ],
)  # fmt: skip
def test_a_source_that_they_do_not_fit(path: str, before: bytes, after: bytes, message: str) -> None:
    assert before in FILES[path]
    with pytest.raises(GuestError, match=r"do not fit Linux 7\.9\.9") as caught:
        changes.render({**FILES, path: FILES[path].replace(before, after)}, "7.9.9")
    assert message in caught.value.why
    assert "PATCHKIT_UML" in caught.value.advice


@pytest.mark.parametrize("path", changes.FILES)
def test_a_source_without_one_of_the_files(path: str) -> None:
    with pytest.raises(GuestError, match="do not fit") as caught:
        changes.render({name: data for name, data in FILES.items() if name != path}, "7.9.9")
    assert path in caught.value.why


def test_the_made_up_files_are_not_the_kernels() -> None:
    assert SYSCALL.startswith(b"/* ours") and UTIL.startswith(b"/* ours")  # noqa: PT018


@pytest.mark.slow
@pytest.mark.parametrize("source", pinned(), ids=lambda source: source.version)
def test_they_fit_every_pinned_source(
    source: SourcePackage, shared_cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is 165 MB, so nothing of it stays in the cache."""
    context = Context(Cache(tmp_path / "cache"), Ui(quiet=True))
    kept = shared_cache.downloads / source.file_name
    monkeypatch.setattr(kernel_source, "pinned", lambda: (source,))
    monkeypatch.setattr(kernel_source, "SUITES", ())  # no newer one instead
    try:
        package = kept if kept.exists() else kernel_source.obtained(context)[1]
    except GuestError as error:
        pytest.skip(f"{error.what}: {error.why}")
    found: dict[str, bytes] = {}
    for path, _, data in source_files(package):
        if path in changes.FILES:
            found[path] = data
        if len(found) == len(changes.FILES):
            break
    rendered = changes.render(found, source.release)
    assert set(rendered.files) == set(changes.FILES)
