"""The arms that the options of ``lab run`` name."""

from __future__ import annotations

from patchkit.jobs.lab.arms import ArmRequest, arms_of
from patchkit.lab.link.binaries import BinaryRequest

STOCK, PATCHED = BinaryRequest("2.6.14"), BinaryRequest("2.6.14", "recommended")


def test_variants_come_first_and_what_a_user_would_do_instead_behind_them() -> None:
    arms = arms_of(
        "2.6.14", ["stock", "recommended"], arms=["2.6.14 --tls-timeout 1", "2.6.14 --proto tcp", "2.6.14:2.5.11"]
    )
    timeout = ("--tls-timeout", "1")
    assert arms == [
        ArmRequest.both(STOCK),
        ArmRequest.both(PATCHED),
        ArmRequest(STOCK, STOCK, timeout, timeout),
        ArmRequest(STOCK, STOCK, proto="tcp"),
        ArmRequest(STOCK, BinaryRequest("2.5.11")),
    ]


def test_options_of_one_side() -> None:
    (arm,) = arms_of(None, [], client="2.6.14 --tls-timeout 1", server="2.6.14+recommended")
    assert arm == ArmRequest(STOCK, PATCHED, ("--tls-timeout", "1"))
    (both,) = arms_of(None, [], client="2.6.14 --proto tcp4 --a 'b c'", server="2.6.14 --proto tcp-server")
    assert both == ArmRequest(STOCK, STOCK, ("--a", "b c"), proto="tcp")


def test_an_arm_named_twice_is_there_once() -> None:
    assert arms_of("2.6.14", ["stock"], arms=["2.6.14", "2.6.14:2.6.14"]) == [ArmRequest.both(STOCK)]
