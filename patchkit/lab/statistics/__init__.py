"""Statistics of paired, censored handshake times."""
