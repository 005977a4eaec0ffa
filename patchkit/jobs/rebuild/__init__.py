"""``patchkit rebuild``: build an artifact again from its manifest alone, and compare it bit for bit."""
