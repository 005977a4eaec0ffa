"""patchkit's own modules, for tests of their shape."""

from __future__ import annotations

from tests.conftest import ROOT

PACKAGE = ROOT / "patchkit"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__main__.py")
