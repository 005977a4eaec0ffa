"""Answers of earlier runs: the same as rendering, taken for the same files and code only, and never half-read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from patchkit import resources
from patchkit.cache import Cache
from patchkit.errors import AnchorError
from patchkit.jobs.matrix.answers import Answers
from patchkit.jobs.matrix.workers import Key
from patchkit.patching import pins
from patchkit.patching.attempt import Attempt

KEY: Key = ("retransmit", (("src/openvpn/reliable.c", "0" * 40),), None)
MADE = [
    Attempt({"src/openvpn/reliable.c": "1" * 64}, pinned=True),
    Attempt({}, pinned=False, error=AnchorError("not there", why="a line", advice="look")),
]


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    cache = Cache(tmp_path)
    answers = Answers.of(cache)
    answers.learn_place("2" * 40, "forward.c", "src/openvpn/forward.c", "3" * 40)
    answers.learn({KEY: MADE})
    return cache


def test_what_was_learned_is_found_again_errors_too(cache: Cache) -> None:
    answers = Answers.of(cache)
    found = answers.find(KEY)
    assert found is not None
    assert found[0] == MADE[0]
    error = found[1].error
    assert isinstance(error, AnchorError)
    assert (error.what, error.why, error.advice) == ("not there", "a line", "look")
    assert answers.place("2" * 40, "forward.c") == ("src/openvpn/forward.c", "3" * 40)
    assert answers.place("4" * 40, "forward.c") is None


@pytest.mark.parametrize(
    "other", [("early", *KEY[1:]), ("retransmit", (("src/openvpn/reliable.c", "5" * 40),), None), (*KEY[:2], KEY[1])]
)
def test_another_variant_or_file_has_no_answer(cache: Cache, other: Key) -> None:
    assert Answers.of(cache).find(other) is None


def test_another_version_of_patchkit_has_none(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources, "fingerprint", lambda: "f" * 64)
    assert Answers.of(cache).find(KEY) is None


def test_nothing_is_taken_or_kept_where_pins_are_ignored(cache: Cache) -> None:
    with pins.ignored():
        answers = Answers.of(cache)
        assert answers.find(KEY) is None
        answers.learn({("early", *KEY[1:]): MADE})
    assert Answers.of(cache).find(("early", *KEY[1:])) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"attempts": {}}', '{"attempts": {"x": 1}, "places": {}}'])
def test_a_file_that_is_no_good_has_no_answers(cache: Cache, text: str) -> None:
    (path,) = cache.answers.iterdir()
    path.write_text(text)
    answers = Answers.of(cache)
    assert answers.find(KEY) is None
    answers.learn({KEY: MADE})
    assert json.loads(path.read_text())["attempts"]
