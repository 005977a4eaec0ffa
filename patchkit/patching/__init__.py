"""From a variant and a source tree to an exact diff, and from a diff to a patched tree."""
