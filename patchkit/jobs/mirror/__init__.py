"""``patchkit mirror``: fill and check a mirror."""
