"""Certificates and keys of the lab's peers."""
