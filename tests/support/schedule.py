"""Which slow tests run one after the other, and in which order: the groups that ``--dist loadgroup`` goes by here.

Tests of one group share something that only one of them may use at a time (the Docker daemon's containers, wine, the
system's packages), or a fixture that takes long to make. A worker runs one group after the other; so the groups that
take longest come first, and what belongs to no group fills the gaps at the end.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

NIGHT = "PATCHKIT_LONG_TESTS"
"""The variable with which the nightly tests are run too; ``--nightly`` sets it."""
GROUPS = {
    # All that makes images, or containers that are no workspaces: these are looked for.
    "docker": r"/engine/test_(docker|image)|/test_cross_docker|/test_other_machines|the_image|images_come"
    r"|another_one_the_mirrors|compiles_in_a_container|damaged_image|while_an_image|(test_examples|/docs/).*(image|doctor)|doctor/test_checks\.py.*docker",
    # There is one wine at a time, and its processes are looked for.
    "wine": r"/test_windows|/docs/.*windows|/test_launch\.py|the_compilers_of_this_host",
    "campaigns": r"/jobs/lab/",
    "containers": r"/build/.*docker|/test_prove\.py.*docker",
    # They install packages.
    "walks": r"tests/ci/test_walk_|/test_launcher|/cli/test_doctor",
    "verify": r"/jobs/verify/",
    "documents": r"/docs/|/test_architecture",
    "builds": r"/build/test_(release|killed|combined|all_releases)",
    "prove": r"/test_prove|/prove/",
    "examples": r"/test_examples",
    "mirrors": r"/mirror/",
    # One build for all of them.
    "packages": r"/build/test_(deb|rpm|oci|corresponding_source)|/jobs/rebuild/",
    "guests": r"/lab/",
    "peers": r"/build/test_(known_bad|interop|misbehaving_peers|forged_reset)|/test_smoke",
    # Each starts a scheduler and workers of Dask, and looks for processes of theirs.
    "cluster": r"/cluster/",
    "reliable-2.6": r"/reliable/.*2\.6\.14|/reliable/test_mutations",
    "reliable": r"/reliable/",
    "openssl": r"/test_library_builder|/build/test_(libraries|old_releases)",
    # They share what zig has compiled of musl, and an OpenSSL.
    "static": r"/build/test_static",
}
"""Regular expressions on test ids, by group: the first that is found decides."""


NIGHTLY = {
    r"/test_cross_docker\.py::test_windows": "five minutes a target and an image with wine; test_windows.py builds and"
    " tests the same on the host, and test_another_processor cross-compiles in a container",
    r"/test_windows\.py::.*\[2\.6\.14": "its OpenSSL 3.5 takes longer than the 1.1.1 of 2.5.1, which is built"
    " and tried by day; both are built in the same way, and their words are in toolchains.toml",
    r"/test_windows\.py::test_32_bits": "wine for 32 bits is of another architecture; the target of 64 bits shows it",
    r"/test_windows\.py::test_the_newest_series_is_built_with_cmake": "OpenVPN for Windows a third time; by day"
    " test_windows.py builds and tries an older series, and test_choose.py shows which recipe a series has",
    r"/test_windows\.py::test_two_builds_are_the_same_to_the_byte": "compiles from cold with one job, four minutes of"
    " processor time on a slow machine; by day the host's programs from cold, a rebuild with all else changed, and a"
    " signed program for Windows that is the same but for the signature",
    r"/test_release\.py::test_alone_from_cold.*\[docker\]": "containers have no ccache: minutes; by day test_rebuild.py"
    " compiles from cold on the host, and test_sync.py that two containers of one image give the same bytes",
    r"/build/test_static\.py": "zig's musl and an OpenSSL of its own are compiled, for minutes; by day test_zig.py"
    " shows how its wheel is fetched and its tools are called, test_elf.py what a static program is, and"
    " test_every_target.py how targets are planned",
    r"/test_release\.py::test_alone_from_cold.*\[host\]": "compiles from cold; by day test_rebuild.py does, with all"
    " else changed at once",
    r"/test_cflags\.py::test_sanitizers": "OpenVPN with two sanitizers takes minutes; by day test_flags.py looks at"
    " small programs with and without them",
    r"/test_libraries\.py.*\[docker\]": "its OpenSSL takes two minutes; the host engine shows it with a real OpenSSL,"
    " and test_docker.py compiles a made-up one in a container",
    r"/test_release\.py::test_the_newest_series_builds\[(docker|host)-default": "its OpenSSL 3.5 takes minutes; both"
    " engines show the series with the system's, and test_windows.py, test_libraries.py and test_sync.py link an"
    " OpenSSL 1.1.1",
    r"/cluster/test_builds\.py|/cluster/test_tls\.py::test_trials"
    r"|/cluster/test_campaign\.py::test_(a_kernel|an_interrupt|a_result|the_scheduler)": "half a minute of processor"
    " time and more each; by day a campaign whose worker is killed, and workers and clients that are refused, show the"
    " same client, tasks and workers",
    r"/test_walk_git(hub|lab)\.py::test_parts_of": "two parts of a campaign, or of all releases, and the job that"
    " merges them take minutes each; test_merge.py and test_parts.py merge parts, and test_lint.py reads the pipelines",
    r"/test_deb\.py::test_in_a_running_system": "a system with systemd and Debian's openvpn is installed for it, half a"
    " minute; by day dpkg puts the same package into a root of its own, and systemd-analyze reads the units",
    r"/rebuild/test_other_machines": "compiles six times in containers, without ccache, and bootstraps a Debian for"
    " arm64; by day an artifact is rebuilt on the host, from cold, with all but engine and processor changed at once",
    r"/kernel/test_obtain\.py.*compiles_in_a_container": "its image takes a minute; by day test_docker.py writes beside"
    " files that were put into a container's folders, and the other tests of test_obtain.py compile on the host",
    r"/test_release\.py::test_the_newest_series_builds\[docker-system": "the host engine shows the series, and"
    " containers of the same image compile 2.6.14",
    r"/test_release\.py::test_an_interrupt_in_mid_build.*\[(docker-2|host-15)\]": "by day either engine is sent one of"
    " the two signals; test_signals.py shows that both end in the same way",
    r"/prove/test_job\.py::test_variants_whose_structs_grow\[(2\.5\.1|2\.7\.7|2\.6\.14-early)": "a minute and more of"
    " processor time each; by day recommended, which has all the parts of the others in it, is proven on 2.6.14",
    r"/test_prove\.py::test_a_source_by_hand_brings_no_answers": "the whole of OpenVPN is compiled once more; by day"
    " test_job.py and test_choose.py show it on made-up trees that need seconds",
    r"/test_known_bad\.py::test_on_a_bad_link.*\[2\.5\]": "the same fault of the same patch; by day 2.6 dies of it",
    r"/link/test_qemu\.py::test_(a_program_that_does_not_start\[another|memory_that_runs_out_later)": "a machine is"
    " booted for each; by day one whose program lacks a library, whose disk fills up, or which has too little memory",
    r"/kernel/test_changes\.py::test_they_fit_every_pinned_source": "each source is 165 MB to fetch and to unpack; by"
    " day they fit the source that the lab's kernel is compiled from",
    r"/test_killed\.py::test_killed_and_then_again\[all\]": "ten builds that begin anew; by day three moments of these",
    r"/test_release\.py::test_two_runs_at_once.*\[docker\]": "two runs share a cache and a folder on the host engine;"
    " that containers do not disturb each other, the tests that run side by side show",
}
"""Tests that only a nightly run has, as regular expressions on their ids, and where the same is shown by day."""


def is_nightly(nodeid: str) -> bool:
    """Return whether only a nightly run has the test ``nodeid``."""
    return any(re.search(pattern, f"/{nodeid}") for pattern in NIGHTLY)


def group_of(nodeid: str) -> str | None:
    """Return the group of the slow test ``nodeid``; None where it can run beside any other."""
    return next((group for group, pattern in GROUPS.items() if re.search(pattern, nodeid)), None)


def refuse_unsaid(items: list[pytest.Item]) -> None:
    """Raise pytest.UsageError for a file with a slow test in which ``mark.slow`` does not stand.

    ci/test collects the slow tests from those files only: to collect all takes each worker ten seconds more.
    """
    paths = {item.path for item in items if item.get_closest_marker("slow") is not None}
    if unsaid := sorted(str(path) for path in paths if not says_slow(path)):
        raise pytest.UsageError(f"slow tests, and no mark.slow or no name like test_*.py: {', '.join(unsaid)}")


def says_slow(path: Path) -> bool:
    """Return whether ci/test collects slow tests from the file ``path``."""
    return path.match("test_*.py") and "mark.slow" in path.read_text("utf-8")


def mark_nightly(items: list[pytest.Item]) -> None:
    """Mark those of ``items`` that are in NIGHTLY."""
    for item in items:
        if is_nightly(item.nodeid):
            item.add_marker(pytest.mark.nightly)


def arrange(items: list[pytest.Item]) -> None:
    """Sort ``items``: quick tests first, then the slow ones by group."""
    places = {group: place for place, group in enumerate(GROUPS)}

    def place(item: pytest.Item) -> int:
        if item.get_closest_marker("slow") is None:
            return -1
        group = group_of(item.nodeid)
        return len(places) if group is None else places[group]

    items.sort(key=place)


class ByGroup(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a whole group to one worker, and a test of no group alone.

    xdist's own loadgroup scheduler wants the group in a test's id, where pytest 9.2 lets nobody write it.
    """

    def _split_scope(self, nodeid: str) -> str:
        """Return the name of what is given to one worker together with the test ``nodeid``."""
        return group_of(nodeid) or nodeid
