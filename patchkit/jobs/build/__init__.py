"""``patchkit build``: from a version to artifacts in ``dist/``."""
