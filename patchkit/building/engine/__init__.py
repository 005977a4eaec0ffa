"""Engines: where the commands of a build run, in a container or on the host."""
