"""Tests of patchkit/cluster/."""
