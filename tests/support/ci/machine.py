"""What both platforms give a job: a folder, an environment, and a shell that stops at the first command that fails."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

NOBODY = 65534
"""The user and group that owns nothing."""

_LOG = logging.getLogger(__name__)


class Line(NamedTuple):
    """What stands in a pipeline's file as one command, however long."""

    file: str
    job: str
    part: str
    """A step's name, or ``before_script`` and the like."""
    text: str


@dataclass(frozen=True)
class Ran:
    """One piece of shell that was executed."""

    name: str
    script: str
    status: int
    seconds: float
    output: str


@dataclass
class Machine:
    """A folder to work in and what was executed there."""

    folder: Path
    environment: dict[str, str]
    walked: set[Line] = field(default_factory=set)
    """The lines that went well, once at least; what stands behind a ``||`` in one is for a walk to look at."""
    ran: list[Ran] = field(default_factory=list)
    user: int | None = None
    """Who executes what does not begin with ``sudo``, if not we ourselves."""

    @classmethod
    def fresh(cls, top: Path, environment: Mapping[str, str], walked: set[Line]) -> Machine:
        """A machine with nothing but this system's own settings (its proxies and mirrors, say) and the platform's."""
        folder = top / "work"
        folder.mkdir(parents=True)
        path = os.environ["PATH"]
        if not shutil.which("sudo"):
            # We are root already; a runner's user is not.
            sudo = top / "bin/sudo"
            sudo.parent.mkdir()
            sudo.write_text('#!/bin/sh\nexec "$@"\n')
            sudo.chmod(0o755)
            path = f"{sudo.parent}:{path}"
        ours = {"PATH": path, "GIT_CONFIG_GLOBAL": os.devnull}
        return cls(folder, {**os.environ, **ours, **environment}, walked)

    @classmethod
    def of_nobody(cls, top: Path, environment: Mapping[str, str], walked: set[Line]) -> Machine:
        """The same for a user who is not root, and whom ``top`` and all in it is given."""
        top.chmod(0o755)
        machine = cls.fresh(top, environment, walked)
        (top / "home").mkdir()
        # A Python below /root, say, is not theirs; the system's own is.
        folders = machine.environment["PATH"].split(":")
        machine.environment["PATH"] = ":".join(folder for folder in folders if _may_use(Path(folder)))
        machine.environment.pop("PATCHKIT_CACHE", None)  # that one is ours
        machine.user = NOBODY
        for path in (top, *top.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        return machine

    def blank(self, name: str) -> Path:
        """An empty file beside the folder, for the shell to write to."""
        path = self.folder.parent / name
        path.write_text("")
        if self.user is not None:
            os.chown(path, self.user, self.user)
        return path

    def shell(self, name: str, lines: Sequence[Line], environment: Mapping[str, str], folder: str = ".") -> bool:
        """Execute with bash as both platforms do; whether it went well."""
        began = time.monotonic()
        # Runners print every line before they execute it; this tells of each when it has gone well.
        marks = self.blank("marks")
        mark = f'printf "%s %s\\n" {{}} "$EPOCHREALTIME" >> {shlex.quote(str(marks))}'
        script_lines = [part for number, line in enumerate(lines) for part in (line.text, mark.format(number))]
        user = None if lines[0].text.startswith("sudo ") else self.user
        home = {} if user is None else {"HOME": str(self.folder.parent / "home")}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", "\n".join([mark.format("-"), *script_lines])],
            cwd=self.folder / folder,
            env={**self.environment, **environment, **home},
            user=user,
            group=user,
            extra_groups=None if user is None else [],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        script = "\n".join(line.text for line in lines)
        self.ran.append(Ran(name, script, done.returncode, time.monotonic() - began, done.stdout))
        _LOG.info("%s: exit code %d after %.1f s", name, done.returncode, self.ran[-1].seconds)
        for before, after in pairwise(line.split() for line in marks.read_text().splitlines()):
            line = lines[int(after[0])]
            self.walked.add(line)
            _LOG.info("    %.1f s: %s", float(after[1]) - float(before[1]), line.text[:100])
        return done.returncode == 0

    def clean(self, keep: Collection[str]) -> None:
        """Delete what jobs have left in the folder, but for the names to keep."""
        for path in self.folder.iterdir():
            if path.name not in keep:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def story(self) -> str:
        """All that happened, for the message of a test that fails."""
        return "\n".join(
            f"--- {step.name}: {step.status} after {step.seconds:.1f} s\n{step.script}\n{step.output}"
            for step in self.ran
        )


def _may_use(folder: Path) -> bool:
    """Whether anybody may run what is in ``folder``: an environment's Python is a link to one that may be root's."""
    return _may_enter(folder) and _may_enter((folder / "python3").resolve().parent)


def _may_enter(folder: Path) -> bool:
    """Whether anybody may."""
    whole = folder.resolve()
    return whole.is_dir() and all(path.stat().st_mode & 0o001 for path in (whole, *whole.parents))


def documents(path: Path) -> list[dict[str, Any]]:
    """A YAML file's documents, read by YAML 1.2, where ``on`` is a word."""
    return list(YAML(typ="safe", pure=True).load_all(path.read_text("utf-8")))


def cells(axes: Mapping[str, Iterable[object]]) -> list[dict[str, str]]:
    """Every combination of a matrix's axes."""
    return [dict(zip(axes, map(str, values), strict=True)) for values in product(*axes.values())]
