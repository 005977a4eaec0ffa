"""``patchkit artifact``: what others do with the files of a build."""
