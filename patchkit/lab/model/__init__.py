"""The lab's vocabulary: scenarios, campaigns, trials."""
