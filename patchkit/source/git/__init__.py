"""Git repositories: trees of commits, the tags of all releases, and tags as upstream signed them."""
