"""Links that trials run on: User-Mode Linux, QEMU, or network namespaces of this host, with netem on the router."""
