"""C source: parsed files, and the anchors and places in them that templates name."""
