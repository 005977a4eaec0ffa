"""From an installed tree to files in ``dist/``: archive, diff, manifest, checksums."""
