"""The kernel of the link ``uml``: a pinned source, two changes, a configuration, and the program that they become."""
