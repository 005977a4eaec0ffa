"""``patchkit prove``: the verdict, and the table that it rests on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from patchkit.building.engine.protocol import cores
from patchkit.cache import Cache
from patchkit.cli.error_handling import print_json
from patchkit.context import Context
from patchkit.errors import NotProvenError
from patchkit.jobs.prove.compare_objects import APART
from patchkit.jobs.prove.job import Claim, prove
from patchkit.jobs.prove.result import Proof
from patchkit.proving.compare import Difference
from patchkit.source.obtain import Request
from patchkit.ui import Ui, table


def run(
    *,
    version: str,
    variant: str,
    target: str,
    git: str | None,
    source: Path | None,
    engine: Literal["auto", "docker", "host"],
    configure: Sequence[str],
    crypto: str | None,
    openssl_sources: Sequence[str],
    jobs: int | None,
    offline: bool,
    as_json: bool,
    verbose: bool,
) -> None:
    began = time.monotonic()
    ui = Ui(verbose=verbose)
    claim = Claim(
        request=Request(version=version, git=git, source=source),
        variant=variant,
        target=target,
        engine=engine,
        configure=configure,
        crypto=crypto,
        openssl_sources=openssl_sources,
        jobs=jobs or cores(),
    )
    proof = prove(claim, Context(Cache.default(), ui, offline))
    if as_json:
        print_json(_document(proof))
    else:
        table(("what", "verdict"), _findings(proof))
    ui.note(f"{time.monotonic() - began:.1f} s in all")
    if proof.failures:
        ui.error(f"not proven for {proof.variant} on {proof.release}", "\n".join(proof.failures), "")
        raise SystemExit(NotProvenError.exit_code)


def _findings(proof: Proof) -> list[tuple[str, str]]:
    rows = [(f"{one.name}, {one.source}", f"{one.kind}, as named: {_sizes(one)}") for one in proof.changed]
    rows += [(f"{one.name}, {one.source}", f"{one.kind.upper()}, NOT NAMED: {_sizes(one)}") for one in proof.strays]
    sources = ", ".join(proof.sources) + (f" and {len(proof.reached)} that include a header" if proof.reached else "")
    rows.append((f"{proof.same} other functions and all other data, -O0, {sources}", "same"))
    rows += [(f"the symbol {name}", "DIFFERS") for name in proof.exposed]
    if proof.guard:
        off = "DIFFERS: " + ", ".join(proof.guard_off) if proof.guard_off else "same bytes as stock"
        on = "DIFFERS: " + ", ".join(proof.guard_on) if proof.guard_on else "same bytes as unguarded"
        header = ", and what includes a header, preprocessed" if proof.reached else ""
        rows += [
            (f"guard off (#line set aside): whole object files, at -O0 and as built{header}", off),
            (f"guard on (#line set aside): whole object files, at -O0{header}", on),
        ]
    else:
        rows.append(("guard", "the variant has none"))
    rows.append(("differ by the numbers of their own lines only", _names(proof.renumbered)))
    if proof.structs:
        rows.append((f"differ by the layout of struct {', '.join(proof.structs)} only", _names(proof.layout)))
    if proof.inlines:
        rows.append(("stock's own inline functions, used where they were not", _names(proof.inlines)))
    rows += [(line, "NOT EXPLAINED") for line in proof.unexplained]
    rows.append((f"{proof.variant} on {proof.release}", "NOT PROVEN" if proof.failures else "proven"))
    return rows


def _names(found: Sequence[Difference]) -> str:
    return ", ".join(dict.fromkeys(one.name for one in found)) or "none"


def _sizes(one: Difference) -> str:
    return f"{one.before} → {one.after} bytes"


def _document(proof: Proof) -> dict[str, object]:
    return {
        "proven": not proof.failures,
        "failures": proof.failures,
        **asdict(proof),
        "flags_apart": list(APART),
    }
