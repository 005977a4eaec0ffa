"""The kernel's configuration: what the fragment asks for, and a configuration that lacks some of it."""

from __future__ import annotations

import pytest

from patchkit.errors import GuestError
from patchkit.lab.guest.kernel.configuration import fragment, needed, refuse_other, values


def test_the_fragment_asks_for_what_the_lab_uses() -> None:
    wanted = values(fragment())
    for name in ("UML_TIME_TRAVEL_SUPPORT", "NET_NS", "VETH", "TUN", "PACKET", "NET_SCH_NETEM", "NET_SCH_TBF",
                 "NF_TABLES_IPV4", "NFT_NUMGEN", "STATIC_LINK", "TMPFS", "DEVTMPFS", "SSL"):  # fmt: skip
        assert wanted[f"CONFIG_{name}"] == "y"
    # A guest sees no file of the host's.
    assert wanted["CONFIG_HOSTFS"] == "n"


def test_a_kernel_of_the_users_need_not_be_built_like_ours() -> None:
    assert needed()["CONFIG_NET_SCH_NETEM"] == "y"
    assert needed()["CONFIG_HOSTFS"] == "n"
    assert "CONFIG_STATIC_LINK" not in needed()
    assert needed().items() < values(fragment()).items()


def test_a_whole_configuration_passes() -> None:
    lines = [f"{option}={value}" for option, value in values(fragment()).items() if value != "n"]
    refuse_other(values(fragment()), "\n".join([*lines, "# CONFIG_HOSTFS is not set", "CONFIG_MORE=y"]), "Linux")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("# CONFIG_NFT_NUMGEN is not set", "CONFIG_NFT_NUMGEN is n, not y"),
        ("CONFIG_NFT_NUMGEN=m", "CONFIG_NFT_NUMGEN is m, not y"),
        ("", "CONFIG_NFT_NUMGEN is n, not y"),
    ],
)
def test_an_option_that_was_lost_is_named(line: str, why: str) -> None:
    lines = [f"{option}={value}" for option, value in values(fragment()).items() if option != "CONFIG_NFT_NUMGEN"]
    with pytest.raises(GuestError, match="Linux 7 is not configured as the lab needs it") as caught:
        refuse_other(values(fragment()), "\n".join([*lines, line]), "Linux 7")
    assert caught.value.why == why


def test_an_option_that_must_be_off_is_named() -> None:
    lines = [f"{option}={value}" for option, value in needed().items() if value != "n"]
    with pytest.raises(GuestError) as caught:
        refuse_other(needed(), "\n".join([*lines, "CONFIG_HOSTFS=y"]), "Linux 7")
    assert caught.value.why == "CONFIG_HOSTFS is y, not n"


def test_not_all_of_many_are_listed() -> None:
    with pytest.raises(GuestError) as caught:
        refuse_other(needed(), "", "Linux 7")
    assert len(caught.value.why.splitlines()) == 9
    assert caught.value.why.endswith("more")
