"""From patched trees through a toolchain, on an engine, to installed files that pass their smoke test."""
