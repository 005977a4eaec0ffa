"""Find and check what the parts of a combination change in a tree, before it becomes a diff."""
