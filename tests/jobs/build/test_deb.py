"""The .deb: no error of lintian's, the right dependencies, and it goes in and out again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from patchkit.building.toolchain_table import Base, bases
from patchkit.errors import BadUsageError
from patchkit.pki.short_lived import short_lived_credentials
from tests.conftest import PINNED, ROOT, Run
from tests.support.jobs.builds import engine_or_skip
from tests.support.jobs.packaged import DEB, NAME

pytestmark = pytest.mark.slow


@pytest.fixture
def dist(packaged: Path) -> Path:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("there is no dpkg-deb")
    return packaged


def field(package: Path, name: str) -> str:
    return subprocess.run(
        ["dpkg-deb", "--field", package, name], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_what_it_needs_is_what_the_programs_are_linked_with(dist: Path, tmp_path: Path) -> None:
    package = dist / DEB
    assert (field(package, "Package"), field(package, "Version")) == ("openvpn-patched", f"{PINNED}+recommended-1")
    assert field(package, "Conflicts") == "openvpn"
    assert field(package, "Replaces") == ""  # or dpkg would remove Debian's package only when ours is unpacked
    assert field(package, "Provides") == f"openvpn (= {PINNED}+recommended-1)"
    depends = {entry.split()[0] for entry in field(package, "Depends").split(", ")}
    document = json.loads((dist / f"{NAME}.cdx.json").read_text())
    loaded = {each["name"] for each in document["components"] if each["bom-ref"].startswith("loaded:")}
    assert depends == loaded >= {"libssl3", "libpam0g", "libc6"}
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    version = subprocess.run([tmp_path / "usr/sbin/openvpn", "--version"], capture_output=True, text=True, check=False)
    assert version.stdout.split()[1] == f"{PINNED}+recommended"
    plugins = list(tmp_path.glob("usr/lib/*/openvpn/plugins/*.so"))
    assert len(plugins) == 2
    assert not list(tmp_path.glob("usr/local"))


def test_lintian_has_no_error(dist: Path) -> None:
    if shutil.which("lintian") is None:
        pytest.skip("lintian is not installed")
    as_root = ["--allow-root"] if os.geteuid() == 0 else []
    done = subprocess.run(
        ["lintian", *as_root, "--fail-on", "error", dist / DEB], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_systemd_takes_the_units(dist: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    subprocess.run(["dpkg-deb", "--extract", dist / DEB, tmp_path], check=True)
    units = sorted(tmp_path.glob("usr/lib/systemd/system/*"))
    assert [unit.name for unit in units] == [
        "openvpn-client@.service", "openvpn-server@.service", "openvpn@.service"
    ]  # fmt: skip
    instances = []
    for unit in units:
        instances.append(tmp_path / unit.name.replace("@", "@me"))
        instances[-1].write_text(unit.read_text().replace("/usr/sbin/openvpn", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *instances], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_it_takes_the_place_of_another_openvpn_and_leaves_the_configuration(dist: Path, tmp_path: Path) -> None:
    """dpkg itself, in a root of its own: ours goes in when the other one has gone, and what the user wrote stays."""
    if os.geteuid() != 0:
        pytest.skip("only root can use dpkg --root")
    root, old = tmp_path / "root", tmp_path / "old"
    for folder in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "etc/openvpn/client"):
        (root / folder).mkdir(parents=True)
    for name in ("status", "available"):
        (root / "var/lib/dpkg" / name).touch()
    (old / "DEBIAN").mkdir(parents=True)
    (old / "usr/sbin").mkdir(parents=True)
    (old / "usr/sbin/openvpn").write_text("old")
    (old / "DEBIAN/control").write_text(
        "Package: openvpn\nVersion: 2.6.3-1\nArchitecture: amd64\nMaintainer: x <x@x.org>\nDescription: old\n"
    )
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", old, tmp_path / "old.deb"], check=True)

    def dpkg(*arguments: object, code: int = 0) -> str:
        # --force-depends: this root has no libraries.
        options = ["--root", str(root), "--force-script-chrootless", "--force-depends", "--force-not-root"]
        done = subprocess.run(
            ["dpkg", *options, *map(str, arguments)], capture_output=True, text=True, check=False,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    dpkg("--install", tmp_path / "old.deb")
    (root / "etc/openvpn/client/me.conf").write_text("remote example.org\n")
    assert "conflicting packages" in dpkg("--install", dist / DEB, code=1)
    assert (root / "usr/sbin/openvpn").read_text() == "old"
    dpkg("--remove", "openvpn")
    dpkg("--install", dist / DEB)
    installed = {row.split()[1]: row.split()[0] for row in dpkg("--list").splitlines() if row[:2] in ("ii", "rc")}
    assert installed == {"openvpn-patched": "ii"}
    assert (root / "usr/sbin/openvpn").read_bytes().startswith(b"\x7fELF")
    dpkg("--install", dist / DEB)  # an upgrade to the same version
    dpkg("--remove", "openvpn-patched")
    assert not (root / "usr/sbin/openvpn").exists()
    assert (root / "etc/openvpn/client/me.conf").read_text() == "remote example.org\n"


def test_in_a_running_system_it_takes_the_place_of_debians_own(dist: Path, tmp_path: Path) -> None:
    """A container that runs systemd: installed, started, upgraded from Debian's own, and removed again."""
    engine_or_skip("docker")
    if shutil.which("docker") is None:
        pytest.skip("the command docker is not installed")
    known = subprocess.run(["docker", "image", "inspect", base().image], capture_output=True, check=False)
    if known.returncode != 0:
        pytest.skip(f"{base().image} is not here")
    system = (
        f"FROM {base().image}\nRUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y"
        " --no-install-recommends openvpn systemd\n"
    )
    name = f"patchkit-test-systemd-{os.getpid()}"
    docker("build", "--quiet", "--tag", name, "-", stdin=system)
    try:
        # What systemd takes to run: its own mounts, and a look at the host's groups of processes.
        options = ["--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--security-opt",
                   "apparmor=unconfined", "--tmpfs", "/run", "--volume",
                   "/sys/fs/cgroup:/sys/fs/cgroup:ro"]  # fmt: skip
        docker("run", "--detach", "--name", name, *options, name, "/lib/systemd/systemd")
        keys = tmp_path / "keys"
        keys.mkdir()
        for file, data in short_lived_credentials().items():
            (keys / file).write_bytes(data)
        script = ROOT / "tests/support/packaging/deb_in_system.sh"
        for source, target in ((keys, "/keys"), (dist / DEB, "/package.deb"), (script, "/script.sh")):
            docker("cp", source, f"{name}:{target}")
        docker("exec", name, "timeout", "60", "systemctl", "is-system-running", "--wait")
        lines = docker("exec", name, "sh", "/script.sh", "/package.deb", f"{PINNED}+recommended").splitlines()
    finally:
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)
        subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True, check=False)
    assert lines[1:] == [
        "ours took its place, kept the configuration and runs",
        "an upgrade started it again",
        "removed: nothing runs, the configuration is there",
    ]


def base() -> Base:
    """The base image of the container's system, which is that of the package's toolchain."""
    return next(each for each in bases() if each.suite == "bookworm")


def docker(*arguments: object, stdin: str = "") -> str:
    done = subprocess.run(
        ["docker", *map(str, arguments)], input=stdin, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_packages_that_there_are_not_are_refused_first(patchkit: Run) -> None:
    build = ["build", "--version", PINNED, "--package"]
    assert patchkit(*build, "msi").returncode == BadUsageError.exit_code
    done = patchkit(*build, "deb", "--target", "windows-amd64")
    assert done.returncode == BadUsageError.exit_code
    assert "is for Linux" in done.stderr
