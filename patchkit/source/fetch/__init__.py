"""Files from mirrors and the network: where a file may be, and its download, verified."""
