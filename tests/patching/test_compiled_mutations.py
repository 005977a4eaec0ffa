"""Altered trees of a release: the right edit, by what the compiler makes of it, or a refusal.

``ci/try-mutations`` tries hundreds.
"""

from __future__ import annotations

from collections import Counter

import pytest

from patchkit.cache import Cache
from patchkit.patching.variants import STOCK, names
from tests.conftest import PINNED, upstream
from tests.support.patching.compiled import Bench, compared, trial
from tests.support.patching.vendor_changes import CHANGES

pytestmark = pytest.mark.slow
VARIANTS = [name for name in names() if name not in (STOCK, "handshake")]  # 2.6 has what handshake brings


@pytest.fixture(scope="module")
def bench(shared_cache: Cache, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    made = Bench(upstream(PINNED, shared_cache), tmp_path_factory.mktemp("bench") / "tree")
    made.configure()
    return made


@pytest.mark.parametrize("variant", VARIANTS)
def test_right_or_refused(bench: Bench, variant: str) -> None:
    trials = [trial(bench, variant, f"kept/{variant}/{number}") for number in range(8)]
    assert [each for each in trials if each.is_wrong] == []
    outcomes = Counter(each.outcome for each in trials)
    assert outcomes["same code"] + outcomes["same functions"], outcomes


def test_what_was_wrong_once(bench: Bench) -> None:
    """One of two functions was patched: the call that it was found by was the first one of several."""
    path = "src/openvpn/ssl.c"
    text = bench.sources[path]
    start = text.index("bool\ntls_pre_decrypt(")
    end = text.index("\n}\n", start) + 3
    twice = f"{text[:start]}#ifdef OF_VENDOR\n{text[start:end]}#else\n{text[start:end]}#endif\n{text[end:]}"
    outcome, why = bench.outcome("recommended", {path: twice.encode("latin-1")})
    assert outcome == "refused, same code"
    assert why.startswith(f"the function tls_pre_decrypt is in {path} 2 times, for different conditions")


def test_a_hunk_that_is_missing_is_seen(bench: Bench) -> None:
    rendered = bench.reference("recommended")[0].files
    for path in ("src/openvpn/ssl.c", "src/openvpn/forward.c"):
        without = {**rendered, path: bench.tree.read(path)}
        assert compared(bench, "recommended", {}, without)[0] == "OTHER CODE"
    assert compared(bench, "recommended", {}, rendered) == ("same code", "")


def test_each_kind_changes_something(bench: Bench) -> None:
    from random import Random

    chance = Random(1)  # noqa: S311 - repeatable
    path = "src/openvpn/reliable.c"
    at = bench.sources[path].index("reliable_send_purge(")
    for change in CHANGES:
        changed = [change(bench.sources, path, at + 100 * step, chance) for step in range(10)]
        assert any(files and files != {path: bench.sources[path]} for files in changed), change
