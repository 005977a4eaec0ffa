"""``patchkit matrix``: which variants apply to which releases."""
