"""Tell a diff in plain text from what programs make of it on its way: UTF-16, archives, a byte order mark."""

from __future__ import annotations

from patchkit.errors import BadPatchError

_BOM = b"\xef\xbb\xbf"
_WIDE = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_PACKED = {
    b"\x1f\x8b": ("gzip", "gunzip"),
    b"\xfd7zXZ": ("xz", "unxz"),
    b"BZh": ("bzip2", "bunzip2"),
    b"\x28\xb5\x2f\xfd": ("zstd", "unzstd"),
    b"PK\x03\x04": ("a zip archive", "unzip"),
}


def plain_text(data: bytes, name: str) -> bytes:
    """Return ``data``, the content of ``name``, without a byte order mark.

    Raises BadPatchError where it is compressed, or in UTF-16 or UTF-32.
    """
    refuse_packed(data, name)
    for mark, encoding in _WIDE.items():
        if data.startswith(mark):
            raise _wide(name, encoding)
    head = data[:64]
    if len(head) > 8 and not head.startswith(b"\0") and head[1::2].count(0) == len(head[1::2]):
        raise _wide(name, "UTF-16LE")
    if len(head) > 8 and head[::2].count(0) == len(head[::2]) and head[1::2].count(0) == 0:
        raise _wide(name, "UTF-16BE")
    return data.removeprefix(_BOM)


def refuse_packed(data: bytes, name: str) -> None:
    """Raise BadPatchError where ``data``, the content of ``name``, is compressed."""
    for mark, (what, command) in _PACKED.items():
        if data.startswith(mark):
            raise BadPatchError(
                f"{name} is compressed: {what}", why="patchkit reads plain text", advice=f"{command} it, and give that"
            )


def _wide(name: str, encoding: str) -> BadPatchError:
    return BadPatchError(
        f"{name} is text in {encoding}, as PowerShell writes it",
        why="a diff is made of a file's own bytes",
        advice=f"write it anew with git format-patch, or iconv -f {encoding} -t UTF-8 FILE | tr -d '\\r' > mine.diff",
    )
