"""Starts of ``patchkit`` that do not import it anew each time."""
