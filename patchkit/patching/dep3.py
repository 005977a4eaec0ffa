"""The header of a diff, by https://dep-team.pages.debian.net/deps/dep3/: title, author, origin, upstream's status."""

from __future__ import annotations

from patchkit import __version__
from patchkit.patching.combination import Combination
from patchkit.patching.variants import GUARD_MACRO, UNDATED, Upstream, UpstreamStatus
from patchkit.printable import header_value
from patchkit.releases.version import Version, base_of

_UPSTREAM: dict[UpstreamStatus, str] = {
    "needed": "upstream's code has the fault",
    "superseded": "upstream has cured it in another way",
    "not-applicable": "upstream's code has no such place",
}


def header(combined: Combination, label: str, series: str | None, *, guard: bool) -> bytes:
    """Write the header of a diff for all parts of ``combined``; the last line is three dashes.

    The field about upstream's own code goes by ``label`` if that is a version, else by ``series``; it is left out when
    neither is a version.
    """
    title = " · ".join(part.title for part in combined.parts)
    paragraphs = "\n\n".join(part.description.strip() for part in combined.parts)
    lines = [f"Description: {header_value(title)}"]
    lines += [f" {header_value(line)}" if line.strip() else " ." for line in paragraphs.split("\n")]
    lines += dict.fromkeys(f"Author: {header_value(name)}" for part in combined.parts for name in part.credited)
    lines.append("Origin: " + header_value("; ".join(dict.fromkeys(part.origin for part in combined.parts))))
    lines.append("Forwarded: no")
    dates = [part.last_update for part in combined.parts if part.last_update != UNDATED]
    lines += [f"Last-Update: {max(dates).isoformat()}"] if dates else []
    return "\n".join([*lines, *fields(combined, label, series, guard=guard), "---\n"]).encode()


def fields(combined: Combination, label: str, series: str | None, *, guard: bool) -> list[str]:
    """Write patchkit's own fields; DEP-3 leaves names that begin with ``X-`` to the writer."""
    lines = [f"X-Patchkit: {__version__}, variant {combined.name}, for OpenVPN {label}"]
    lines.append(f"X-Patchkit-Guard: {f'yes, build with -D{GUARD_MACRO}' if guard else 'no'}")
    lines.append(f"X-Patchkit-Status: {combined.status}")
    version = _version(label) or _version(series or "")
    own = base_of(label)
    if series and own is not None and not own.is_upstreams:
        lines.append(f"X-Patchkit-Base: unknown, {label} is not a number of upstream's; its code is like {series}")
    known = {part.name: part.upstream_of(version) for part in combined.parts} if version else {}
    statuses = [f"{name}: {_status(upstream)}" for name, upstream in known.items() if upstream is not None]
    lines += [f"X-Patchkit-Upstream: {'; '.join(statuses)}"] if statuses else []
    return [header_value(line) for line in lines]


def _version(text: str) -> Version | None:
    version = base_of(text)
    return version if version is not None and version.is_upstreams else None


def _status(upstream: Upstream) -> str:
    commits = ", ".join(commit[:12] for commit in upstream.commits)
    return _UPSTREAM[upstream.status] + (f" ({commits})" if commits and upstream.status == "superseded" else "")
