"""Made-up sources of a kernel: files that patchkit's changes fit, and packages like Debian's that hold a source."""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
from collections.abc import Mapping

from patchkit.lab.guest.kernel.pins import SourcePackage

SYSCALL = b"""\
/* ours: shaped like the kernel's */
#include <asm/delay.h>

void handle_syscall(struct uml_pt_regs *r)
{
	struct pt_regs *regs = container_of(r, struct pt_regs, regs);
	int syscall;

	PT_REGS_SET_SYSCALL_RETURN(regs, -ENOSYS);
	syscall = number_of(r);
	if (syscall >= 0 && syscall < count) {
		unsigned long ret;

		ret = (*table[syscall])(argument(r, 1));

		PT_REGS_SET_SYSCALL_RETURN(regs, ret);

		if (failed(ret))
			schedule();
	}
}
"""
UTIL = b"""\
/* ours: shaped like the kernel's */
#include <sys/random.h>

ssize_t os_getrandom(void *buf, size_t len, unsigned int flags)
{
	return getrandom(buf, len, flags);
}

void os_warn(const char *text)
{
	warn(text);
}
"""
LOAD_FILE = b"""\
/* ours: shaped like the kernel's */
static int __init __uml_load_file(const char *filename, void *buf, int size)
{
	int fd, n;

	fd = os_open_file(filename, of_read(OPENFLAGS()), 0);
	n = os_read_file(fd, buf, size);
	if (n != size)
		return -1;
	os_close_file(fd);
	return 0;
}

void *uml_load_file(const char *filename, unsigned long long *size)
{
	void *area;

	area = memblock_alloc_or_panic(*size, SMP_CACHE_BYTES);
	if (__uml_load_file(filename, area, *size))
		return NULL;
	return area;
}
"""
TRAP = b"""\
/* ours: shaped like the kernel's */
int handle_page_fault(unsigned long address, unsigned long ip,
			int is_write, int is_user, int *code_out)
{
	struct vm_area_struct *vma;
	int err = -EFAULT;

	vma = found(address);
	if (!vma)
		goto out;
	err = 0;
out:
	return err;
}
"""
FILES = {
    "arch/um/kernel/load_file.c": LOAD_FILE, "arch/um/kernel/skas/syscall.c": SYSCALL,
    "arch/um/kernel/trap.c": TRAP, "arch/um/os-Linux/util.c": UTIL,
}  # fmt: skip


def package(files: Mapping[str, bytes], *, packing: str = "xz", tarball: str = "linux-source-7.2.tar.xz") -> bytes:
    """A .deb that installs the source with ``files``, as Debian's does."""
    source = lzma.compress(_tar({f"linux-source-7.2/{path}": data for path, data in files.items()}), preset=0)
    installed = {"./usr/share/doc/copyright": b"free\n", f"./usr/src/{tarball}": source}
    return _ar({
        "debian-binary": b"2.0\n",
        "control.tar.xz": b"odd",
        f"data.tar{f'.{packing}' if packing else ''}": _tar(installed, packing),
    })  # fmt: skip


def _tar(files: Mapping[str, bytes], packing: str = "") -> bytes:
    out = io.BytesIO()
    quickly = {"preset": 0} if packing == "xz" else {}
    with tarfile.open(fileobj=out, mode=f"w:{packing}", **quickly) as archive:  # type: ignore[call-overload]
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            entry.mode = 0o755 if path.endswith(".sh") else 0o644
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def _ar(members: Mapping[str, bytes]) -> bytes:
    out = b"!<arch>\n"
    for name, data in members.items():
        out += b"%-16b%-12d%-6d%-6d%-8o%-10d`\n" % (name.encode(), 0, 0, 0, 0o100644, len(data))
        out += data + b"\n" * (len(data) % 2)
    return out


MAKEFILE = b"""\
# ours: what patchkit asks of the kernel's, with a program in its place
allnoconfig:
	grep -v '^#' $(KCONFIG_ALLCONFIG) > .config
linux: main.c
	@echo "  CC      main.o"
	cc -o linux main.c
"""
MAIN = b"""\
#include <stdio.h>
int main(void) { puts("ours"); return 0; }
"""
BUILDABLE = {**FILES, "Makefile": MAKEFILE, "main.c": MAIN}
"""A source that patchkit unpacks, changes, configures and compiles as it does the kernel's, in no time."""


def pin(data: bytes, version: str = "7.2.99-1") -> SourcePackage:
    """A pin of the package ``data``."""
    return SourcePackage(
        name="linux-source-7.2", version=version, file=f"pool/main/l/linux/linux-source-7.2_{version}_all.deb",
        size=len(data), sha256=hashlib.sha256(data).hexdigest(), suite="sid", snapshot="20260101T000000Z",
    )  # fmt: skip
