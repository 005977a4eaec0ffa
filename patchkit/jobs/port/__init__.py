"""``patchkit port``: a user's patch for another release, by a three-way merge with upstream's own files."""
