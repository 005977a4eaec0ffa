"""The largest values that campaigns and scenarios may have: an option's and a file's alike."""

MOST_TRIALS = 1_000_000
"""Trials a cell: 14 hours at 20 trials a second, which two cores reach."""
WEEK = 7 * 86_400
"""Seconds: as long as a soak may be."""
