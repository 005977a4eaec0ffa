"""Known vulnerabilities: the file is consistent, and says of a release what the records say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from patchkit.releases.advisories import Advisory, Platform, advisories, first_without, known, unestablished
from patchkit.releases.catalog import catalog, named
from patchkit.releases.version import Version
from tests.conftest import ROOT

GIT = os.environ.get("PATCHKIT_GIT")  # read at import: conftest clears it afterwards
# What Debian has patched in its 2.6.14, and what came after.
OF_2_6_14 = {
    "CVE-2025-13086", "CVE-2026-11771", "CVE-2026-12932", "CVE-2026-12996", "CVE-2026-13117", "CVE-2026-13122",
    "CVE-2026-13698", "CVE-2026-35058", "CVE-2026-40215", "CVE-2026-84732",
}  # fmt: skip


def checked(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "ci/pin-advisories"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def ids(version: str, platform: Platform) -> set[str]:
    return {advisory.id for advisory in known(Version.parse(version), platform)}


def test_the_file_is_consistent() -> None:
    done = checked(*(["--git", GIT] if GIT else []))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_release_has_what_the_records_state() -> None:
    assert ids("2.6.14", "posix") == OF_2_6_14
    assert ids("2.6.14", "windows") > OF_2_6_14
    assert ids("2.6.20", "posix") == OF_2_6_14 - {"CVE-2025-13086", "CVE-2026-35058", "CVE-2026-40215"}
    assert ids("2.7.6", "posix") == {"CVE-2026-84732"}
    assert ids("2.7.7", "all") == set()


def test_what_no_build_of_ours_has_concerns_none_of_its_platforms() -> None:
    assert "CVE-2026-63650" in ids("2.7.5", "all")  # mbedtls
    assert "CVE-2026-63650" not in ids("2.7.5", "posix") | ids("2.7.5", "windows")


@pytest.mark.parametrize(
    ("version", "platform", "remedy"),
    [
        ("2.6.14", "posix", "2.6.23"),
        ("2.6.14", "windows", "2.7.7"),
        ("2.3.2", "posix", "2.6.23"),
        ("2.7.8", "all", None),
    ],
)
def test_the_remedy_is_the_next_release_without_any(version: str, platform: Platform, remedy: str | None) -> None:
    release = first_without(Version.parse(version), platform)
    assert (release.version.text if release else None) == remedy


def test_a_report_without_an_identifier_counts_for_older_releases_only() -> None:
    said = {version: sum(report.may_affect(Version.parse(version)) for report in unestablished()) for version in
            ("2.7.7", "2.7.8")}  # fmt: skip
    assert said == {"2.7.7": 3, "2.7.8": 0}


def test_latest_and_a_series_are_their_newest_final_releases() -> None:
    newest = [release.version for release in catalog().releases if not release.version.pep440.is_prerelease]
    assert named("latest") == max(newest).text
    assert named("2.6") == named("v2.6") == max(version for version in newest if version.series == "2.6").text
    assert [named(text) for text in ("2.6.14", "2.9", "2.7_rc2", "master")] == ["2.6.14", "2.9", "2.7_rc2", "master"]


def record(**affected: str) -> dict[str, Any]:
    """A CVE record in the form of cve.org, of OpenVPN's and of another product."""
    versions = [{"status": "affected", "versionType": "semver", **affected}]
    cvss = {"version": "4.0", "baseScore": 4.6, "baseSeverity": "MEDIUM", "vectorString": "CVSS:4.0/AV:L"}
    products = [
        {"product": "OpenVPN", "versions": versions},
        {"product": "Access Server", "versions": [{"status": "affected", "version": "2.11.0", "lessThan": "3"}]},
    ]
    return {
        "cveMetadata": {"cveId": "CVE-2025-2704"},
        "containers": {"cna": {"affected": products, "metrics": [{"cvssV4_0": cvss}]}},
    }


def of(path: Path, document: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    path.write_text(json.dumps(document))
    return checked(str(path))


def test_a_record_that_agrees_is_passed_over(tmp_path: Path) -> None:
    done = of(tmp_path / "record.json", record(version="2.6.1", lessThanOrEqual="2.6.13"))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_record_that_disagrees_is_named_with_the_releases(tmp_path: Path) -> None:
    done = of(tmp_path / "record.json", record(version="2.6.2", lessThanOrEqual="2.6.14"))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "CVE-2025-2704: 2.6.1 is not affected in the record",
        "CVE-2025-2704: 2.6.14 is affected in the record",
    ]


def test_a_new_record_becomes_an_entry_to_review(tmp_path: Path) -> None:
    new = record(version="2.7.0", lessThan="2.7.9") | {"cveMetadata": {"cveId": "CVE-2099-12345"}}
    done = of(tmp_path / "record.json", new)
    assert done.returncode == 1
    (entry,) = tomllib.loads(done.stdout)["advisory"]
    assert (entry["severity"], entry["cvss"], entry["reach"]) == ("medium", "4.0: 4.6", "local")
    entry = Advisory.model_validate({**entry, "records": [*entry["records"], "a second one"]})
    assert [entry.affects(Version.parse(text)) for text in ("2.6.23", "2.7_rc1", "2.7.8")] == [False, True, True]


def test_osv_is_read_as_well(tmp_path: Path) -> None:
    events = [{"introduced": "2.6.1"}, {"fixed": "2.6.14-r0"}]
    osv = {"id": "ALPINE-CVE-2025-2704", "affected": [{"ranges": [{"type": "ECOSYSTEM", "events": events}]}]}
    done = of(tmp_path / "osv.json", osv)
    assert (done.returncode, done.stderr) == (0, "")


def test_each_advisory_has_words_and_records_of_its_own() -> None:
    for advisory in advisories():
        assert 10 < len(advisory.title) <= 100, advisory.id
        assert len(set(advisory.records)) >= 2, advisory.id
