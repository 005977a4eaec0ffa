"""From an installed tree to files in ``dist/``: archives, packages, images, manifest, SBOM, provenance, signatures."""
