"""Tests of proofs: line numbers, object files, differences."""
