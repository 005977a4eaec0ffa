"""``patchkit lab``: campaigns and replays."""
