"""``patchkit mirror``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Literal

from patchkit.cache import Cache
from patchkit.cli.error_handling import print_json
from patchkit.context import Context
from patchkit.errors import MirrorError
from patchkit.jobs.mirror.check import Finding, check
from patchkit.jobs.mirror.sync import Wish, sync
from patchkit.ui import Painted, Ui, table


def run_sync(
    *,
    versions: list[str],
    to: Path,
    git: str | None,
    target: str,
    engine: Literal["auto", "docker", "host"],
    crypto: str | None,
    features: list[str],
    openssl_sources: list[str],
    lab: bool,
    as_json: bool,
) -> None:
    ui = Ui()
    wish = Wish(
        versions=[one.strip() for text in versions for one in text.split(",") if one.strip()],
        to=to,
        git=git,
        target=target,
        engine=engine,
        crypto=crypto,
        features=features,
        openssl_sources=openssl_sources,
        lab=lab,
    )
    synced = sync(wish, Context(Cache.default(), ui))
    if as_json:
        extra = {
            "folder": str(to),
            "engine": synced.engine,
            "packages": list(synced.packages),
            "options": list(synced.options),
        }
        print_json({**synced.index.model_dump(), **extra})
    else:
        rows: list[tuple[str, str, str, str]] = [
            (one.name, one.kind, f"{one.size}", one.sha256) for one in synced.index.files
        ]
        rows += [(one.tag, "tag", "", one.commit) for one in synced.index.tags]
        table(("name", "kind", "bytes", "sha256 or commit"), rows)
    if synced.packages:
        ui.note(f"a host that builds without Docker also needs: {' '.join(synced.packages)}")
    command = shlex.join(["patchkit", "build", "--offline", "--version", wish.versions[0], *synced.options])
    ui.note(f"there: PATCHKIT_MIRROR={shlex.quote(str(to))} {command}")
    if any(letter.isspace() for letter in str(to)):
        ui.note("but in a folder whose name has no blanks: they separate several mirrors")


def run_verify(folder: Path, *, as_json: bool) -> None:
    ui = Ui()
    findings = check(folder, Context(Cache.default(), ui))
    if as_json:
        print_json({"folder": str(folder), "findings": [vars(one) for one in findings]})
    else:
        rows = [(one.name, _painted(one), one.vouched, one.detail) for one in findings]
        table(("name", "verdict", "vouched for by", ""), rows)
    bad = [one for one in findings if one.bad]
    if bad:
        ui.error(
            f"{folder} lacks or has damaged: {', '.join(one.name for one in bad)}",
            "\n".join(f"{one.name}: {one.verdict}{', ' if one.detail else ''}{one.detail}" for one in bad),
            "patchkit mirror sync, with the same --versions, brings what is missing",
        )
        raise SystemExit(MirrorError.exit_code)


def _painted(finding: Finding) -> Painted:
    return Painted(finding.verdict, "bold red" if finding.bad else "green" if finding.verdict == "good" else "yellow")
