"""From a release to a verified source tree: tarballs, git, local folders, and their places."""
