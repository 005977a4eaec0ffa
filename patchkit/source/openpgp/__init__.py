"""OpenPGP signatures: gpg's answers, and what a signature is worth."""
