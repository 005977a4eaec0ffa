"""Diffs of a user's own, for the made-up C files: written with difflib, as anybody's tool would write them."""

from __future__ import annotations

import difflib

PATH = "src/openvpn/reliable.c"


def diff_of(before: str, after: str, path: str = PATH) -> bytes:
    """A plain unified diff, with the folders a/ and b/."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{path}", f"b/{path}"
    )
    out = ""
    for line in lines:
        out += line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
    return out.encode()
