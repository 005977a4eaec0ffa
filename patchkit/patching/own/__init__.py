"""Variants of users' own, beside the catalogue: diffs, mails, quilt series, and folders with templates."""
