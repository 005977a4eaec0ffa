"""Manifests, indices and reports of others end a command with one clear error: soon, and in little room."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from patchkit.errors import ManifestError, MirrorError, ReportError, StorageError
from patchkit.json_schema import Part, document, validated
from tests.conftest import Run

COMMANDS = {
    "artifact check": ("manifest.json", ["artifact", "check", "D"], ManifestError),
    "rebuild": ("manifest.json", ["rebuild", "D"], ManifestError),
    "dist merge": ("part.json", ["dist", "merge", "D", "--out", "new"], StorageError),
    "lab compare": ("campaign.json", ["lab", "compare", "D", "D"], ReportError),
    "lab merge": ("campaign.json", ["lab", "merge", "D", "--out", "new"], ReportError),
    "mirror verify": ("mirror.json", ["mirror", "verify", "D"], MirrorError),
}
TEXTS = {
    "empty": b"",
    "another encoding": b"\xff\xfe{\0}\0",
    "deep": b"[" * 100_000,
    "no number": b'{"schema_version": NaN}',
    "a number of many digits": b'{"schema_version": ' + b"9" * 100_000 + b"}",
    "a key for a terminal": b'{"\\u001b[2J\\u202e": 1}',
    "long": b'{"' + b"x" * 100_000 + b'": 1}',
}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_document(command: str, text: str, tmp_path: Path, patchkit: Run) -> None:
    name, arguments, error = COMMANDS[command]
    (tmp_path / "D").mkdir()
    (tmp_path / "D" / name).write_bytes(TEXTS[text])
    done = patchkit(*arguments)
    assert done.returncode == error.exit_code, done.stderr
    assert len(done.stderr) < 2000
    assert "\ntry: " in done.stderr
    assert "\x1b" not in done.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir], ids=["pipe", "folder"])
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_no_file_is_not_waited_for(
    command: str, make: Callable[[Path], None], tmp_path: Path, patchkit: Run
) -> None:
    name, arguments, error = COMMANDS[command]
    (tmp_path / "D").mkdir()
    make(tmp_path / "D" / name)
    assert patchkit(*arguments, timeout=60).returncode in (error.exit_code, StorageError.exit_code)


@pytest.mark.parametrize("command", [*COMMANDS, "apply"])
def test_a_name_that_is_too_long_is_no_fault_of_patchkit(command: str, patchkit: Run) -> None:
    words = ["apply", "D", "--variant", "recommended"] if command == "apply" else COMMANDS[command][1]
    done = patchkit(*("x" * 300 if word == "D" else word for word in words))
    assert done.returncode == StorageError.exit_code
    assert "try: give a shorter name" in done.stderr


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))


@pytest.mark.parametrize("name", ["manifest.json", "mirror.json"])
def test_a_fault_in_each_of_a_million_entries_is_not_listed(name: str, tmp_path: Path) -> None:
    """4 MB of them took 3 GB and more than 10 s."""
    field = "artifacts" if name == "manifest.json" else "files"
    (tmp_path / name).write_text(f'{{"{field}": [{",".join(["{}"] * 1_390_000)}]}}')
    (command,) = (words for file, words, _ in COMMANDS.values() if file == name and words[-1] == "D" and len(words) > 2)
    done = subprocess.run(
        [sys.executable, "-P", "-m", "patchkit", *command[:-1], tmp_path],
        capture_output=True, text=True, check=False, timeout=100, preexec_fn=limited,
    )  # fmt: skip
    most = 1_800_000 if name == "manifest.json" else 1_000_000
    assert f"it has more than {most} values" in done.stderr


class Sample(Part):
    """What hostile documents are no sample of."""

    words: dict[str, str]


def test_many_faults_are_counted_and_few_are_told() -> None:
    with pytest.raises(ValueError, match="it has 20000 faults"):
        validated(Sample, b'{"words": {' + b",".join(b'"%d": 1' % number for number in range(20_000)) + b"}}")
    with pytest.raises(ValueError, match=r"^words\.1: ") as caught:
        validated(Sample, b'{"words": {' + b",".join(b'"%d": 1' % number for number in range(1, 9)) + b"}}")
    assert len(str(caught.value).splitlines()) == 3


def test_what_is_not_nested_too_deeply_is_read() -> None:
    assert document(b'{"a": [[1]]}') == {"a": [[1]]}
    with pytest.raises(ValueError, match="nested too deeply"):
        document(b"[" * 100_000)
