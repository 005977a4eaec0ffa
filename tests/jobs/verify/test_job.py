"""A whole verification: which steps run, what stops them, what is reported, and what the lab's figures amount to."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import (
    BadUsageError,
    CompileError,
    HarmError,
    NoBenefitError,
    NotProvenError,
    PatchkitError,
    SmokeError,
    UnknownVariantError,
)
from patchkit.jobs.build.outcome import Outcome
from patchkit.jobs.verify.build import compilation, smoke_tests
from patchkit.jobs.verify.evidence import EvidenceRequest
from patchkit.jobs.verify.job import VerifyRequest, chosen_steps, required_evidence, verify
from patchkit.jobs.verify.lab import conclusions
from patchkit.jobs.verify.model import STEPS, Fact, Finding, StepName, StepResult, Verification
from patchkit.jobs.verify.report import html, markdown, write
from patchkit.lab.results.results import results
from patchkit.patching.variants import default_variant, names
from patchkit.source.obtain import SourceRequest
from patchkit.ui import Ui
from tests.conftest import PINNED
from tests.conftest import upstream as real_source
from tests.support.jobs.made_up_release import VERSION, Upstream, made_up
from tests.support.lab.synthetic import campaign, lossy, trial
from tests.support.patching.samples import GNU
from tests.support.settings import SOONER_ON_HOST
from tests.support.source.samples import folder_of
from tests.support.source.signers import Signer


def order(upstream: Upstream, tmp_path: Path, *steps: StepName, **options: object) -> VerifyRequest:
    evidence = EvidenceRequest(SourceRequest(VERSION, git=upstream.git), keys=(upstream.public,))
    request = VerifyRequest(evidence, steps=steps or STEPS, settings=SOONER_ON_HOST, out=tmp_path / "out")
    return replace(request, **options)  # type: ignore[arg-type]


def states(verification: Verification) -> dict[str, str]:
    return {step.name: step.state for step in verification.steps}


@pytest.mark.parametrize(
    ("only", "skip", "left"),
    [
        ([], [], list(STEPS)),
        (["source"], [], ["source"]),
        (["lab,source"], [], ["source", "lab"]),
        (["lab", "source"], ["lab"], ["source"]),
        ([], ["lab", "prove"], ["source", "vulnerabilities", "variants", "build", "smoke"]),
    ],
)
def test_steps_are_chosen_and_keep_their_order(only: list[str], skip: list[str], left: list[str]) -> None:
    assert chosen_steps(only, skip) == left


@pytest.mark.parametrize(("only", "skip"), [(["sauce"], []), ([], [""]), (["lab"], ["lab"]), ([], [",".join(STEPS)])])
def test_steps_that_make_no_sense_are_refused(only: list[str], skip: list[str]) -> None:
    with pytest.raises(BadUsageError):
        chosen_steps(only, skip)


def test_the_default_variant_is_there() -> None:
    assert default_variant() in names()


def test_a_release_that_nobody_has_pinned(upstream: Upstream, tmp_path: Path, cache: Cache) -> None:
    upstream.tag()
    verification = verify(order(upstream, tmp_path, "source"), Context(cache, Ui(quiet=True), offline=True))
    assert (verification.release, verification.pinned, verification.exit_code) == (VERSION, False, 0)
    assert verification.verdict == (
        f"{VERSION}: nothing is wrong in 1 of 7 steps, the others were not run; "
        "checked: signature, tag; NOT checked: pin, tarball, comparison"
    )
    assert states(verification) == {"source": "passed"} | dict.fromkeys(STEPS[1:], "skipped")


@pytest.mark.parametrize(
    ("required", "lacking"), [("signature,tag", ""), ("tag,tarball,comparison", "tarball, comparison"), ("pin", "pin")]
)
def test_evidence_that_is_required(
    required: str, lacking: str, upstream: Upstream, tmp_path: Path, cache: Cache
) -> None:
    upstream.tag()
    request = replace(order(upstream, tmp_path, "source"), require=required_evidence([required]))
    verification = verify(request, Context(cache, Ui(quiet=True), offline=True))
    assert verification.exit_code == (80 if lacking else 0)
    assert [finding.what for finding in verification.findings] == (
        [f"not checked, and required: {lacking}"] if lacking else []
    )


def test_evidence_that_nobody_knows_is_refused() -> None:
    with pytest.raises(BadUsageError):
        required_evidence(["tag,faith"])


def test_what_was_tampered_with_is_looked_at_and_never_run(upstream: Upstream, tmp_path: Path, cache: Cache) -> None:
    upstream.tag(altered=True)
    verification = verify(order(upstream, tmp_path), Context(cache, Ui(quiet=True), offline=True))
    # It is a source without the anchors as well, and each kind of finding has its code; the first one counts.
    looked_at = {"source": "finding", "vulnerabilities": "passed", "variants": "finding"}
    assert states(verification) == looked_at | dict.fromkeys(STEPS[3:], "not run")
    assert [finding.exit_code for finding in verification.findings] == [71, 30]
    assert verification.exit_code == 71
    assert not (cache.root / "programs").exists()
    assert not (cache.root / "logs").exists()


def test_leaving_the_first_step_away_hides_nothing(upstream: Upstream, tmp_path: Path, cache: Cache) -> None:
    upstream.tag(altered=True)
    verification = verify(order(upstream, tmp_path, "build"), Context(cache, Ui(quiet=True), offline=True))
    assert (states(verification)["build"], verification.exit_code) == ("finding", 71)
    assert not (cache.root / "programs").exists()


def test_a_variant_that_is_refused_is_not_built(upstream: Upstream, tmp_path: Path, cache: Cache) -> None:
    upstream.tag()
    verification = verify(
        order(upstream, tmp_path, "variants", "prove", "build", "lab"), Context(cache, Ui(quiet=True), offline=True)
    )
    left_out = dict.fromkeys(("source", "vulnerabilities", "smoke"), "skipped")
    assert states(verification) == left_out | {"variants": "finding"} | dict.fromkeys(
        ("prove", "build", "lab"), "not run"
    )
    assert verification.exit_code == 30
    assert "reliable.c" in " ".join(finding.why + finding.what for finding in verification.findings)


@pytest.mark.parametrize(("variants", "error"), [(["stock"], BadUsageError), (["none-such"], UnknownVariantError)])
def test_variants_that_make_no_sense(
    upstream: Upstream, tmp_path: Path, cache: Cache, variants: list[str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        verify(order(upstream, tmp_path, variants=variants), Context(cache, Ui(quiet=True), offline=True))


def sample() -> Verification:
    finding = Finding(error="AnchorError", exit_code=30, what="<b>|not* found", why="line\n<script>", advice="a_b")
    step = StepResult(
        name="source", title="The source", state="finding", summary="<i>", seconds=1.25, findings=[finding],
        facts=[Fact(name="f<1>", value="v|1", good=good) for good in (True, False, None)],
    )  # fmt: skip
    return Verification(
        patchkit="1", release=VERSION, variants=["retransmit"], pinned=False, verdict="<verdict>", exit_code=30,
        checked=["tag"], not_checked=["pin"],
        steps=[step],
    )  # fmt: skip


def test_reports_are_whole_and_take_text_as_text(tmp_path: Path) -> None:
    write(sample(), tmp_path / "r")
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == ["report.html", "report.json", "report.md"]
    assert Verification.model_validate_json((tmp_path / "r/report.json").read_bytes()) == sample()
    page, text = html(sample()), markdown(sample())
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<b>" not in page + text
    assert "v\\|1" in text
    assert "://" not in page

    class Strict(HTMLParser):
        open: list[str] = []  # noqa: RUF012 - one parser, one page

        def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
            if tag not in ("meta", "br"):
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    parser = Strict()
    parser.feed(page)
    assert parser.open == []


ARMS = {"2.6.14": "stock", "2.6.14+retransmit": "retransmit"}


def test_a_patch_that_helps() -> None:
    this = campaign(trials=60)
    step = conclusions(results(this, lossy(this)), ARMS, frozenset())
    facts = {fact.name: (fact.value, fact.good) for fact in step.facts}
    assert step.findings == []
    assert facts["need"][0].startswith("stock fails in 5 of 60 handshakes, median ")
    assert facts["benefit of retransmit"][1] is True
    assert " times stock's control packets: more" in facts["cost of retransmit"][0]


@pytest.mark.parametrize(
    ("this", "superseded", "kind"),
    [("worse", False, HarmError), ("same", False, NoBenefitError), ("same", True, None), ("worse", True, HarmError)],
)
def test_a_patch_that_does_not(this: str, superseded: bool, kind: type[Exception] | None) -> None:
    todo = campaign(trials=40)
    first, other = todo.cells
    trials = [trial(first.id, number, 1.0) for number in range(1, 41)]
    trials += [trial(other.id, number, 1.0 if this == "same" else "timeout") for number in range(1, 41)]
    step = conclusions(results(todo, trials), ARMS, frozenset({"retransmit"} if superseded else ()))
    assert [type(error) for error in step.findings] == ([kind] if kind else [])


def real_release(
    people: tuple[Signer, str],
    tmp_path: Path,
    cache: Cache,
    around: Mapping[str, tuple[bytes, bytes]] = MappingProxyType({}),
) -> Upstream:
    """The sources of a real release as 2.6.99, with something before and behind some files; no tag so far."""
    fresh = made_up(*people, tmp_path / "upstream")
    source = real_source(PINNED, cache)
    files = {path: entry.read().join(around.get(path, (b"", b""))) for path, entry in source.entries.items()}
    files["version.m4"] = source.read("version.m4").replace(b"[.14]", b"[.99]")
    assert files["version.m4"] != source.read("version.m4")
    assert around.keys() <= files.keys()
    for old in fresh.repository.path.iterdir():
        if old.name != ".git":
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    folder_of(files, fresh.repository.path)
    for path, entry in source.entries.items():
        (fresh.repository.path / path).chmod(entry.mode & 0o777)
    fresh.repository.commit({})
    return fresh


@pytest.mark.slow
def test_all_steps_of_a_release_that_nobody_has_pinned(
    people: tuple[Signer, str], tmp_path: Path, shared_cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real sources, under a number that no pin knows, in a repository whose tag is signed."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    fresh = real_release(people, tmp_path, shared_cache)
    fresh.tag("v2.6.99")
    evidence = EvidenceRequest(SourceRequest("2.6.99", git=fresh.git), keys=(fresh.public,))
    # Upstream has cured the fault in 2.6: that so few trials show no benefit is no finding.
    request = VerifyRequest(evidence, variants=["retransmit"], settings=SOONER_ON_HOST, trials=10, out=tmp_path / "out")
    verification = verify(request, Context(shared_cache, Ui(quiet=True)))
    assert verification.findings == []
    assert set(states(verification).values()) == {"passed"}
    assert verification.verdict.startswith("2.6.99: nothing is wrong; ")
    assert "; checked: signature, tag" in verification.verdict
    write(verification, tmp_path / "out/2.6.99")
    lab = next(fact.value for fact in verification.steps[-1].facts if fact.name == "report")
    assert (tmp_path / "out/2.6.99" / lab).is_file()
    read = json.loads((tmp_path / "out/2.6.99/report.json").read_text())
    assert [step["name"] for step in read["steps"]] == list(STEPS)
    again = verify(request, Context(shared_cache, Ui(quiet=True)))  # nothing is built or run twice
    assert sum(step.seconds for step in again.steps if step.name in ("build", "lab")) < 20


NEVER_STARTS = b"""
__attribute__((constructor)) static void never_starts(void)
{
    _exit(3);
}
"""
ITS_OWN_TEXT = b"""
__asm__(".section .data\\n.incbin \\"reliable.c\\"\\n.text");
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "before", "behind", "step", "error"),
    [
        ("src/openvpn/ping.c", b"", b"#error it never compiles\n", "build", CompileError),
        ("src/openvpn/ping.c", b"", NEVER_STARTS, "smoke", SmokeError),
        # What the variant changes is found again in a place that it should not change.
        ("src/openvpn/reliable.c", b"", ITS_OWN_TEXT, "prove", NotProvenError),
    ],
    ids=["does not compile", "does not start", "is not proven"],
)
def test_what_each_step_finds_has_its_exit_code(
    path: str, before: bytes, behind: bytes, step: StepName, error: type[PatchkitError],
    people: tuple[Signer, str], tmp_path: Path, cache: Cache, shared_cache: Cache, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    fresh = real_release(people, tmp_path, shared_cache, {path: (before, behind)})
    fresh.tag("v2.6.99")
    steps: tuple[StepName, ...] = ("prove",) if step == "prove" else ("build", "smoke", "lab")
    evidence = EvidenceRequest(SourceRequest("2.6.99", git=fresh.git), keys=(fresh.public,))
    request = VerifyRequest(
        evidence, variants=["retransmit"], settings=SOONER_ON_HOST, steps=steps, out=tmp_path / "out"
    )
    verification = verify(request, Context(cache, Ui(quiet=True), offline=True))
    assert states(verification)[step] == "finding"
    assert verification.exit_code == error.exit_code
    assert {(finding.error, finding.exit_code) for finding in verification.findings} == {
        (error.__name__, error.exit_code)
    }
    if step == "build":
        # One fault, reported once: neither for each variant, nor by the steps that had nothing to run.
        assert [(step.name, step.state) for step in verification.steps[-2:]] == [
            ("smoke", "not run"),
            ("lab", "not run"),
        ]
        assert len(verification.findings) == 1
        assert "it never compiles" in verification.findings[0].why
    elif step == "smoke":
        assert states(verification)["build"] == "passed"
        assert states(verification)["lab"] == "not run"
    else:
        assert ".data in src/openvpn/reliable.c differs" in verification.findings[0].why


def outcome(variant: str, error: PatchkitError) -> Outcome:
    return Outcome(variant, None, error, 1.0, fresh=True)


def test_what_did_not_compile_was_not_tested_either() -> None:
    error = CompileError("make failed")
    both = [outcome("stock", error), outcome("retransmit", error)]
    assert compilation(both).findings == [error]
    assert compilation(both).summary == "0 of 2 compiled: stock, retransmit"
    assert smoke_tests(both, reported=True).findings == []
    assert smoke_tests(both, reported=False).findings == [error]


def test_a_program_that_fails_its_test_has_compiled() -> None:
    error = SmokeError("no handshake")
    outcomes = [outcome("retransmit", error), outcome("early", CompileError("make failed"))]
    step = compilation(outcomes)
    assert (step.summary, [error.exit_code for error in step.findings]) == ("1 of 2 compiled: retransmit, early", [44])
    assert smoke_tests(outcomes, reported=True).findings == [error]


@pytest.mark.slow
def test_keep_going_runs_even_what_was_tampered_with(upstream: Upstream, tmp_path: Path, cache: Cache) -> None:
    upstream.repository.commit({"src/openvpn/reliable.c": GNU.encode()})  # the variant applies to it
    upstream.tag(altered=True)
    variants = ["retransmit"]
    settings = replace(SOONER_ON_HOST, crypto="system")
    bold: dict[str, object] = {"variants": variants, "keep_going": True, "settings": settings}
    careful = verify(
        order(upstream, tmp_path, "source", "build", variants=variants), Context(cache, Ui(quiet=True), offline=True)
    )
    assert states(careful)["build"] == "not run"
    assert not (cache.root / "logs").exists()
    verification = verify(
        order(upstream, tmp_path, "source", "build", **bold), Context(cache, Ui(quiet=True), offline=True)
    )
    assert states(verification)["build"] == "finding"  # made up as it is, it does not compile: so it was compiled
    assert (cache.root / "logs").exists()
    assert [finding.exit_code for finding in verification.findings] == [71, 44]
    assert verification.exit_code == 71  # and nothing of that makes it upstream's
    # What does not compile is not hidden where the step of building is left away, either.
    only = verify(order(upstream, tmp_path, "source", "smoke", **bold), Context(cache, Ui(quiet=True), offline=True))
    assert (states(only)["smoke"], [finding.exit_code for finding in only.findings]) == ("finding", [71, 44])
