"""Checks of a built program: what it is linked with, how it starts, and whether it completes handshakes."""
