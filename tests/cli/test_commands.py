"""The command as its users meet it: what goes to stdout, what to stderr, and every bad input's exit code."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from patchkit import __version__
from patchkit.releases.catalog import catalog
from tests.conftest import Run
from tests.support.patching.samples import GNU


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source tree of our own that the variant fits."""
    folder = tmp_path / "mine"
    (folder / "src/openvpn").mkdir(parents=True)
    (folder / "src/openvpn/reliable.c").write_text(GNU)
    (folder / "configure.ac").write_text("")
    return folder


def child_seconds(*argv: str | Path) -> float:
    """Return the seconds that the CPU counts for one run of ``argv``."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.slow
def test_help_is_fast() -> None:
    """It is about what we import: so it is measured by what typer itself imports to print help, in the same seconds."""
    of_help, of_typer = [], []
    for _ in range(7):
        of_help.append(child_seconds(Path(sys.executable).with_name("patchkit"), "--help"))
        of_typer.append(child_seconds(sys.executable, "-c", "import typer.rich_utils"))
    assert min(of_help) < 2 * min(of_typer)


def test_help_imports_nothing_that_it_does_not_need() -> None:
    code = "import sys, patchkit.cli.app; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", code], check=True, capture_output=True, text=True)
    heavy = {"docker", "git", "jinja2", "matplotlib", "numpy", "pydantic", "requests", "scipy", "tree_sitter"}
    assert not heavy & set(done.stdout.split())


def test_version(patchkit: Run) -> None:
    assert patchkit("--version").stdout == f"patchkit {__version__}\n"


def test_releases_as_text_and_json(patchkit: Run) -> None:
    rows = patchkit("releases").stdout.splitlines()
    listed = json.loads(patchkit("releases", "--json").stdout)
    assert len(rows) == len(listed) + 1 == len(catalog().releases) + 1
    assert {"version", "tag", "commit", "sha256"} <= listed[0].keys()


def test_variants_as_text_and_json(patchkit: Run) -> None:
    known = ["stock", "cve-2026-84732", "early", "handshake", "recommended", "retransmit", "retransmit-flag"]
    assert [row.split()[0] for row in patchkit("variants").stdout.splitlines()] == ["variant", *known]
    assert [variant["name"] for variant in json.loads(patchkit("variants", "--json").stdout)] == known


def test_render_writes_the_diff_and_nothing_else_to_stdout(source: Path, patchkit: Run) -> None:
    done = patchkit("render", "--version", "2.6.14", "--variant", "retransmit", "--source", str(source))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Description: ")
    assert done.stdout.rstrip("\n").splitlines()[-1].startswith(" ")


def test_apply_changes_the_tree_once(source: Path, patchkit: Run) -> None:
    first = patchkit("apply", str(source), "--variant", "retransmit", "--guard", "--json")
    assert first.returncode == 0, first.stderr
    text = (source / "src/openvpn/reliable.c").read_text()
    assert "#ifdef RETRY" in text
    again = patchkit("apply", str(source), "--variant", "retransmit")
    assert again.returncode == 31
    assert (source / "src/openvpn/reliable.c").read_text() == text


def test_a_listener_that_goes_away_does_not_change_the_outcome() -> None:
    command = f"{sys.executable} -P -m patchkit apply nowhere 2>&1 | true; exit ${{PIPESTATUS[0]}}"
    assert subprocess.run(["bash", "-c", command], check=False).returncode == 25


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -P -m patchkit releases --json | head -n1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (["build"], 2, "--version"),
        (["build", "--version", "2.6.14", "--jobs", "0"], 2, "--jobs"),
        (["build", "--version", "2.6.14", "--engine", "podman"], 2, "podman"),
        (["frobnicate"], 2, "frobnicate"),
        (["build", "--version", "2.6.99"], 10, "2.6.23"),
        (["build", "--version", "../../etc"], 10, "2.6.14"),
        (["render", "--version", "2.6.14", "--variant", "retransmitt"], 11, "retransmit"),
        (["build", "--version", "2.6.14", "--source", "mine", "--target", "windows-arm"], 12, "linux-amd64"),
        (["fetch", "--version", "2.6.14", "--offline"], 26, "PATCHKIT_MIRROR"),
        (["build", "--version", "2.6.14", "--source", "nowhere"], 25, "nowhere"),
        (["build", "--version", "2.6.14", "--source", "mine", "--git", "x"], 2, "exclude"),
        (["apply", "nowhere"], 25, "nowhere"),
        (["render", "--version", "2.6.14", "--git", "nowhere"], 27, "nowhere"),
        (["build", "--version", "2.0.9", "--offline"], 42, "2.0"),
        (["build", "--version", "2.3.2", "--offline", "--crypto", "system"], 42, "--crypto openssl-1.0.2"),
        (["build", "--version", "2.6.14", "--crypto", "openssl-3.6"], 2, "perhaps you meant"),
        (["build", "--version", "2.6.14", "--with", "pkcs12"], 2, "pkcs11"),
        (["build", "--version", "2.6.14", "--openssl-source", "/x", "--offline"], 2, "--crypto pinned"),
        (["mirror", "verify", "."], 28, "mirror.json"),
        (["mirror", "sync", "--versions", ",", "--to", "m"], 2, "nothing to collect"),
        (["mirror", "sync", "--versions", "", "--to", "m"], 2, "--versions is given with an empty value"),
        (["mirror", "sync", "--versions", "2.6.14,2.9.9", "--to", "m"], 10, "2.9.9"),
        (["build", "--version", "2.6.14", "--offline", "--target", "toaster"], 12, "toaster"),
        (
            ["build", "--version", "2.6.14", "--variant", "retransmit", "--source", "mine", "--engine", "docker"],
            40,
            "--engine host",
        ),
    ],
)
def test_bad_input(arguments: list[str], code: int, expected: str, source: Path, patchkit: Run, tmp_path: Path) -> None:
    env = {"PATCHKIT_CACHE": str(tmp_path / "cache"), "DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    done = patchkit(*arguments, env=env)
    assert done.returncode == code, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not (tmp_path / "dist").exists()


def test_an_out_that_is_no_folder_is_said_before_the_build(source: Path, patchkit: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = patchkit("build", "--version", "2.6.14", "--source", str(source), "--out", "file/dist")
    assert done.returncode == 51
    assert "file is not a folder" in done.stderr
    assert "==>" not in done.stderr


@pytest.mark.slow
def test_no_network(tmp_path: Path) -> None:
    """A network namespace of its own, with nothing in it: the machine that has no network."""
    if os.getuid() != 0:
        pytest.skip("a network namespace wants root")
    if subprocess.run(["unshare", "--net", "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("this root may not make network namespaces")
    command = ["unshare", "--net", sys.executable, "-P", "-m", "patchkit", "fetch", "--version", "2.6.14"]
    env = {**os.environ, "PATCHKIT_CACHE": str(tmp_path)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 20, done.stderr
    assert "PATCHKIT_MIRROR" in done.stderr


def test_nothing_that_was_typed_reaches_a_terminal_raw(patchkit: Run) -> None:
    done = patchkit("build", "--version", "\033[2J" + "x" * 10_000, env={"LC_ALL": "C", "PYTHONUTF8": "0"})
    assert done.returncode == 10
    assert "\033" not in done.stderr
    assert max(map(len, done.stderr.splitlines())) < 200


def test_an_error_as_json(patchkit: Run) -> None:
    done = patchkit("build", "--version", "2.6.99", "--json")
    document = json.loads(done.stdout)
    assert (document["error"], document["exit_code"], done.returncode) == ("UnknownVersionError", 10, 10)
    assert document["what"]
    assert document["why"]
    assert document["advice"]


def test_an_anchor_that_is_missing_shows_what_was_looked_for(source: Path, patchkit: Run) -> None:
    file = source / "src/openvpn/reliable.c"
    file.write_text(GNU.replace("sequence broken", "is full"))
    done = patchkit("render", "--version", "2.6.14", "--variant", "retransmit", "--source", str(source))
    assert done.returncode == 30
    assert "ACK output sequence broken" in done.stderr
    assert "line 13: dmsg" in done.stderr


def test_wrong_hash_keeps_the_file_aside_and_names_it(patchkit: Run, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "openvpn-2.6.14.tar.gz").write_bytes(b"not what upstream published")
    cache = tmp_path / "cache"
    env = {"PATCHKIT_MIRROR": str(mirror), "PATCHKIT_CACHE": str(cache)}
    done = patchkit("fetch", "--version", "2.6.14", "--offline", env=env)
    assert done.returncode == 22
    (kept,) = re.findall(r"kept as (\S+), sha256", done.stderr)
    assert Path(kept).read_bytes() == b"not what upstream published"
    assert not (cache / "downloads/openvpn-2.6.14.tar.gz").exists()


def test_a_tag_that_moved(patchkit: Run, source: Path) -> None:
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "x"],
        ["tag", "v2.6.14"],
    ):
        subprocess.run(["git", *command], cwd=source, check=True, capture_output=True)
    done = patchkit("render", "--version", "2.6.14", "--git", str(source))
    assert done.returncode == 23
    assert "f588592ee6c6323b9674f470054e1638182c5b71" in done.stderr
