"""OpenPGP signatures: read with gpg, and judged by patchkit."""
