"""Test certificates: those of the lab, the same bytes on every machine, and those of the smoke test."""
