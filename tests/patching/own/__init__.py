"""Tests of variants of users' own."""
