"""Every command line of the documents runs, prints what is shown below it, and leaves the files that are named next."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from patchkit.lab.model.scenario import parsed
from tests.conftest import PINNED, ROOT
from tests.support.docs.blocks import Block, blocks, is_command
from tests.support.docs.not_run import NOT_COMMANDS, NOT_RUN
from tests.support.docs.places import PLACES

DOCUMENTS = [path.relative_to(ROOT).as_posix() for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])]
# What may differ from one machine, or one day, to the next, and what stands for it here.
_VARIES = [
    (r"\b\d+\.\d s\b", "T s"),
    (r"^ *from \S+$", "from PLACE"),  # one of several that have the same bytes
    (r"host: cc .*", "host: cc"),
    (r"(\.tar\.gz) +\d+ kB +(T s) +[0-9a-f]{64}$", r"\1 SIZE \2 HASH"),  # the compiler decides
    (r"\d+ → \d+ bytes", "N → M bytes"),  # the compiler decides
]
_NO_PLACE_HAS_IT = {20, 21}
_WRAPPER = """\
#!/bin/sh
# Documents leave the engine to patchkit, which prefers Docker; a test compiles with this machine's own compiler.
case "$1 ${{2-}}" in
    "build "* | "prove "* | "mirror sync") set -- "$@" --engine host ;;
esac
exec {python} -P -m patchkit "$@"
"""


def read(document: str) -> list[Block]:
    return list(blocks((ROOT / document).read_text("utf-8")))


def runs(document: str) -> bool:
    """Whether any line of ``document`` is run."""
    return any(
        block.is_for_a_shell and any((document, line) not in NOT_RUN for line in block.commands)
        for block in read(document)
    )


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_block_is_commands_or_listed(document: str) -> None:
    for block in read(document):
        if block.is_for_a_shell:
            assert [line for line in block.commands if not is_command(line)] == []
        else:
            assert (document, block.lines[0]) in NOT_COMMANDS


def test_the_lists_name_what_is_there() -> None:
    """Each entry is in its document, and each reason names tests that exist."""
    here = {(document, block) for document in DOCUMENTS for block in read(document)}
    lines = {(document, line) for document, block in here if block.is_for_a_shell for line in block.commands}
    others = {(document, block.lines[0]) for document, block in here if not block.is_for_a_shell}
    assert NOT_RUN.keys() - lines == set()
    assert NOT_COMMANDS.keys() - others == set()
    for reason in NOT_RUN.values():
        assert all((ROOT / path).is_file() for path in re.findall(r"tests/\S+\.py", reason)), reason
    headings = {(document, block.heading) for document, block in here}
    assert PLACES.keys() - headings == set()


def test_the_scenario_that_is_shown_is_valid() -> None:
    (block,) = (block for block in read("docs/lab.md") if block.lines[0].startswith("[scenario."))
    assert parsed("\n".join(block.lines), "docs/lab.md").keys() == {"my-uplink"}


def normal(line: str) -> str:
    """The line without what varies; columns are as wide as their widest cell, so blanks count as one."""
    for varies, instead in _VARIES:
        line = re.sub(varies, instead, line)
    return " ".join(line.split())


class Reader:
    """Somebody who follows one document, in a scratch folder."""

    def __init__(self, document: str, scratch: Path, cache: Path | None) -> None:
        """Read ``document`` and work in ``scratch``, with ``cache`` in place of the user's cache."""
        self.document, self.scratch = document, scratch
        self.out_of_reach: list[str] = []
        """Lines whose release no place in reach has today."""
        tools = scratch / "bin"
        tools.mkdir(parents=True)
        (tools / "patchkit").write_text(_WRAPPER.format(python=sys.executable))
        (tools / "patchkit").chmod(0o755)
        names = {
            f"GIT_{role}_{part}": "reader@example.org" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
        }
        self._environment = {**os.environ, **names, "PATH": f"{tools}:{os.environ['PATH']}", "COLUMNS": "200"}
        if cache is not None:
            self._environment["PATCHKIT_CACHE"] = str(cache)

    def execute(self, line: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run ``line`` in ``folder``; fail the test where it fails."""
        done = self._run(line, folder, subprocess.PIPE)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        return done

    def follow(self) -> None:
        """Run every line of the document that is not excluded, in order."""
        for block in read(self.document):
            lines = [line for line in block.commands if (self.document, line) not in NOT_RUN]
            if not block.is_for_a_shell or not lines:
                continue
            place = PLACES.get((self.document, block.heading))
            folder = place(self.scratch, self.execute) if place else self.scratch
            results = [self._one(line, block, folder) for line in lines]
            if all(results):
                missing = [name for name in block.files if not (folder / name).exists()]
                assert missing == [], f"{self.document}: the text below {lines[-1]!r} names files that are not there"

    def _one(self, line: str, block: Block, folder: Path) -> bool:
        """Run ``line`` of ``block`` and compare its output; false where no place in reach has the release."""
        # Progress is on stderr: shown only where the document shows it.
        shows_progress = any(shown.startswith("==> ") for shown in block.output)
        done = self._run(line, folder, subprocess.STDOUT if shows_progress else subprocess.PIPE)
        if done.returncode in _NO_PLACE_HAS_IT and set(re.findall(r"\b2\.\d+\.\d+\b", line)) - {PINNED}:
            self.out_of_reach.append(line)
            return False
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr or ''}"
        if block.output:
            assert [normal(printed) for printed in done.stdout.splitlines()] == [
                normal(shown) for shown in block.output
            ]
        return True

    def _run(self, line: str, folder: Path, stderr: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-ec", line.replace("./ci/patchkit", "patchkit")],
            cwd=folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr,
            text=True, check=False,
        )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("document", [document for document in DOCUMENTS if runs(document)])
def test_a_reader_can_follow(document: str, tmp_path: Path) -> None:
    """The README is read by a newcomer, whose cache is empty: its transcript is of a first build."""
    reader = Reader(document, tmp_path / "scratch", tmp_path / "cache" if document == "README.md" else None)
    reader.follow()
    if reader.out_of_reach:
        pytest.skip(f"no place in reach has the release: {', '.join(reader.out_of_reach)}")
