"""Made-up variants, and a made-up source that they apply to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from patchkit import resources
from patchkit.patching.combination import combination
from patchkit.patching.variants import variant
from patchkit.source.tree.tree import Entry, Origin, SourceTree

RELIABLE = """\
/* ours, for several variants at once */
int
first (int n)
{
  int left = n;
  left -= 1;
  left -= 2;
  left -= 3;
  return left;
}

int
second (int n)
{
  int right = n;
  right += 1;
  right += 2;
  return right;
}
"""

SSL = """\
int third (int n)
{
  n *= 2;
  n *= 3;
  return n;
}
"""

RELIABLE_C, SSL_C = "src/openvpn/reliable.c", "src/openvpn/ssl.c"

TOML = """\
title = "{title}"
description = "Made up: {name}."
author = "{author}"
origin = "other, made up"
status = "{status}"
last_update = 2020-02-0{day}
guard = {guard}
files = {files}
functions = ["first", "second", "third"]
markers = ["there is no such text"]
order = {order}
conflicts = {conflicts}

[[upstream]]
releases = ">=2.5"
status = "{upstream}"
note = "Made up."
"""

MakeUp = Callable[..., None]


def made_up(folder: Path, name: str, templates: Mapping[str, str], **given: object) -> None:
    """A variant in a folder of the test's own; the templates are hunks as they come out of rendering."""
    (folder / name).mkdir()
    values: dict[str, object] = {
        "name": name, "title": f"Made up {name}", "author": "somebody", "status": "faithful", "day": 1, "guard": "true",
        "files": [*templates], "order": 50, "conflicts": [], "upstream": "needed", **given,
    }  # fmt: skip
    (folder / name / "patch.toml").write_text(TOML.format(**values))
    for file, hunks in templates.items():
        (folder / name / f"{file}.diff.j2").write_text(hunks)


@pytest.fixture
def make_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeUp]:
    """Makes up variants, beside some that are there: see test_the_order_is_canonical and what follows it."""
    folder = tmp_path / "patches"
    folder.mkdir()
    monkeypatch.setattr(resources, "folder", lambda _: folder)
    forget()
    made_up(folder, "stock", {})
    made_up(folder, "longer", {"reliable.c": changing(6) + "+  left -= 10;\n+  left -= 11;\n+  left -= 12;\n"})
    made_up(
        folder, "later",
        {"reliable.c": changing(16) + "+  right += 100;\n", "ssl.c": changing(4)},
        order=60, status="known-bad", author="Jörg Somebody <joerg@example.org>", day=2,
    )  # fmt: skip
    made_up(folder, "put-a", {"reliable.c": "@@ 8 @@\n+  left -= 'a';\n"})
    made_up(folder, "put-b", {"reliable.c": "@@ 8 @@\n+  left -= 'b';\n"}, status="recommended")
    keeping = "@@ 7 @@\n{{ [source.lines[6]] | kept }}\n+  left -= 'k';\n"
    made_up(folder, "keeps", {"reliable.c": keeping})
    made_up(folder, "rival", {"reliable.c": changing(6) + "+  left -= 20;\n"}, guard="false")
    made_up(folder, "foe", {"ssl.c": changing(3)}, conflicts=["longer"], upstream="not-applicable")
    yield lambda name, templates, **given: made_up(folder, name, templates, **given)
    forget()


def changing(line: int) -> str:
    """The head of a hunk, and the old line, however it ends."""
    return f"@@ {line} @@\n{{{{ [source.lines[{line - 1}]] | removed }}}}\n"


def forget() -> None:
    variant.cache_clear()
    combination.cache_clear()


def source(newline: str = "\n") -> SourceTree:
    texts = {RELIABLE_C: RELIABLE, SSL_C: SSL, "configure.ac": ""}
    origin = Origin(kind="directory", name="sample", verified=False, epoch=0)
    return SourceTree(origin, {path: Entry.of(text.replace("\n", newline).encode()) for path, text in texts.items()})
