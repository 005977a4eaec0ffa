"""``patchkit prove``: what a variant changes, shown from object files."""
