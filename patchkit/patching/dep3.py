"""The header of a diff, after https://dep-team.pages.debian.net/deps/dep3/: what it is, whose, and from where."""

from __future__ import annotations

from patchkit import __version__
from patchkit.errors import UnknownVersionError
from patchkit.patching.combination import Combination
from patchkit.patching.variants import GUARD_MACRO, Variant
from patchkit.releases.version import Version


def header(combined: Combination, label: str, *, guard: bool) -> bytes:
    """The header for a diff that holds all parts; ends in a line of three dashes."""
    title = " · ".join(part.title for part in combined.parts)
    paragraphs = "\n\n".join(part.description.strip() for part in combined.parts)
    lines = [f"Description: {title}", *(f" {line}" if line else " ." for line in paragraphs.split("\n"))]
    lines += dict.fromkeys(f"Author: {part.author}" for part in combined.parts)
    lines += dict.fromkeys(f"Origin: {part.origin}" for part in combined.parts)
    lines += ["Forwarded: no", f"Last-Update: {max(part.last_update for part in combined.parts).isoformat()}"]
    return "\n".join([*lines, *fields(combined, label, guard=guard), "---\n"]).encode()


def fields(combined: Combination, label: str, *, guard: bool) -> list[str]:
    """What patchkit adds of its own: DEP-3 leaves fields that begin with ``X-`` to whoever writes them."""
    made = [f"X-Patchkit: {__version__}, variant {combined.name}, for OpenVPN {label}"]
    made.append(f"X-Patchkit-Guard: {f'yes, build with -D{GUARD_MACRO}' if guard else 'no'}")
    made.append(f"X-Patchkit-Status: {combined.status}")
    made += [f"X-Patchkit-Upstream: {_upstream(part, label)}" for part in combined.parts if _upstream(part, label)]
    return made


def _upstream(part: Variant, label: str) -> str:
    try:
        found = part.upstream_of(Version.parse(label))
    except UnknownVersionError:
        return ""  # a git ref or a folder: nothing says which release it is
    if found is None:
        return ""
    commits = f" by {', '.join(commit[:12] for commit in found.commits)}" if found.commits else ""
    return f"{part.name} is {found.status} here{commits if found.status == 'superseded' else ''}"
