"""Links that trials run on: a QEMU machine or network namespaces, with netem on the router."""
