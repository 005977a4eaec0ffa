"""What the parts of a combination change in the files of a tree: found, checked, and not yet a diff."""
