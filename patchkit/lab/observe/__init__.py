"""From what a run left behind to a trial: packets, outcomes, and whether the link did what was asked."""
