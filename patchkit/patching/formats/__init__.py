"""Forms that a diff is exported in: a quilt series, an mbox for ``git am``, a plain diff."""
