"""Git repositories: trees of commits, the history of releases, and tags as upstream signed them."""
