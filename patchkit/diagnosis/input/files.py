"""Open a log: decompressed, as UTF-8 or as whatever single bytes it has, in pieces."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import shlex
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, cast

from patchkit.errors import UnreadableLogError

PIECE = 1 << 17
"""Bytes of a piece: so many stay in the processor's cache, and a megabyte took half as long again to be searched."""
STDIN = "-"
_HEAD = 8192
_COMPRESSED = 1 << 12  # bytes: even of a bomb, no more than 100 MB come out of so many at once
_WINDOW = 1 << 26  # bytes of memory for zstd: its level 19 needs 8 MiB, --long and --ultra need 128
_UTF16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_UTF8_MARK = b"\xef\xbb\xbf"
_DAMAGE = (EOFError, zlib.error, lzma.LZMAError, OSError)
# A log has line ends, tabs, and escape sequences of daemons that colour; a program or an image has NUL bytes.
_MOST_BINARY = 0.1


@dataclass
class LogFile:
    """A log named ``name``; ``path`` is None for standard input."""

    name: str
    path: Path | None
    damage: str = ""
    """Set while it is read: why its end is missing."""
    is_empty: bool = True
    """Whether nothing came of it; set while it is read."""
    advance: Callable[[int], None] = field(default=lambda _: None)
    """Called with the number of bytes read from the disk."""

    @property
    def size(self) -> int | None:
        """The size on the disk in bytes; None where that is not known."""
        return self.path.stat().st_size if self.path is not None and self.path.is_file() else None

    def pieces(self) -> Iterator[bytes]:
        """Yield the content in pieces, decompressed. A damaged end is recorded in ``damage``.

        Raises UnreadableLogError when it cannot be opened or is not text.
        """
        with closing(self._opened()) as raw:
            counting = _Counting(raw, self.advance)
            for piece in _checked(self._utf8(self._decompressed(counting)), self.name):
                self.is_empty = self.is_empty and not piece
                yield piece

    def _opened(self) -> IO[bytes]:
        if self.path is None:
            stream = sys.stdin
            if stream is None or stream.closed:
                raise UnreadableLogError("standard input is closed", advice="name a file")
            return open(stream.fileno(), "rb", closefd=False)
        try:
            return self.path.open("rb")
        except IsADirectoryError as error:
            raise UnreadableLogError(f"{self.name} is a folder", advice="name the files in it") from error
        except (OSError, ValueError) as error:
            raise UnreadableLogError(f"{self.name} can't be read", why=str(error)) from error

    def _decompressed(self, raw: _Counting) -> Iterator[bytes]:
        reader = decompressor(raw.peek(), raw)
        read = raw.read if reader is raw else reader.read1  # type: ignore[union-attr]
        held: list[bytes] = []
        size = 0
        while True:
            try:
                piece = read(PIECE)
            except _WindowError as error:
                raise UnreadableLogError(
                    f"{self.name} is compressed by zstd with too large a window",
                    why=f"to decompress it takes more than {_WINDOW >> 20} MiB of memory, as after zstd --long",
                    advice=f"zstd -dc --long=31 {'' if self.path is None else shlex.quote(self.name) + ' '}"
                    "| patchkit diagnose -",
                ) from error
            except _DAMAGE as error:
                if reader is raw:
                    raise UnreadableLogError(f"{self.name} can't be read", why=str(error)) from error
                self.damage = str(error) or type(error).__name__
                piece = b""
            held.append(piece)
            size += len(piece)
            if size >= PIECE // 2 or not piece:
                yield b"".join(held)
                held, size = [], 0
            if not piece:
                return

    def _utf8(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        first = next(pieces, b"")
        if encoding := _UTF16.get(first[:2]):
            decoder = codecs.getincrementaldecoder(encoding)("replace")
            yield decoder.decode(first[2:]).encode("utf-8", "replace")
            for piece in pieces:
                yield decoder.decode(piece).encode("utf-8", "replace")
            return
        yield first.removeprefix(_UTF8_MARK)
        yield from pieces


class _Counting(io.RawIOBase):
    """``raw``, with a look at its first bytes, and a call for each piece that is read."""

    def __init__(self, raw: IO[bytes], advance: Callable[[int], None]) -> None:
        self._raw = raw
        self._advance = advance
        self._head = b""

    def peek(self) -> bytes:
        """Return the first bytes, which ``read`` will return again."""
        if not self._head:
            self._head = self._raw.read(_HEAD)
        return self._head

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes."""
        if self._head:
            data, self._head = (self._head, b"") if size < 0 else (self._head[:size], self._head[size:])
        else:
            data = self._raw.read(size)
        self._advance(len(data))
        return data

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        """Read into ``buffer`` as ``read`` does."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def decompressor(head: bytes, raw: io.RawIOBase) -> io.RawIOBase | io.BufferedIOBase:
    """Choose by its first bytes ``head`` what reads ``raw``: gzip, xz, zstd or bzip2, or ``raw`` itself."""
    stream = cast(BinaryIO, raw)
    if head.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=stream)
    if head.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMAFile(stream)
    if head.startswith(b"BZh") and head[4:10] == b"1AY&SY":
        return bz2.BZ2File(stream)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return _Zstd(raw)
    return raw


class _WindowError(Exception):
    """A frame of zstd needs more memory than ``_WINDOW``."""


class _Zstd(io.RawIOBase):
    """What ``raw`` holds in one or more frames of zstd.

    Raises EOFError where the last one is not whole, OSError where one is damaged: as gzip's reader does; _WindowError.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        import zstandard

        self._raw = raw
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        self._frame = self._decompressor.decompressobj()
        self._error = zstandard.ZstdError
        self._rest = b""

    def read1(self, _size: int = -1) -> bytes:
        """Read a piece of some size; empty at the end."""
        while data := self._rest or self._raw.read(_COMPRESSED):
            self._rest = b""
            if self._frame.eof:
                self._frame = self._decompressor.decompressobj()
            try:
                piece = self._frame.decompress(data)
            except self._error as error:
                if "too much memory" in str(error):
                    raise _WindowError from error
                raise OSError(str(error)) from error
            self._rest = self._frame.unused_data if self._frame.eof else b""
            if piece:
                return piece
        if not self._frame.eof:
            raise EOFError("the compressed file ended in the middle of a frame")
        return b""


def _checked(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Refuse what is not text. Raises UnreadableLogError."""
    first = True
    for piece in pieces:
        if first and piece:
            first = False
            head = piece[:_HEAD]
            if head.count(0) > _MOST_BINARY * len(head):
                raise UnreadableLogError(f"{name} is not a log", why="it has NUL bytes, as programs and images have")
        yield piece
