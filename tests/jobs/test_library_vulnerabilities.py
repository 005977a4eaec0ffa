"""What is told of the libraries that are compiled in."""

from __future__ import annotations

import inspect
import json

import pytest

from patchkit.cli.releases import releases
from patchkit.errors import UnknownVersionError, VulnerableError
from patchkit.jobs.library_vulnerabilities import assess_library, assess_named, error_of
from patchkit.releases.libraries import libraries

OPENSSL_3_5, OPENSSL_1_0_2, LZ4 = (libraries()[name] for name in ("openssl-3.5", "openssl-1.0.2", "lz4"))


def test_a_pinned_source_has_what_the_records_state() -> None:
    assessment = assess_library(OPENSSL_3_5, "3.5.7", verified=True)
    assert assessment.line == (
        "OpenSSL 3.5.7, which is compiled in, has 18 known vulnerabilities, 1 of them high; 3.5.9 has none of them: "
        "patchkit releases --vulnerabilities openssl-3.5"
    )
    error = error_of([assess_library(LZ4, "1.10.0", verified=True), assessment])
    assert isinstance(error, VulnerableError)
    assert "CVE-2026-84782 (high, DTLS)" in error.why


def test_a_newer_source_and_a_library_without_any_say_nothing() -> None:
    newer, lz4 = assess_library(OPENSSL_3_5, "3.5.9", verified=False), assess_library(LZ4, "1.10.0", verified=True)
    assert (newer.line, lz4.line, error_of([newer, lz4])) == ("", "", None)


@pytest.mark.parametrize("version", ["1.0.2u", "1.0.2-chacha"])
def test_a_source_without_a_pin_may_carry_fixes(version: str) -> None:
    assessment = assess_library(OPENSSL_1_0_2, version, verified=False)
    assert assessment.state == "cannot be told"
    assert assessment.line.startswith(
        f"OpenSSL {version}, which is compiled in: of 36 known vulnerabilities, 5 of them high, it cannot be told "
        "which are fixed in this source; 1.0.2zs has none of them, for those who pay OpenSSL: "
    )
    assert error_of([assessment]) is not None


def test_releases_lists_those_of_a_library(capsys: pytest.CaptureFixture[str]) -> None:
    listed = inspect.unwrap(releases)
    listed(vulnerabilities="openssl-3.5", as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert (document["library"], document["version"], document["remedy"]) == ("openssl-3.5", "3.5.7", "3.5.9")
    assert len(document["vulnerabilities"]) == 18
    assert {"id", "records", "part", "state"} <= document["vulnerabilities"][0].keys()
    listed(vulnerabilities="lz4")
    assert capsys.readouterr().out.startswith("LZ4 1.10.0 has no known vulnerabilities\nnot established: ")
    with pytest.raises(VulnerableError) as caught:
        listed(vulnerabilities="openssl-3.5", fail_on_vulnerable=True)
    assert caught.value.exit_code == 81


def test_a_library_is_found_by_the_names_that_builds_print() -> None:
    (by_branch,) = assess_named("openssl-3.5")
    (by_version,) = assess_named(f"OpenSSL {by_branch.version}")
    assert by_branch == by_version
    assert by_branch.advisories
    assert assess_named("openssl-3.5.7")[0].version == "3.5.7"
    assert [found.library.branch for found in assess_named("OpenSSL")] == ["1.0.2", "1.1.1", "3.0", "3.5"]
    (of_lzo,) = assess_named("lzo-2.10")
    assert (of_lzo.version, of_lzo.advisories) == ("2.10", [])
    (last,) = assess_named("openssl-1.0.2zs")
    assert len(last.advisories) < len(assess_named("openssl-1.0.2")[0].advisories)
    assert assess_named("2.6.14") == assess_named("mbedtls-3.6") == []
    for name in "openssl-9.9", "openssl-3.51", "openssl-3.5.x":
        with pytest.raises(UnknownVersionError, match="of a branch that patchkit compiles"):
            assess_named(name)
