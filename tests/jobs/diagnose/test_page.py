"""The page of a diagnosis: each incident is drawn, and the packet that is stuck is marked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from patchkit.diagnosis.diagnose import Diagnosis, diagnose
from patchkit.diagnosis.finding import Moment
from patchkit.diagnosis.input.files import LogFile
from patchkit.jobs.diagnose.page import html
from patchkit.jobs.diagnose.timeline import timeline
from tests.diagnosis.samples import PACKETS


@pytest.fixture
def found(tmp_path: Path) -> Diagnosis:
    path = tmp_path / "client.log"
    path.write_text(PACKETS)
    return diagnose([LogFile("client.log", path)])


def test_a_stall_is_certain_where_its_packet_is_seen_to_be_sent_again(found: Diagnosis) -> None:
    (finding,) = found.findings
    assert (finding.kind, finding.certainty) == ("stall", "certain")
    assert "for 2.0 s" in finding.reason
    assert [moment.label for moment in finding.moments if moment.stuck] == ["CONTROL 5", "CONTROL 5"]


def test_the_stuck_packet_is_marked(found: Diagnosis) -> None:
    page = html(found)
    assert len(re.findall(r'<line class="stuck"', page)) == 2
    assert len(re.findall(r"<line", page)) == 2 + 4  # the two ends; three packets out and one in
    assert "client (this log)" in page
    assert "192.0.2.4:1194" in page


def test_a_pause_is_cut_short_and_named() -> None:
    drawn = timeline([
        Moment(seconds=seconds, direction="out", label="x") for seconds in (0.0, 0.1, 8.1)
    ])  # fmt: skip
    assert drawn is not None
    assert [stroke.label for stroke in drawn.strokes if stroke.kind == "pause"] == ["8.0 s"]
    assert drawn.height < 200


def test_time_that_runs_backwards_is_drawn_downwards() -> None:
    drawn = timeline([Moment(seconds=seconds, direction="in", label="x") for seconds in (5.0, -1e9, 3.0)])
    assert drawn is not None
    heights = [stroke.y for stroke in drawn.strokes]
    assert heights == sorted(heights)


def test_the_evidence_of_a_stall_is_its_own_lines(tmp_path: Path) -> None:
    """Many lines come before: each packet of a window makes one, and only the stuck one's show the stall."""
    path = tmp_path / "client.log"
    lines = [
        f"Wed Jul 24 16:53:09 2013 us={n + 1} ACK output sequence broken: [{n + 4}] {n} {n + 1}" for n in range(1, 5)
    ]
    path.write_text("\n".join(lines * 4) + "\n" + PACKETS)
    (finding,) = diagnose([LogFile("client.log", path)]).findings
    assert [line.text for line in finding.evidence] == ["ACK output sequence broken: [9] 5 6 7 8"] * 2
    assert [line.line for line in finding.evidence] == [19, 21]


def test_a_long_drawing_has_the_packet_that_is_stuck() -> None:
    moments = [Moment(seconds=float(number), direction="in", label=str(number)) for number in range(350)]
    moments[300] = moments[300].model_copy(update={"stuck": True})
    drawn = timeline(moments)
    assert drawn is not None
    arrows = [stroke for stroke in drawn.strokes if stroke.kind == "in"]
    assert (arrows[0].label, arrows[-1].label, drawn.left_out) == ("230", "349", 230)
    assert [stroke.label for stroke in arrows if stroke.stuck] == ["300"]


def test_a_long_incident_is_cut() -> None:
    drawn = timeline([Moment(seconds=float(number), direction="in", label="x") for number in range(500)])
    assert drawn is not None
    assert drawn.left_out == 380
