"""Write logs anew with addresses and names replaced: the same ones by the same words, in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from patchkit.diagnosis.anonymizer import Anonymizer
from patchkit.diagnosis.input.files import LogFile
from patchkit.diagnosis.input.repair import unbroken
from patchkit.storage import writing


def anonymize(logs: Sequence[Path], out: Path) -> None:
    """Write ``logs``, decompressed and anonymised, to the file ``out``; several into the folder ``out``.

    Raises DiskFullError or StorageError.
    """
    replacing = Anonymizer()
    for log in logs:
        for line in unbroken(LogFile(str(log), log).pieces()):
            replacing.learn(_text(line))
    for log in logs:
        _write(log, anonymized(log, out, len(logs)), replacing)


def anonymized(log: Path, out: Path, count: int) -> Path:
    """Return where ``log``, one of ``count`` logs, is written to when ``out`` was named."""
    return out if count == 1 else out / log.name


def _write(log: Path, out: Path, replacing: Anonymizer) -> None:
    part = out.with_name(f".{out.name}.part")
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("w", encoding="utf-8", errors="replace", newline="") as stream:
                for line in unbroken(LogFile(str(log), log).pieces()):
                    stream.write(replacing.replaced(_text(line)))
            part.replace(out)
        finally:
            with suppress(FileNotFoundError):
                part.unlink()


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("cp1252", "replace")
