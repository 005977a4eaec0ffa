"""Results of a campaign: figures of each cell, comparisons, verdicts."""
