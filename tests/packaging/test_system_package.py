"""What packages say of themselves: the change that they hold, and no other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from patchkit.packaging.manifest import Artifact, OwnVariant
from patchkit.packaging.system_package import description, name_of, readme, summary
from patchkit.patching.variants import variant
from tests.support.packaging.artifacts import artifact


def of(name: str, own: Sequence[OwnVariant] = ()) -> Artifact:
    entry = artifact()
    return entry.model_copy(update={"patch": entry.patch.model_copy(update={"variant": name, "own": list(own)})})


def own(name: str, title: str) -> OwnVariant:
    return OwnVariant(name=name, kind="patch", given="mine.diff", sha256="0" * 64, title=title)


def test_a_static_program_has_a_package_of_its_own() -> None:
    """Both can be of one version for one processor, in one folder or one archive of packages."""
    names = {target: name_of(artifact(target=target)) for target in ("linux-amd64", "linux-static-amd64")}
    assert names == {"linux-amd64": "openvpn-patched", "linux-static-amd64": "openvpn-patched-static"}


def test_of_upstreams_source() -> None:
    assert summary(of("stock")) == "virtual private network daemon, unchanged"
    assert description(of("stock")) == "OpenVPN 2.6.14, built by patchkit from upstream's source, unchanged."


@pytest.mark.parametrize("name", ["recommended", "cve-2026-84732", "cve-2026-84732+recommended"])
def test_each_part_by_its_title(name: str) -> None:
    text = " ".join(description(of(name)).split())
    titles = "; ".join(variant(part).title for part in name.split("+"))
    assert text == f"OpenVPN 2.6.14, built by patchkit with a change: {titles}."
    assert max(map(len, description(of(name)).splitlines())) <= 78


def test_of_ones_own_patch() -> None:
    """Its title is what somebody wrote; it may have none."""
    titled = of("mine-1a2b3c4d+recommended", [own("mine-1a2b3c4d", "Mine\nPre-Depends: evil")])
    assert "with a change: Mine Pre-Depends: evil;" in " ".join(description(titled).split())
    assert not any(line.startswith("Pre-Depends") for line in description(titled).splitlines())
    assert "with a change: mine-1a2b3c4d." in description(of("mine-1a2b3c4d", [own("mine-1a2b3c4d", "")]))


def test_the_readme_says_the_same_and_where_plugins_are() -> None:
    text = readme(of("recommended"), "usr/lib/x/openvpn/plugins").decode()
    assert text.startswith(description(of("recommended")))
    assert "/usr/lib/x/openvpn/plugins/NAME.so" in text
