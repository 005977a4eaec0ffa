"""Recipes: how OpenVPN and the libraries that it is linked with are configured and compiled."""
