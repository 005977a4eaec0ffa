"""``patchkit verify`` as its users meet it: ticks, documents, exit codes, and names that mean harm."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from patchkit.cli.option_groups import CompileOptions
from patchkit.cli.options import EngineChoice
from patchkit.cli.verify import verify
from patchkit.errors import BadUsageError
from tests.conftest import ROOT, Run
from tests.support.jobs.made_up_release import MADE, VERSION, Upstream, made_up
from tests.support.source.signers import Signer, signer
from tests.support.terminal import ASCII, on_terminal

HISTORY = os.environ.get("PATCHKIT_GIT")  # read at import: conftest clears it afterwards
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
    assert verdict.startswith(
        f"{VERSION}: nothing is wrong in 1 of 7 steps, the others were not run; checked: signature, tag"
    )
    assert "NOT checked: pin, tarball, comparison" in verdict
    assert (tmp_path / "verify" / VERSION / "report.html").is_file()
    assert "[1/7]" in done.stderr


@pytest.mark.slow
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


@pytest.mark.slow
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
        {"version": "2.6.14", "to": Path("pins")},
        {"new": True, "record": ["A=a"]},
        {"new": True, "to": Path("pins"), "record": ["a"]},
        {"new": True, "to": Path("pins"), "record": ["=a"]},
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


@pytest.mark.slow
def test_pins_of_new_releases_are_written(patchkit: Run, upstream: Upstream, tmp_path: Path) -> None:
    upstream.tag()
    env = {**QUIET, "PATCHKIT_CACHE": str(tmp_path / "c"), "PATCHKIT_MIRROR": str(upstream.folder)}
    upstream.tarball()
    out = tmp_path / "out"
    words = ("--new", "--since", "2.9", "--git", upstream.git, "--variant", "cve-2026-84732", "--to", str(out))
    done = patchkit("verify", *words, "--json", env=env)
    document = json.loads(done.stdout)
    assert {entry["what"]: bool(entry["not_checked"]) for entry in document["pins"]} == {"tag": True, "tarball": True}
    assert (done.returncode, document["finding"]["error"]) == (80, "NotCheckedError")
    assert sorted(path.name for path in out.rglob("*") if path.is_file()) == [
        "releases.toml.unchecked", "review.md", "tarballs.toml.unchecked",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(HISTORY is None, reason="PATCHKIT_GIT does not name upstream's full history")
def test_a_release_that_is_taken_out_of_the_pins_gets_the_same_entries(tmp_path: Path) -> None:
    """A copy of patchkit that does not know 2.7.6 writes for it what stands in this one's files."""
    for name in ("patchkit", "patches", "docker"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    releases = tmp_path / "patchkit/releases/releases.toml"
    entries = releases.read_text().rstrip().split("\n\n")
    releases.write_text("\n\n".join(entry for entry in entries if 'tag = "v2.7.6"' not in entry) + "\n")
    tarballs = tmp_path / "patchkit/releases/tarballs.toml"
    tarballs.write_text("\n\n".join(part for part in tarballs.read_text().split("\n\n") if '["2.7.6"]' not in part))
    blob = "b117b4328f9a3453e5867dc19aeb1e530a01eb21"  # ssl.c, which no other release has
    pinned = sorted(path.parent.name for path in tmp_path.glob("patches/*/pins.toml") if blob in path.read_text())
    for name in pinned:
        path = tmp_path / "patches" / name / "pins.toml"
        path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if blob not in line))
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", "patchkit", "verify", "--new", "--since", "2.7.5", "--git", str(HISTORY), "--to", out],
        env={**os.environ, **QUIET, "PYTHONPATH": str(tmp_path), "PATCHKIT_CACHE": str(tmp_path / "c"),
             "PATCHKIT_DEBIAN_MIRROR": str(tmp_path)},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 80, done.stderr  # of the tarball there is one record at most, its signature
    files = ["patchkit/releases/releases.toml", *(f"patches/{name}/pins.toml" for name in pinned)]
    written = {str(path.relative_to(out)) for path in out.rglob("*.toml")}
    assert (len(pinned) > 0, written) == (True, set(files))
    for name in files:
        assert (out / name).read_bytes() == (ROOT / name).read_bytes(), name
