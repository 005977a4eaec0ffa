"""Build patched trees with a toolchain on an engine, and test the installed programs."""
