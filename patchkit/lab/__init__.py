"""Patched against stock on lossy links: real kernels, real netem, real processes, and honest statistics."""
