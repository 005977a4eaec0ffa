"""Detached signatures of users over what lies in ``dist/``: made with their keys, and checked against public ones."""
