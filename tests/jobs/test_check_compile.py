"""What fits a tree to the byte, all names there, may still not compile: --check-compile finds that out."""

from __future__ import annotations

from pathlib import Path

import pytest

from patchkit.cache import Cache
from patchkit.source.tree.write import place
from tests.conftest import PINNED, Run, upstream

pytestmark = pytest.mark.slow


def test_only_what_compiles_is_written(shared_cache: Cache, tmp_path: Path, patchkit: Run) -> None:
    """A function that new code alone calls, of the right name and number of arguments, and another type."""
    tree = tmp_path / "mine"
    place(upstream(PINNED, shared_cache), tree)
    path = tree / "src/openvpn/reliable.c"
    text = path.read_text()
    vendor = (
        "struct vendor_span { int ms; };\n"
        "struct vendor_span vendor_span_of(const void *, const void *, unsigned int);\n"
        "#define tv_subtract(one, other, most) vendor_span_of(one, other, most)\n"
    )
    path.write_text(text.replace('#include "memdbg.h"\n', '#include "memdbg.h"\n' + vendor, 1))
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}

    done = patchkit("apply", "mine", "--variant", "recommended", "--check-compile")
    assert done.returncode == 44, done.stderr
    assert "recommended fits this tree and does not compile in it" in done.stderr
    assert "reliable.c" in done.stderr
    assert {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()} == before

    source = ["--source", "mine", "--format", "plain", "--to", "out", "--check-compile"]
    assert patchkit("export", *source).returncode == 44
    assert not (tmp_path / "out").exists()

    # Another variant does not call that function.
    done = patchkit("export", *source, "--variant", "early")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"openvpn-{PINNED}+early.diff"]
