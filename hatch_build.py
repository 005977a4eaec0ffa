"""Make the manual page while the wheel is built: pyproject.toml names this file as hatchling's build hook.

What ``ci/man-page`` imports must be installed in the build's own environment: ``build-system.requires`` lists it, and
tests/docs/test_man_page.py checks the list.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACE = "share/man/man1/patchkit.1"


class ManPage(BuildHookInterface):  # type: ignore[type-arg]
    """Add ``share/man/man1/patchkit.1`` to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the page into a folder of the build's own and list it in ``build_data``.

        Raises CalledProcessError when the generator fails."""
        root = Path(self.root)
        self._folder = tempfile.TemporaryDirectory(prefix="patchkit-man-page-")
        page = Path(self._folder.name, "patchkit.1")
        # The build's environment has no patchkit yet: the generator reads the source beside it.
        paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
        generated = subprocess.run(
            [sys.executable, root / "ci/man-page"],
            stdout=subprocess.PIPE, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )  # fmt: skip
        page.write_bytes(generated.stdout)
        page.chmod(0o644)
        build_data["shared_data"][str(page)] = PLACE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the page's folder once the wheel is written."""
        self._folder.cleanup()
