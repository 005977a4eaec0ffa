"""``patchkit diagnose``: logs in, findings out."""
