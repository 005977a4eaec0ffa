"""Sockets that take a packet late, as behind --shaper or a full queue. The packet waits in to_link, which lies in the
send buffer; an ACK frees the buffer, and the next ciphertext is read into it: another packet goes out under the old
one's length. Upstream's f264f627 ended that in 2.7.7; ``recommended`` brings it along for all others.
"""

from __future__ import annotations

import pytest

from patchkit.releases.version import Version
from tests.reliable.conftest import OLD, POOL, DriverOf
from tests.reliable.harness import ViolationError

pytestmark = pytest.mark.slow

FLIGHTS = "3,20,25,14"
LINKS = [f"busy={ms} loss={loss}" for ms in (20, 200, 1000) for loss in (0, 100, 200)]
"""ms that a packet waits at most, and the packets lost of a thousand, each way."""


def line(link: str) -> str:
    return f"flights={FLIGHTS} delay=50 runs=200 limit=600000 give_up=1 {link}"


@pytest.mark.parametrize("release", [*POOL, *OLD])
def test_what_waits_to_be_sent_is_not_written_over(release: str, driver_of: DriverOf) -> None:
    driver = driver_of(release, "recommended")
    for link in LINKS:
        runs = driver.run(line(link))
        assert sum(run.stale for run in runs) == 0
        assert all(run.finished for run in runs)


@pytest.mark.parametrize("release", [*POOL, *OLD])
def test_these_links_provoke_it(release: str, driver_of: DriverOf) -> None:
    driver = driver_of(release)
    broken = 0
    for link in LINKS:
        try:
            driver.run(line(link))
        except ViolationError as error:
            assert "comes out with" in str(error)  # noqa: PT017 (what it says decides)
            broken += 1
    assert (broken > 0) == (Version.parse(release) < Version.parse("2.7.7"))
