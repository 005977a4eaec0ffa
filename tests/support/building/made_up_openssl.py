"""A made-up OpenSSL that compiles in a moment: what patchkit sees of one, and no more."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from patchkit.releases.libraries import libraries
from patchkit.source.library import LibrarySource
from patchkit.source.tree.tree import Entry, Origin, SourceTree
from tests.support.source.samples import DATE

CONFIGURE = b"""#!/usr/bin/env perl
open(my $out, '>', 'flags.mk') or die; print $out "ARGUMENTS = @ARGV\\n"; close($out);
"""
MAKEFILE = b"""include flags.mk
build_libs: libcrypto.a libssl.a
libcrypto.a: ; echo x >>COUNT; cc -c -o one.o one.c && ar rc $@ one.o
libssl.a: ; ar rc $@ Makefile
depend:
"""
# From 1.1 on, OpenSSL's own script knows SOURCE_DATE_EPOCH; before, it does not.
MODERN = b"# SOURCE_DATE_EPOCH\n"


def made_up(count: Path, **changed: bytes) -> dict[str, bytes]:
    """Return what LibraryBuilder reads of an OpenSSL; compiling it adds a line to ``count``."""
    return {
        "Configure": CONFIGURE,
        "Makefile": MAKEFILE.replace(b"COUNT", bytes(count)),
        "one.c": b"int one(void) { return 1; }\n",
        "include/openssl/opensslv.h": b"/* made up */\n",
        "LICENSE": b"made up\n",
        "util/mkbuildinf.pl": MODERN,
        "crypto/none": b"",
        **changed,
    }


def source_of(files: Mapping[str, bytes], tree: str | None = None, epoch: int = DATE) -> LibrarySource:
    origin = Origin(kind="directory", name="made up", verified=False, epoch=epoch, tree=tree)
    entries = {path: Entry.of(data, mtime=DATE) for path, data in files.items()}
    source = SourceTree(origin, entries)
    return LibrarySource(libraries()["openssl-1.1.1"], "1.1.1zz", origin, lambda: source)


def contents(archive: bytes) -> dict[str, bytes]:
    """The files, without the times at which they were made."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as members:
        files = {member.name: members.extractfile(member) for member in members}
        return {name: file.read() for name, file in files.items() if file is not None}
