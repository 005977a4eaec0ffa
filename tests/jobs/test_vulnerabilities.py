"""A tree's known vulnerabilities: by its release where it is pinned, by its files where it is not."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest

from patchkit.cli.export import export
from patchkit.cli.options import FormatChoice
from patchkit.cli.releases import releases
from patchkit.errors import BadUsageError, VulnerableError
from patchkit.jobs.vulnerabilities import Assessment, State, as_compiled, assess
from patchkit.patching.combination import combination
from patchkit.patching.render import render
from patchkit.releases.catalog import catalog
from patchkit.source.obtain import Obtained
from patchkit.source.tree.tree import Entry, Origin, SourceTree
from tests.support.patching.samples import GNU

NTLM = "int ntlm_phase_3(int tib_len)\n{{\n    /* > */ return tib_len {sign} sizeof (ntlmv2_response);\n}}\n"
RELIABLE = """\
void
reliable_set_timeout(struct reliable *rel, interval_t timeout)
{
    rel->initial_timeout = timeout;
}

void
reliable_send_purge(struct reliable *rel, const struct reliable_ack *ack)
{
    packet_id_type pid = ack->packet_id[0];
    struct reliable_entry *e = &rel->array[0];
    if (e->packet_id == pid)
    {
        e->active = false;
    }
    else if (e->active && e->packet_id < pid)
    {
        e->n_acks++;
    }
}

struct buffer *
reliable_send(struct reliable *rel, int *opcode)
{
    struct reliable_entry *best = &rel->array[0];
    best->timeout *= 2;
    best->n_acks = 0;
    return &best->buf;
}
"""


def obtained(version: str = "2.6.14", *, verified: bool = False, **files: str) -> Obtained:
    entries = {
        f"src/openvpn/{name}.{'h' if name == 'header' else 'c'}": Entry.of(text.encode())
        for name, text in files.items()
    }
    if "header" in files:
        entries["src/openvpn/reliable.h"] = entries.pop("src/openvpn/header.h")
    major, minor, patch = version.split(".")
    m4 = f"define([PRODUCT_VERSION_MAJOR], [{major}])\ndefine([PRODUCT_VERSION_MINOR], [{minor}])\n"
    entries["version.m4"] = Entry.of((m4 + f"define([PRODUCT_VERSION_PATCH], [.{patch}])\n").encode())
    tree = SourceTree(Origin(kind="directory", name="tree", verified=verified, epoch=0), entries)
    return Obtained(version, f"{major}.{minor}", catalog().find(version) if verified else None, tree)


def state(assessment: Assessment, name: str) -> State | None:
    return next((found.state for found in assessment.vulnerabilities if found.advisory.id == name), None)


@pytest.mark.parametrize(
    ("sign", "verified", "expected"),
    [(">", True, "affected"), (">=", True, "affected"), (">", False, "affected"), (">=", False, "fixed here")],
)
def test_files_decide_where_no_pin_does(sign: str, verified: bool, expected: State) -> None:
    assessment = assess(obtained(verified=verified, ntlm=NTLM.format(sign=sign)), "posix")
    assert state(assessment, "CVE-2026-11771") == expected


def test_what_the_files_do_not_show_cannot_be_told() -> None:
    assessment = assess(obtained(ntlm="int other;\n"), "posix")
    assert {found.state for found in assessment.vulnerabilities} == {"cannot be told"}
    assert assessment.line.startswith(
        "2.6.14: of 10 known vulnerabilities on Linux it cannot be told which are fixed here; 2.6.23 has none"
    )
    assert isinstance(assessment.error(), VulnerableError)


def test_a_release_without_any_says_nothing_and_is_no_error() -> None:
    assessment = assess(obtained("2.7.8"), "posix")
    assert (assessment.line, assessment.error(), assessment.vulnerabilities) == ("", None, [])
    assert assessment.summary == "none"


def test_half_a_fix_cannot_be_told() -> None:
    half = RELIABLE.replace(
        "best->timeout *= 2;", "best->timeout = min_int(best->timeout * 2, rel->initial_timeout * 64);"
    )
    states = [state(assess(obtained(reliable=text), "posix"), "CVE-2026-84732") for text in (RELIABLE, half)]
    assert states == ["affected", "cannot be told"]


def test_a_variant_that_carries_a_fix_counts_and_its_guard_too() -> None:
    source = obtained(verified=True, reliable=RELIABLE, header=RELIABLE.partition("\n\nvoid\n")[0] + "\n")
    for guard in (False, True):
        rendered = render(combination("cve-2026-84732"), source.tree, "2.6.14", guard=guard, check_names=False)
        found = [
            state(assess(source, "posix", as_compiled(rendered, defined=defined)), "CVE-2026-84732")
            for defined in (True, False)
        ]
        assert found == ["fixed here", "affected" if guard else "fixed here"]


def test_the_line_tells_what_the_release_has_from_what_the_source_has() -> None:
    """Otherwise a build of `recommended` counts one less than a build of stock, and gives both for the release's."""
    source = obtained(verified=True, reliable=RELIABLE, header=RELIABLE.partition("\n\nvoid\n")[0] + "\n")
    rendered = render(combination("cve-2026-84732"), source.tree, "2.6.14", guard=False, check_names=False)
    assert assess(source, "posix").line.startswith("2.6.14 has 10 known vulnerabilities on Linux, 10 of them remote; ")
    assert assess(source, "posix", rendered.files).line.startswith(
        "2.6.14 has 10 known vulnerabilities on Linux; the patched source has 9 (CVE-2026-84732 is fixed in it), "
        "9 of them remote; 2.6.23 has none of them"
    )
    own = assess(obtained(ntlm=NTLM.format(sign=">=")), "posix")
    assert own.line.startswith(
        "2.6.14 has 10 known vulnerabilities on Linux; the source has none for certain "
        "(CVE-2026-11771 is fixed in it), of 9 it cannot be told; "
    )


def test_releases_lists_them_and_fails_only_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    listed = inspect.unwrap(releases)
    listed(vulnerabilities="2.6.14", as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert (document["release"], document["remedy"]) == ("2.6.14", "2.7.7")
    assert len(document["vulnerabilities"]) == 16
    assert document["concern"] == {"linux": 10, "windows": 16}
    listed(vulnerabilities="2.6.14")
    last = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("not established")][-1]
    assert last == "16 in all; 10 concern what patchkit builds for Linux, 16 for Windows"
    assert {"id", "records", "state"} <= document["vulnerabilities"][0].keys()
    with pytest.raises(VulnerableError) as caught:
        listed(vulnerabilities="2.6.14", fail_on_vulnerable=True)
    assert caught.value.exit_code == 81
    listed(vulnerabilities="2.7.8", fail_on_vulnerable=True)
    with pytest.raises(BadUsageError):
        listed(fail_on_vulnerable=True)


def test_export_writes_nothing_where_it_is_to_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "openvpn"
    (source / "src/openvpn").mkdir(parents=True)
    (source / "src/openvpn/reliable.c").write_text(GNU)
    (source / "configure.ac").write_text("")
    given = {"version": "2.6.14", "variant": "retransmit", "source": source, "offline": True, "to": tmp_path / "out"}
    with pytest.raises(VulnerableError):
        inspect.unwrap(export)(form=FormatChoice.plain, fail_on_vulnerable=True, **given)
    assert not (tmp_path / "out").exists()
    inspect.unwrap(export)(form=FormatChoice.plain, as_json=True, **given)
    streams = capsys.readouterr()
    assert "warning: 2.6.14: of 10 known vulnerabilities on Linux it cannot be told" in streams.err
    assert {found["state"] for found in json.loads(streams.out)["vulnerabilities"]} == {"cannot be told"}
