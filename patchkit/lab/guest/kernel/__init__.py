"""The kernel of the link ``uml``: a pinned source, some changes, a configuration, and the program that they become."""
