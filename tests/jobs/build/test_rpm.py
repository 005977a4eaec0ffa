"""The .rpm: what it needs is what the programs are linked with, and rpm itself puts it in and takes it out again."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import PINNED
from tests.support.jobs.packaged import RPM

pytestmark = pytest.mark.slow
_OLD = """\
Name: openvpn
Version: 2.6.3
Release: 1
Summary: old
License: GPL
BuildArch: x86_64
%description
old
%install
install -D -m 755 /dev/null %{buildroot}/usr/sbin/openvpn
install -D -m 644 /dev/null %{buildroot}/etc/openvpn/client/sample.conf
%files
/usr/sbin/openvpn
%config(noreplace) /etc/openvpn/client/sample.conf
"""


@pytest.fixture
def package(packaged: Path) -> Path:
    if shutil.which("rpmbuild") is None:
        pytest.skip("rpmbuild is not installed")
    return packaged / RPM


def rpm(*arguments: object) -> str:
    done = subprocess.run(["rpm", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_it_needs_is_what_the_programs_are_linked_with(package: Path, packaged: Path, tmp_path: Path) -> None:
    assert rpm("-qp", "--qf", "%{NAME} %{VERSION} %{RELEASE} %{ARCH}", package).split() == [
        "openvpn-patched", f"{PINNED}+recommended", "1", "x86_64",
    ]  # fmt: skip
    version = f"{PINNED}+recommended-1"
    assert f"openvpn = {version}" in rpm("-qp", "--provides", package).splitlines()
    assert rpm("-qp", "--conflicts", package).split() == ["openvpn"]
    assert rpm("-qp", "--obsoletes", package).split() == ["openvpn", "<", version]
    archive = next(path for path in packaged.glob("*.tar.gz"))
    subprocess.run(["tar", "-xf", archive, "-C", tmp_path], check=True)
    programs = [
        path for path in tmp_path.rglob("*") if path.suffix == ".so" or (path.name == "openvpn" and path.is_file())
    ]
    assert len(programs) == 3
    dynamic = subprocess.run(["readelf", "--dynamic", *programs], capture_output=True, text=True, check=True).stdout
    linked = {line.split("[")[1].rstrip("]") for line in dynamic.splitlines() if "(NEEDED)" in line}
    requires = rpm("-qp", "--requires", package).split()
    assert {
        word.removesuffix("()(64bit)") for word in requires if word.endswith(".()(64bit)") or ".so" in word
    } >= linked
    assert {word.partition("(")[0] for word in requires if ".so" in word} == linked


def test_nothing_of_the_machine_that_built_it_is_in_it(package: Path) -> None:
    facts = rpm("-qp", "--qf", "%{BUILDHOST} %{VENDOR} [%{FILEUSERNAME}:%{FILEGROUPNAME} ]", package).split()
    assert set(facts) == {"localhost", "patchkit", "root:root"}
    modes = {line.split()[0] for line in rpm("-qp", "-lv", package).splitlines()}
    assert modes == {"drwxr-xr-x", "-rw-r--r--", "-rwxr-xr-x"}
    assert "digests OK" in rpm("--checksig", "--nosignature", package)


def test_rpmlint_has_no_error_but_that_nobody_signed_it(package: Path) -> None:
    if shutil.which("rpmlint") is None:
        pytest.skip("rpmlint is not installed")
    done = subprocess.run(["rpmlint", package], capture_output=True, text=True, check=False)
    errors = [line for line in done.stdout.splitlines() if " E: " in line]
    assert [line.split(" E: ")[1] for line in errors] == ["no-signature"], done.stdout


def test_it_takes_the_place_of_a_distributions_and_leaves_the_configuration(package: Path, tmp_path: Path) -> None:
    """rpm itself, in a root of its own: no system of RPM's is to be had here, so its libraries are not there."""
    if os.geteuid() != 0:
        pytest.skip("only root can use rpm --root")
    root = tmp_path / "root"
    (tmp_path / "old.spec").write_text(_OLD)
    subprocess.run(
        ["rpmbuild", "-bb", "--quiet", "--define", f"_topdir {tmp_path}/old", tmp_path / "old.spec"],
        check=True, capture_output=True,
    )  # fmt: skip
    (old,) = tmp_path.glob("old/RPMS/*/openvpn-2.6.3-1.*.rpm")
    # --noscripts: this root has neither a shell nor systemd, which the scripts call.
    options = ["--root", root, "--dbpath", "/var/lib/rpm", "--nodeps", "--noscripts"]
    rpm("-i", *options, old)
    sample, own = root / "etc/openvpn/client/sample.conf", root / "etc/openvpn/client/me.conf"
    sample.write_text("remote example.org\n")
    own.write_text("remote example.org\n")
    rpm("-U", *options, package)
    assert rpm("-qa", *options[:4]).split() == [RPM.removesuffix(".rpm")]
    assert (root / "usr/sbin/openvpn").read_bytes().startswith(b"\x7fELF")
    assert "/usr/sbin/openvpn" not in rpm("-V", *options[:4], "--nodeps", "openvpn-patched")
    kept = [path for path in (sample, Path(f"{sample}.rpmsave")) if path.exists()]
    assert [path.read_text() for path in kept] == ["remote example.org\n"]
    rpm("-U", "--replacepkgs", *options, package)
    rpm("-e", *options, "openvpn-patched")
    assert not (root / "usr/sbin/openvpn").exists()
    assert own.read_text() == "remote example.org\n"


def test_its_scripts_do_nothing_without_systemd(package: Path) -> None:
    """Each one, on installation, upgrade and removal."""
    for name in ("POSTIN", "PREUN", "POSTUN"):
        script = rpm("-qp", "--qf", f"%{{{name}}}", package)
        assert "systemctl" in script
        for count in ("0", "1", "2"):
            subprocess.run(["/bin/sh", "-e", "-c", script, "sh", count], check=True, env={"PATH": "/nowhere"})
