"""Where a run's time went: a pytest plugin that ends it with its slowest tests and the time of each group."""

from __future__ import annotations

import os
from collections import defaultdict

import pytest

from tests.support.schedule import group_of
from tests.support.starts import client

SLOWEST = 20
_CPU = "cpu_seconds"


def _used() -> float:
    """Return the seconds of processor time that this process, its children that have ended, and starts took."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system + client.used


class Durations:
    """Adds up what tests took, whichever worker ran them."""

    def __init__(self) -> None:
        self._before = _used()
        self._wall: dict[str, float] = defaultdict(float)
        self._cpu: dict[str, float] = defaultdict(float)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> None:
        """Note in ``item`` the processor time since the last phase: a worker sends it along."""
        now = _used()
        item.user_properties[:] = [(_CPU, now - self._before)]
        self._before = now

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._wall[report.nodeid] += report.duration
        self._cpu[report.nodeid] += sum(float(str(value)) for name, value in report.user_properties if name == _CPU)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        slowest = [(name, seconds) for name, seconds in _most_first(self._wall)[:SLOWEST] if seconds >= 1]
        if not slowest:
            return
        write = terminalreporter.write_line
        terminalreporter.section("slowest tests: seconds, seconds of processor time (containers not counted)")
        for name, seconds in slowest:
            write(f"{seconds:8.1f} {self._cpu[name]:8.1f}  {name}")
        groups: dict[str, float] = defaultdict(float)
        cpu: dict[str, float] = defaultdict(float)
        tests: dict[str, int] = defaultdict(int)
        for name, seconds in self._wall.items():
            group = group_of(name) or "in no group"
            groups[group] += seconds
            cpu[group] += self._cpu[name]
            tests[group] += 1
        terminalreporter.section("groups: seconds, seconds of processor time, tests")
        for group, seconds in _most_first(groups):
            write(f"{seconds:8.1f} {cpu[group]:8.1f} {tests[group]:5d}  {group}")
        write(f"{sum(groups.values()):8.1f} {sum(cpu.values()):8.1f} {sum(tests.values()):5d}  together")


def _most_first(seconds: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(seconds.items(), key=lambda entry: entry[1], reverse=True)
