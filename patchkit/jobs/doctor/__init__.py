"""``patchkit doctor``: probes that do what a build or the lab would do, and the commands that repair the rest."""
