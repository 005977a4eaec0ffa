"""Source trees: in memory, from tarballs and folders, written out again, and compared."""
