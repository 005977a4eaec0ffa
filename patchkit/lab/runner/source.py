"""The runner's own modules: copied into the guest, and beside the peers on a host."""

from __future__ import annotations

from pathlib import Path


def sources() -> dict[str, bytes]:
    """Contents by file name."""
    return {path.name: path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))}
