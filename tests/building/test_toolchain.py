"""The table of toolchains, and what is chosen from it."""

from __future__ import annotations

import pytest

from patchkit.building.engine.image import dockerfile
from patchkit.building.toolchain import Toolchain, toolchain
from patchkit.building.toolchain_table import SYSTEM, all_series, bases, features, newest, targets
from patchkit.errors import BadUsageError, ToolchainError, UnknownTargetError
from patchkit.releases.catalog import catalog
from patchkit.releases.libraries import crypto_libraries, libraries
from patchkit.releases.version import Version

LINUX = "linux-amd64"
STATIC = ("linux-static-amd64", "linux-static-arm64", "linux-static-armhf")


def chosen(version: str, crypto: str | None = None, *wanted: str, linking: bool = True) -> Toolchain:
    return toolchain(Version(version), LINUX, crypto=crypto, features=wanted, linking=linking)


def test_every_pinned_release_has_a_whole_toolchain() -> None:
    for release in catalog().releases:
        tools = toolchain(release.version, LINUX)
        assert tools.series.name == release.series
        assert tools.crypto.links
        assert tools.base in bases()
        assert "build-essential" in tools.packages
        assert (tools.openssl is None) == (tools.crypto.library == SYSTEM)
        assert tools.series.genkey
        assert tools.series.test_crypto


@pytest.mark.parametrize(
    ("version", "crypto", "library"),
    [
        ("2.1.4", None, "openssl-1.0.2"),
        ("2.3.18", None, "openssl-1.0.2"),
        ("2.4_rc2", None, "openssl-1.0.2"),
        ("2.4.2", None, "openssl-1.0.2"),
        ("2.4.3", None, "openssl-1.1.1"),
        ("2.4.12", "system", "system"),
        ("2.5.1", None, "openssl-1.1.1"),
        ("2.5.1", "system", "system"),
        ("2.5.11", None, "system"),
        ("2.5.11", "pinned", "openssl-1.1.1"),
        ("2.5.11", "openssl-3.0", "openssl-3.0"),
        ("2.6.14", None, "system"),
        ("2.6.14", "pinned", "openssl-3.0"),
        ("2.7_rc1", None, "openssl-3.5"),
        ("2.7.6", "system", "system"),
    ],
)
def test_a_release_gets_the_library_of_its_time(version: str, crypto: str | None, library: str) -> None:
    assert chosen(version, crypto).crypto.library == library


@pytest.mark.parametrize(
    ("version", "crypto"),
    [("2.3.2", "system"), ("2.4.2", "system"), ("2.6.14", "openssl-1.0.2"), ("2.5.1", "openssl-3.0")],
)
def test_a_library_that_the_release_does_not_take_is_refused_with_those_that_it_does(version: str, crypto: str) -> None:
    with pytest.raises(ToolchainError, match=f"--crypto {crypto}") as caught:
        chosen(version, crypto)
    assert "it can be built with" in caught.value.why
    assert caught.value.advice.startswith("--crypto ")


def test_an_unknown_library_is_refused_with_the_nearest() -> None:
    with pytest.raises(BadUsageError) as caught:
        chosen("2.6.14", "openssl-3.6")
    assert "perhaps you meant --crypto openssl-3." in caught.value.advice
    assert all(name in caught.value.why for name in crypto_libraries())
    assert "lzo" not in caught.value.why


@pytest.mark.parametrize("version", ["2.1.4", "2.3.2", "2.4.2", "2.7.6"])
def test_a_proof_takes_the_systems_headers_unless_told_otherwise(version: str) -> None:
    assert chosen(version, linking=False).crypto.library == SYSTEM
    assert chosen(version, "pinned", linking=False).crypto.library != SYSTEM


def test_features_are_off_by_word_and_on_by_word() -> None:
    assert {"--disable-pkcs11", "--disable-systemd"} <= set(chosen("2.6.14").configure)
    told = chosen("2.6.14", None, "pkcs11", "systemd")
    assert {"--enable-pkcs11", "--enable-systemd"} <= set(told.configure)
    assert not {"--disable-pkcs11", "--disable-systemd"} & set(told.configure)
    assert {"libpkcs11-helper1-dev", "libsystemd-dev"} <= set(told.packages)
    assert "--enable-iproute2" in chosen("2.3.2").configure
    assert "--disable-iproute2" in chosen("2.3.2", None, "net-tools").configure
    assert "--enable-iproute2" not in chosen("2.6.14").configure


@pytest.mark.parametrize(
    ("version", "feature", "error", "word"),
    [
        ("2.2.3", "systemd", ToolchainError, "is not built with systemd"),
        ("2.6.14", "net-tools", ToolchainError, "is not built with net-tools"),
        ("2.3.2", "pkcs11", ToolchainError, "can't be built in with openssl-1.0.2"),
        ("2.6.14", "pkcs12", BadUsageError, "unknown feature"),
    ],
)
def test_a_feature_that_can_not_be_had_is_refused(
    version: str, feature: str, error: type[Exception], word: str
) -> None:
    with pytest.raises(error, match=word):
        chosen(version, None, feature)


def test_features_name_series_that_there_are() -> None:
    known = {series.name for series in all_series()}
    for feature in features():
        assert {name for words in feature.options for name in words.series} <= known


def test_an_unknown_target_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownTargetError, match="linux-amd65") as caught:
        toolchain(Version("2.6.14"), "linux-amd65")
    assert all(target in caught.value.why for target in targets())


def test_a_series_without_toolchain_says_so() -> None:
    with pytest.raises(ToolchainError, match=r"2\.0") as caught:
        chosen("2.0.9")
    assert "2.1, 2.2, 2.3" in caught.value.why


def test_a_series_of_tomorrow_gets_the_newest_toolchain() -> None:
    assert chosen("2.10.0") == chosen(f"{newest()}.99")


def test_the_dockerfile_names_base_and_packages_and_drops_root_before_it_ends() -> None:
    tools = chosen("2.6.14")
    lines = dockerfile(tools, "sha256:base").splitlines()
    assert "FROM sha256:base" in lines
    assert all(any(line.split()[:1] == [package] for line in lines) for package in tools.packages)
    assert [line.split()[0] for line in lines if line.startswith(("RUN", "USER", "COPY"))][-1] == "USER"


@pytest.mark.parametrize("name", STATIC)
def test_a_static_program_holds_all_of_its_libraries(name: str) -> None:
    for release in catalog().releases:
        if release.series in ("2.1", "2.2"):
            with pytest.raises(ToolchainError, match=f"series {release.series} is not built as a static program"):
                toolchain(release.version, name)
            continue
        tools = toolchain(release.version, name)
        assert tools.zig is not None
        assert tools.target.architecture == name.rpartition("-")[2]
        assert tools.openssl is not None
        assert "no-shared" in tools.openssl.configure
        assert "--disable-plugins" in tools.configure
        is_late = release.series in ("2.6", "2.7")
        assert ({"libcap-ng", "libnl"} <= set(tools.series.libraries)) is is_late
        assert set(tools.series.libraries) <= libraries().keys()


def test_what_a_static_program_would_have_to_load_is_refused() -> None:
    for feature in ("pkcs11", "systemd"):
        with pytest.raises(ToolchainError, match=f"linux-static-amd64 is not built with {feature}") as caught:
            toolchain(Version("2.6.14"), "linux-static-amd64", features=[feature])
        assert "a static program loads nothing" in caught.value.why
    with pytest.raises(ToolchainError, match="can't be built with --crypto system"):
        toolchain(Version("2.6.14"), "linux-static-amd64", crypto=SYSTEM)
    tools = toolchain(Version("2.6.14"), "linux-static-amd64", features=["iproute2"])
    assert "--enable-iproute2" in tools.configure


@pytest.mark.parametrize("target", ["windows-amd64", "windows-i686"])
def test_windows_has_everything_statically_and_upstreams_own_build_system(target: str) -> None:
    for release in catalog().releases:
        if release.series in ("2.1", "2.2"):
            with pytest.raises(ToolchainError, match="is not built for Windows"):
                toolchain(release.version, target)
            continue
        tools = toolchain(release.version, target)
        assert tools.openssl is not None
        assert "lzo" in tools.series.libraries
        assert tools.series.recipe == ("cmake" if release.series == "2.7" else "autotools")
        assert tools.target.tool("gcc") == f"{tools.target.triplet}-gcc"
        assert not any("iproute2" in word or "systemd" in word for word in tools.configure)


def test_a_known_feature_linux_is_refused_for_windows() -> None:
    with pytest.raises(ToolchainError, match="windows-amd64 is not built with systemd"):
        toolchain(Version("2.6.14"), "windows-amd64", features=["systemd"])


def test_another_processor_takes_its_packages_and_nothing_else_of_this_machine() -> None:
    here, there = (toolchain(Version("2.6.14"), f"linux-{name}") for name in ("amd64", "arm64"))
    assert here.configure == there.configure
    libraries_of_it = [name for name in there.packages if name.endswith("-dev:arm64")]
    assert [f"{name.removesuffix(':arm64')}" for name in libraries_of_it] == [
        name for name in here.packages if name.endswith("-dev")
    ]
    text = dockerfile(there, "base")
    assert "dpkg --add-architecture arm64" in text
    assert text.index("--add-architecture") < text.index("apt-get update")
    assert "--add-architecture" not in dockerfile(here, "base")


def test_what_only_one_kind_of_target_needs_is_not_given_to_the_other() -> None:
    here, there = (toolchain(Version("2.3.4"), name) for name in (LINUX, "windows-amd64"))
    assert "sys/uio.h" in here.target.cppflags
    assert there.target.cppflags == there.base_target.cppflags
    for tools in (here, there):
        assert "-Wno-error=implicit-function-declaration" in tools.target.cflags
    assert set(there.portability) < set(here.portability)
