"""What the lab's slow tests share: the guest, and programs that are really built. Both stay in the user's cache."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from patchkit.cache import Cache
from patchkit.context import Context
from patchkit.errors import GuestError
from patchkit.jobs.lab.binaries import programs as built
from patchkit.lab.guest import packages
from patchkit.lab.guest.image import Guest, guest
from patchkit.lab.guest.kernel import obtain
from patchkit.lab.guest.kernel.obtain import UmlKernel
from patchkit.lab.guest.kernel.tools import check_processor, lacking
from patchkit.lab.link import uml
from patchkit.lab.link.binaries import Binary, BinaryRequest
from patchkit.lab.link.processes import ProcessGroups
from patchkit.lab.link.qemu_process import installed_qemu
from patchkit.source.obtain import SourceRequest
from patchkit.ui import Ui
from tests.conftest import PINNED
from tests.support.settings import ON_HOST

_SLOW = {"the_guest", "the_kernel", "uml_machine", "programs"}


@pytest.hookimpl(tryfirst=True)  # before -m is looked at
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever asks for one of these is slow, said or not."""
    for item in items:
        if _SLOW & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def the_guest(shared_cache: Cache) -> Guest:
    """The lab's guest. Skips where QEMU or the Debian packages are not available, and only there."""
    ui = Ui(quiet=True)
    pinned = packages.pins()
    try:
        installed_qemu()
        packages.fetched(pinned, Context(shared_cache, ui))
    except GuestError as error:
        pytest.skip(f"{error.what}: {error.why}")
    return guest(Context(shared_cache, ui))


@pytest.fixture(scope="session")
def the_kernel(shared_cache: Cache) -> UmlKernel:
    """The lab's kernel, compiled once a cache. Skips where no place has its source, or this host can't compile it."""
    context = Context(shared_cache, Ui(quiet=True))
    if obtain.kept(context) is None and lacking():
        pytest.skip(f"to compile the lab's kernel, this host lacks {', '.join(lacking())}")
    try:
        return obtain.kernel(context)
    except GuestError as error:
        if not error.what.startswith("no place has"):
            raise
        pytest.skip(f"{error.what}: {error.why}")


@pytest.fixture(scope="session")
def uml_machine(shared_cache: Cache) -> uml.Machine:
    """User-Mode Linux: its kernel is compiled once a cache. Skips on another processor, and only there."""
    try:
        check_processor()
    except GuestError as error:
        pytest.skip(error.what)
    return uml.machine(Context(shared_cache, Ui(quiet=True)), ProcessGroups())


@pytest.fixture(scope="session")
def programs(shared_cache: Cache) -> Mapping[str, Binary]:
    """2.6.14 by variant, ``stock`` and ``retransmit``: built once a cache, in some minutes."""
    requests = [BinaryRequest(PINNED), BinaryRequest(PINNED, "retransmit")]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CFLAGS", "CPPFLAGS", "LDFLAGS"):
            patch.delenv(name, raising=False)
        binaries = built(requests, SourceRequest(), ON_HOST, Context(shared_cache, Ui(quiet=True)))
    return {request.variant: binaries[request] for request in requests}
