"""Scenarios: the built-in ones, one's own, and everything about them that is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from patchkit.errors import ScenarioError, StorageError
from patchkit.lab.model.scenario import Scenario, built_in, changed, named, parsed
from patchkit.pki.profile import profile
from tests.conftest import Run

MINE = """
[scenario.one]
summary = "one"
both = { delay_ms = 10 }

[scenario.loss-20]
summary = "not the built-in one"
"""


def test_the_built_in_ones_load_and_are_written_and_read_back() -> None:
    assert len(built_in()) >= 20
    for name, scenario in built_in().items():
        assert Scenario.model_validate(scenario.model_dump()) == scenario
        assert Scenario.model_validate_json(scenario.model_dump_json()) == scenario, name
        assert profile(scenario.credentials)
        assert named(name) == {name: scenario}


def test_both_is_up_and_down() -> None:
    scenario = parsed(MINE, "mine")["one"]
    assert scenario.up == scenario.down
    assert scenario.flow("down").delay_ms == 10


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ("", "summary: Field required"),
        ('summary = ""', "summary"),
        ('summary = "s"\nmore = 1', "more: Extra inputs"),
        ('summary = "s"\nboth = {}\nup = {}', "both stands for up and down"),
        ('summary = "s"\nboth = {}\ndown = {}', "both stands for up and down"),
        ('summary = "s"\nup = { loss = 101 }', "up.loss"),
        ('summary = "s"\nup = { loss = nan }', "up.loss"),
        ('summary = "s"\nup = { delay_ms = -1 }', "up.delay_ms"),
        ('summary = "s"\nup = { delay_ms = 60001 }', "up.delay_ms"),
        ('summary = "s"\nup = { delay_ms = 1, jitter_ms = inf }', "up.jitter_ms"),
        ('summary = "s"\nup = { rate_kbit = inf }', "up.rate_kbit"),
        ('summary = "s"\nup = { rate_kbit = 0 }', "up.rate_kbit"),
        # Less than a byte a second, which netem takes for no limit; and more than its numbers hold.
        ('summary = "s"\nup = { rate_kbit = 0.0079 }', "up.rate_kbit"),
        ('summary = "s"\nup = { rate_kbit = 1e300 }', "up.rate_kbit"),
        ('summary = "s"\nup = { delay_ms = 1, jitter_ms = 1e300 }', "up.jitter_ms"),
        ('summary = "s"\noutage = [{ at_s = 1e300, for_s = 1 }]', "outage.0.at_s"),
        ('summary = "s"\nrun = "soak"\nping_s = 1e-12', "ping_s"),
        ('summary = "s"\nkeepalive = [1000000000000000000000, 2000000000000000000000]', "keepalive"),
        ('summary = "s"\nclient_options = ["--setenv", "a\\u0000b", "c"]', "NUL"),
        ('summary = "s"\nserver_options = ["--daemon"]', "--daemon is set by the lab itself"),
        ('summary = "s"\nclient_options = ["--setenv", "opt", "log", "x"]', "--log is set by the lab itself"),
        ('summary = "s"\nup = { queue = 0 }', "up.queue"),
        ('summary = "s"\nup = { loss = 1, burst = { to_bad = 1, to_good = 1 } }', "loss and burst exclude"),
        ('summary = "s"\nup = { burst = { to_bad = 0, to_good = 1 } }', "up.burst.to_bad"),
        ('summary = "s"\nup = { reorder = 1 }', "reorder needs a delay"),
        ('summary = "s"\nclients = 0', "clients"),
        ('summary = "s"\nclients = 201', "clients"),
        ('summary = "s"\nclients = 2\ntopology = "p2p"', "many clients need"),
        ('summary = "s"\nclients = 2\nrun = "soak"', "many clients need"),
        ('summary = "s"\nspread_s = 1', "spread_s needs many clients"),
        ('summary = "s"\nclients = 2\nspread_s = 60', "spread_s needs many clients"),
        ('summary = "s"\nclients = 2\nspread_s = 1\noutage = [{ at_s = 1, for_s = 1 }]', "spread_s needs many clients"),
        ('summary = "s"\nup = { jitter_ms = 1 }', "jitter needs a delay"),
        ('summary = "s"\ndrop = [{ direction = "left" }]', "drop.0.direction"),
        ('summary = "s"\ndrop = [{ direction = "up", acknowledges = 1 }]', 'acknowledges needs kind = "ack"'),
        ('summary = "s"\ndrop = [{ direction = "up", packet_id = 1 }]', 'packet_id needs kind = "control"'),
        ('summary = "s"\ndrop = [{ direction = "up", kind = "control", packet_id = 4294967296 }]', "packet_id"),
        ('summary = "s"\ndrop = [{ direction = "up", nth = [0] }]', "nth counts from 1"),
        ('summary = "s"\ndrop = [{ direction = "up", nth = [2147483649] }]', "nth counts from 1"),
        (f'summary = "s"\ndrop = [{{ direction = "up", nth = {list(range(1, 66))} }}]', "drop.0.nth"),
        ('summary = "s"\noutage = [{ at_s = 0, for_s = 0 }]', "outage.0.for_s"),
        ('summary = "s"\noutage = [{ at_s = 0, for_s = inf }]', "outage.0.for_s"),
        ('summary = "s"\nwrap = "tls-crypt"\ndrop = [{ direction = "up", kind = "ack", acknowledges = 1 }]', "hides"),
        ('summary = "s"\nwrap = "tls-crypt"\ndrop = [{ direction = "up", kind = "control", packet_id = 1 }]', "hides"),
        ('summary = "s"\nrun = "soak"\ntopology = "p2p"', "a soak pings across the tunnel"),
        ('summary = "s"\nlimit_s = 0', "limit_s"),
        ('summary = "s"\nmax_packet_size = 100', "max_packet_size"),
        ('summary = "s"\nkeepalive = [10]', "keepalive"),
    ],
)
def test_what_does_not_make_sense(fields: str, why: str) -> None:
    with pytest.raises(ScenarioError, match="mine: scenario odd is not valid") as caught:
        parsed(f"[scenario.odd]\n{fields}\n", "mine")
    assert why in caught.value.why


def test_many_clients_are_told_from_one() -> None:
    crowd, single = built_in()["crowd"], built_in()["loss-10"]
    assert (crowd.is_crowd, crowd.clients, crowd.runs) == (True, 50, "50 handshakes")
    assert (single.is_crowd, single.clients, single.runs) == (False, 1, "handshake")


def test_credentials_are_looked_at_at_once() -> None:
    with pytest.raises(ScenarioError, match="no credentials chain-99"):
        parsed('[scenario.odd]\nsummary = "s"\ncredentials = "chain-99"\n', "mine")


BROKEN: list[Any] = [
    pytest.param(b"", "has no scenarios", id="empty"),
    pytest.param(b"scenario = 1\n", "has no scenarios", id="no table"),
    pytest.param(b"[scenario]\n", "has no scenarios", id="none in it"),
    pytest.param(MINE.encode() + b"[more]\n", "has no scenarios", id="something else"),
    pytest.param(b"[scenario.one\n", "is not TOML", id="no TOML"),
    pytest.param(MINE.encode() * 2, "is not TOML", id="twice"),
    pytest.param(b"\xff\xfe\0binary", "is not UTF-8 text", id="binary"),
    pytest.param(b'[scenario."a b"]\nsummary = "s"\n', "'a b' is not a name", id="a blank in a name"),
    pytest.param('[scenario."ü"]\nsummary = "s"\n'.encode(), "'ü' is not a name", id="an umlaut in a name"),
    pytest.param(b'[scenario."a/../b"]\nsummary = "s"\n', "'a/../b' is not a name", id="a path as a name"),
    pytest.param(b'[scenario.""]\nsummary = "s"\n', "'' is not a name", id="no name"),
    pytest.param(b"[scenario]\none = 1\n", "is not valid", id="a number"),
    pytest.param(b'[[scenario.one]]\nsummary = "s"\n', "is not valid", id="a list"),
]


@pytest.mark.parametrize(("content", "what"), BROKEN)
def test_a_broken_file(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "mine.toml").write_bytes(content)
    with pytest.raises(ScenarioError) as caught:
        named(str(tmp_path / "mine.toml"))
    assert what in caught.value.what


def test_all_of_a_file_or_one_of_it(tmp_path: Path) -> None:
    path = tmp_path / "mine"  # any name will do for a file that is there
    path.write_text(MINE)
    assert list(named(str(path))) == ["one", "loss-20"]
    assert list(named(f"{path}#one")) == ["one"]
    with pytest.raises(ScenarioError, match="has no scenario two") as caught:
        named(f"{path}#two")
    assert caught.value.why == "it has: one, loss-20"


def test_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="no scenario los-20") as caught:
        named("los-20")
    assert caught.value.advice == "perhaps you meant loss-20"
    with pytest.raises(ScenarioError) as caught:
        named("§§§")
    assert ".toml" in caught.value.advice
    for place in (tmp_path / "missing.toml", tmp_path, "x" * 300):
        with pytest.raises(StorageError):
            named(str(place))


def test_other_fields_are_checked_as_well() -> None:
    assert changed("loss-20", built_in()["loss-20"], {"wrap": "tls-auth"}).wrap == "tls-auth"
    with pytest.raises(ScenarioError, match="the command line: scenario soak-15"):
        changed("soak-15", built_in()["soak-15"], {"topology": "p2p"})


def test_the_command_lists_and_refuses(tmp_path: Path, patchkit: Run) -> None:
    (tmp_path / "mine.toml").write_text(MINE)
    listed = patchkit("lab", "scenarios", "mine.toml", "clean", "--json")
    assert listed.returncode == 0
    assert list(json.loads(listed.stdout)) == ["one", "loss-20", "clean"]
    (tmp_path / "broken.toml").write_text('[scenario.one]\nsummary = "s"\nup = { loss = 101 }\n')
    done = patchkit("lab", "scenarios", "broken.toml")
    assert (done.returncode, done.stdout) == (60, "")
    assert "up.loss" in done.stderr
