"""``patchkit verify`` as its users meet it: ticks, documents, exit codes, and names that mean harm."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from patchkit.cli.option_groups import CompileOptions
from patchkit.cli.options import EngineChoice
from patchkit.cli.verify import verify
from patchkit.errors import BadUsageError
from tests.conftest import Run
from tests.support.jobs.made_up_release import MADE, VERSION, Upstream, made_up
from tests.support.source.signers import Signer, signer
from tests.support.terminal import ASCII, on_terminal

QUIET = {"GIT_CONFIG_GLOBAL": os.devnull}


@pytest.fixture(scope="module")
def people() -> Iterator[tuple[Signer, str]]:
    with signer() as home:
        yield home, home.key("Upstream", made=MADE - 1000)


@pytest.fixture
def upstream(people: tuple[Signer, str], tmp_path: Path) -> Upstream:
    return made_up(*people, tmp_path / "upstream")


def test_ticks_a_verdict_and_reports(patchkit: Run, upstream: Upstream, tmp_path: Path) -> None:
    upstream.tag()
    words = ("--version", VERSION, "--git", upstream.git, "--key", str(upstream.public), "--only", "source")
    done = patchkit("verify", *words, "--offline", env={**QUIET, "PATCHKIT_CACHE": str(tmp_path / "c")})
    assert done.returncode == 0, done.stderr
    first, source, _, variants, *_, verdict = done.stdout.splitlines()
    assert first.split() == ["step", "state", "result"]
    assert source.split()[:3] == ["\u2713", "source", "passed"]
    assert variants.split()[:3] == ["\u2013", "variants", "skipped"]
    assert verdict.startswith(f"{VERSION}: nothing is wrong in the 1 of 7 steps that were run; checked: signature, tag")
    assert "NOT checked: pin, tarball, comparison" in verdict
    assert (tmp_path / "verify" / VERSION / "report.html").is_file()
    assert "[1/7]" in done.stderr


def test_ticks_differ_on_a_terminal_without_them(upstream: Upstream, tmp_path: Path) -> None:
    env = {**QUIET, **ASCII, "NO_COLOR": "1", "PATCHKIT_CACHE": str(tmp_path / "c")}
    words = ["verify", "--version", VERSION, "--git", upstream.git, "--key", str(upstream.public), "--only", "source"]
    for altered, tick in ((False, "+"), (True, "x")):
        upstream.tag(altered=altered)
        shown = on_terminal([*words, "--offline"], env, columns=200, cwd=tmp_path)
        rows = [line.split()[:2] for line in shown.lines]
        assert [tick, "source"] in rows, shown.text
        assert ["-", "variants"] in rows


def test_a_finding_has_its_exit_code_in_the_document_as_well(patchkit: Run, upstream: Upstream, tmp_path: Path) -> None:
    upstream.tag(altered=True)
    words = ("--version", VERSION, "--git", upstream.git, "--key", str(upstream.public), "--only", "source", "--json")
    done = patchkit("verify", *words, "--offline", env={**QUIET, "PATCHKIT_CACHE": str(tmp_path / "c")})
    report = json.loads(done.stdout)
    assert done.returncode == report["exit_code"] == 71
    assert report["steps"][0]["findings"][0]["error"] == "BadSignatureError"
    assert "error: the signature of the tag is bad" in done.stderr


@pytest.mark.parametrize("name", ["../../x", "x" * 10_000, "2.6.14\n2.6.15"], ids=["path", "10 kB", "newline"])
def test_a_hostile_version_is_refused_in_a_few_words(
    patchkit: Run, upstream: Upstream, tmp_path: Path, name: str
) -> None:
    cache = tmp_path / "c"
    done = patchkit(
        "verify", f"--version={name}", "--git", upstream.git, "--only", "source", "--offline",
        env={**QUIET, "PATCHKIT_CACHE": str(cache)},
    )  # fmt: skip
    assert done.returncode == 10, done.stderr
    assert len(done.stderr) < 1500
    assert sorted(path.name for path in tmp_path.iterdir() if path != cache) == ["upstream"]


def test_new_tags_are_listed(patchkit: Run, upstream: Upstream, tmp_path: Path) -> None:
    env = {**QUIET, "PATCHKIT_CACHE": str(tmp_path / "c")}
    upstream.repository.git("tag", "v2.6.14")
    done = patchkit("verify", "--new", "--since", "2.9", "--git", upstream.git, env=env)
    assert (done.returncode, done.stdout) == (0, "nothing new\n")
    upstream.tag()
    done = patchkit("verify", "--new", "--since", "2.9", "--git", upstream.git, "--json", env=env)
    (tag,) = json.loads(done.stdout)["tags"]
    assert (tag["tag"], tag["signature"]["worth"]) == (f"v{VERSION}", "unknown key")
    assert done.returncode == 30  # the made-up source has no anchors
    words = ("--since", "2.9", "--key", str(upstream.public), "--variant", "early")
    done = patchkit("verify", "--new", "--git", upstream.git, *words, "--json", env=env)
    (tag,) = json.loads(done.stdout)["tags"]
    assert (tag["signature"]["worth"], tag["variants"]) == ("good", {"early": "refused"})
    done = patchkit("verify", "--new", "--git", upstream.git, env=env)
    assert done.returncode == 23  # v2.6.14 is not the one that was pinned
    assert [line.split("  ")[0] for line in done.stdout.splitlines()] == ["release", "2.6.14", VERSION]
    assert "  moved  " in done.stdout
    assert "  new  " in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"new": True, "version": "2.6.14"},
        {"version": "2.6.14", "since": "2.6"},
        {"version": "2.6.14", "only": ["sauce"]},
        {"version": "2.6.14", "signature": Path("x.asc")},
        {"version": "2.6.14", "signature": Path("x.asc"), "source": Path()},
        {"new": True, "only": ["source"]},
        {"new": True, "skip": ["lab"]},
        {"new": True, "source": Path("x.tar.gz")},
        {"new": True, "signature": Path("x.asc")},
        {"new": True, "trials": 10},
        {"new": True, "compiling": CompileOptions(engine=EngineChoice.host)},
        {"new": True, "compiling": CompileOptions(crypto="system")},
        {"new": True, "compiling": CompileOptions(openssl_source=["1.1.1w=x"])},
        {"new": True, "compiling": CompileOptions(jobs=1)},
        {"new": True, "compiling": CompileOptions(features=["pkcs11"])},
        {"new": True, "compiling": CompileOptions(cflag=["-g"])},
        {"new": True, "out": Path("elsewhere")},
        {"new": True, "keep_going": True},
        {"new": True, "offline": True},
        {"new": True, "variant": ["stock"]},
        {"version": "2.6.14", "variant": ["stock"]},
    ],
)
def test_what_makes_no_sense(words: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadUsageError):
        inspect.unwrap(verify)(**words)
    assert list(tmp_path.iterdir()) == []
