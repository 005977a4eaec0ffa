"""patchkit: verify, patch, build and prove OpenVPN releases."""

__version__ = "0.1.0"
