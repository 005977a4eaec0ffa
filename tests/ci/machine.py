"""What both platforms give a job: a folder, an environment, and a shell that stops at the first command that fails."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

_LOG = logging.getLogger(__name__)


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
    ran: list[Ran] = field(default_factory=list)

    @classmethod
    def fresh(cls, top: Path, environment: Mapping[str, str]) -> Machine:
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
        return cls(folder, {**os.environ, "PATH": path, "GIT_CONFIG_GLOBAL": os.devnull, **environment})

    def shell(self, name: str, script: str, environment: Mapping[str, str], folder: str = ".") -> bool:
        """Execute with bash as both platforms do; whether it went well."""
        began = time.monotonic()
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=self.folder / folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.ran.append(Ran(name, script, done.returncode, time.monotonic() - began, done.stdout))
        _LOG.info("%s: exit code %d after %.1f s", name, done.returncode, self.ran[-1].seconds)
        return done.returncode == 0

    def clean(self, keep: Collection[str]) -> None:
        """Delete what jobs have left in the folder, but for the names to keep."""
        for path in self.folder.iterdir():
            if path.name not in keep:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def story(self) -> str:
        """All that happened, for the message of a test that fails."""
        return "\n".join(
            f"--- {one.name}: {one.status} after {one.seconds:.1f} s\n{one.script}\n{one.output}" for one in self.ran
        )


def documents(path: Path) -> list[dict[str, Any]]:
    """A YAML file's documents, read by YAML 1.2, where ``on`` is a word."""
    return list(YAML(typ="safe", pure=True).load_all(path.read_text("utf-8")))


def cells(axes: Mapping[str, Iterable[object]]) -> list[dict[str, str]]:
    """Every combination of a matrix's axes."""
    return [dict(zip(axes, map(str, values), strict=True)) for values in product(*axes.values())]
