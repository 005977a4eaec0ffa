"""Checks of a built program: what it is linked with, and whether it shakes hands."""
