"""Known vulnerabilities of libraries: the file is consistent, and says of a release what the records say."""

from __future__ import annotations

import pytest

from patchkit.releases.libraries import libraries
from patchkit.releases.library_advisories import first_without, known_of, library_advisories, order

OPENSSL_3_5, OPENSSL_1_0_2 = libraries()["openssl-3.5"], libraries()["openssl-1.0.2"]


def test_releases_are_ordered_as_openssl_counts() -> None:
    counted = ["1.0.2", "1.0.2a", "1.0.2u", "1.0.2za", "1.0.2zs", "1.1.1", "1.1.1w", "3.0.9", "3.0.20", "3.5.7"]
    assert sorted(sorted(counted, reverse=True), key=order) == counted
    with pytest.raises(ValueError, match="is not a release"):
        order("1.0.2-chacha")


def test_the_file_is_consistent() -> None:
    numbers = [tuple(map(int, advisory.id.split("-")[1:])) for advisory in library_advisories()]
    assert numbers == sorted(set(numbers))
    branches = {(library.title, library.branch) for library in libraries().values()}
    for advisory in library_advisories():
        assert {(advisory.library, branch) for branch in advisory.fixed} <= branches, advisory.id
        assert all(text.startswith(branch) for branch, text in [*advisory.fixed.items(), *advisory.since.items()])
        assert len(set(advisory.records)) >= 2, advisory.id
        assert 10 < len(advisory.title) <= 100, advisory.id


def test_a_release_has_what_the_records_state() -> None:
    of_3_5_7 = {advisory.id for advisory in known_of(OPENSSL_3_5, "3.5.7")}
    assert "CVE-2026-84782" in of_3_5_7
    assert {advisory.id for advisory in known_of(OPENSSL_3_5, "3.5.8")} < of_3_5_7
    assert known_of(OPENSSL_3_5, "3.5.9") == []
    assert (first_without(OPENSSL_3_5, "3.5.7"), first_without(OPENSSL_3_5, "3.5.9")) == ("3.5.9", None)


def test_what_no_program_has_and_what_began_later_do_not_count() -> None:
    no_ssl2 = next(advisory for advisory in library_advisories() if advisory.id == "CVE-2021-23839")
    assert [no_ssl2.affects(OPENSSL_1_0_2, version) for version in ("1.0.2r", "1.0.2s", "1.0.2y")] == [
        False, True, False,
    ]  # fmt: skip
    assert no_ssl2 not in known_of(OPENSSL_1_0_2, "1.0.2u")


def test_libraries_without_records_have_none() -> None:
    assert [known_of(libraries()[name], libraries()[name].version) for name in ("lzo", "lz4")] == [[], []]
