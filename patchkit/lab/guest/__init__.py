"""The virtual machine's guest: its pinned packages and the image that boots."""
