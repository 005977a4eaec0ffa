"""Proofs at the level of object code: what a variant changed in what the compiler made, and what it did not."""
