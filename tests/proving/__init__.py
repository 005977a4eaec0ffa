"""The room of proofs: line numbers, object files, differences."""
