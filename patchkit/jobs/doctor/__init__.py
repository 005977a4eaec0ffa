"""What works here, tried rather than listed, and what mends the rest."""
