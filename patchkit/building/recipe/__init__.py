"""Recipes: configure and compile OpenVPN, and compile the libraries that are linked statically."""
