"""The lab's guest: its pinned packages, the image that boots, and the kernel of the link `uml`."""
