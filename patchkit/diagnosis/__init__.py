"""Diagnosis: what the logs that users already have say about their tunnels."""
