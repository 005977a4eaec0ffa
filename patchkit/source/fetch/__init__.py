"""Files from mirrors and the network: the places of a file, and its download."""
