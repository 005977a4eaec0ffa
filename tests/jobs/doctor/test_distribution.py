"""The commands that install what is missing, by what os-release says."""

from __future__ import annotations

import shutil
import subprocess
import tomllib

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.jobs.doctor.checks import probes
from patchkit.jobs.doctor.distribution import TABLE, Step, distribution_from, this
from patchkit.ui import Ui


@pytest.mark.parametrize(
    ("release", "manager", "install"),
    [
        ({"ID": "debian", "VERSION_ID": "12"}, "apt", "apt-get install -y --no-install-recommends gpg"),
        ({"ID": "ubuntu", "ID_LIKE": "debian"}, "apt", "apt-get install -y --no-install-recommends gpg"),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian"}, "apt", "apt-get install -y --no-install-recommends gpg"),
        ({"ID": "fedora"}, "dnf", "dnf install -y gnupg2"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "dnf", "dnf install -y gnupg2"),
        ({"ID": "arch"}, "pacman", "pacman -S --needed --noconfirm gnupg"),
        ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, "zypper", "zypper --non-interactive install gpg2"),
        ({"ID": "alpine"}, "apk", "apk add gnupg"),
    ],
    ids=lambda value: value.get("ID") if isinstance(value, dict) else None,
)
def test_each_package_manager_has_its_own_words(release: dict[str, str], manager: str, install: str) -> None:
    distribution = distribution_from(release)
    assert distribution.manager == manager
    assert " ".join(distribution.install(distribution.kit("openpgp"))[-1].command) == install


def test_debian_is_asked_for_news_first() -> None:
    assert distribution_from({"ID": "debian"}).install(["git"])[0] == Step(["apt-get", "update"])


def test_of_an_unknown_distribution_nothing_is_claimed() -> None:
    unknown = distribution_from({"ID": "plan9", "PRETTY_NAME": "Plan 9"})
    assert (unknown.name, unknown.manager, unknown.kit("git"), unknown.install([])) == ("Plan 9", "", (), ())


def test_on_debian_every_kit_that_a_trial_names_is_known(cache: Cache, ui: Ui) -> None:
    debian = distribution_from({"ID": "debian"})
    kits = {probe.kit for probe in probes(debian, Context(cache, ui)) if probe.kit}
    assert kits == set(debian.kits)
    assert all(debian.kit(kit) for kit in kits)


def test_no_manager_has_a_kit_that_no_trial_wants(cache: Cache, ui: Ui) -> None:
    kits = {probe.kit for probe in probes(distribution_from({"ID": "debian"}), Context(cache, ui))}
    for table in tomllib.loads(TABLE.read_text()).values():
        assert table["kits"].keys() <= kits


@pytest.mark.slow
def test_debian_has_packages_of_these_names() -> None:
    here = this()
    if here.manager != "apt" or shutil.which("apt-cache") is None:
        pytest.skip("no apt here to ask")
    packages = sorted({name for kit in here.kits.values() for name in kit})
    listing = subprocess.run(["apt-cache", "show", *packages], capture_output=True, text=True, check=False).stdout
    assert [name for name in packages if f"Package: {name}\n" not in listing] == []
