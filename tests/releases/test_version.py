"""Upstream's version grammar and order."""

from __future__ import annotations

import pytest

from patchkit.errors import UnknownVersionError
from patchkit.releases.version import Version


@pytest.mark.parametrize(
    ("text", "series"),
    [
        ("2.1_rc22", "2.1"),
        ("2.2-beta3", "2.2"),
        ("2.2-RC2", "2.2"),
        ("v2.3-alpha1", "2.3"),
        ("2.3.2", "2.3"),
        ("v2.6.14", "2.6"),
        ("2.7_rc2", "2.7"),
    ],
)
def test_every_spelling_of_upstream_is_read(text: str, series: str) -> None:
    version = Version.parse(text)
    assert version.series == series
    assert version.text == text.removeprefix("v")


def test_order_is_upstreams() -> None:
    in_order = ["2.1_rc1", "2.1_rc22", "2.1.0", "2.2-beta1", "2.2-RC", "2.2-RC2", "2.2.0", "2.3_alpha2", "2.10.0"]
    assert sorted(map(Version.parse, reversed(in_order))) == [Version.parse(text) for text in in_order]


def test_spellings_of_one_release_are_equal() -> None:
    assert len({Version.parse(text) for text in ("2.3_alpha2", "2.3-alpha2", "v2.3_alpha2")}) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2",
        "master",
        "2.6.14 ",
        "2.6.14\n",
        "-rf",
        "../../x",
        "2.6.14/..",
        "2.6.14;id",
        "1" * 10_000,
        "2.6.14.dev1",
        "2.6_branched",
        "2.6.14+x",
        "\u0662.\u0666",
        "2.6.14.post1",
        "1!2.6",
    ],
)
def test_anything_else_is_refused_in_one_short_line(text: str) -> None:
    with pytest.raises(UnknownVersionError) as caught:
        Version.parse(text)
    assert len(caught.value.what) < 120
    assert "\n" not in caught.value.what
