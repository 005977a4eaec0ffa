"""Made-up releases between which patches are ported."""

from __future__ import annotations

from pathlib import Path

from tests.support.patching.own_patches import PATH
from tests.support.source.samples import Repository

M4 = b"define([PRODUCT_VERSION_MAJOR], [2])\ndefine([PRODUCT_VERSION_MINOR], [6])\n"
OLD = """\
/* ours */
static int limit (void);

int
first (int n)
{
  int left = n;
  left -= 1;
  left -= 2;
  left -= 3;
  left -= 4;
  left -= 5;
  left -= 6;
  left -= 7;
  return left;
}

int
second (int n)
{
  return n + 1;
}
"""
NEW = OLD.replace("/* ours */\n", "/* ours */\n/* and more */\n").replace("  left -= 7;\n", "  left -= 8;\n")


def releases(folder: Path) -> Repository:
    """2.8.1; 2.8.2, with two changes; and 2.8.3, in which the file has another name."""
    repository = Repository(folder)
    repository.commit({PATH: OLD.encode(), "version.m4": M4, "configure.ac": b""})
    repository.tag("v2.8.1")
    repository.commit({PATH: NEW.encode()})
    repository.tag("v2.8.2")
    repository.git("mv", PATH, "src/openvpn/trusted.c")
    repository.commit({PATH.replace("reliable", "other"): b"", "src/openvpn/ssl.c": b"int x;\n"})
    repository.tag("v2.8.3")
    return repository
