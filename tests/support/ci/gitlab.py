"""As much of GitLab CI as the component uses. A rule of any other form is an error here, not a guess."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from patchkit.cache import Cache
from tests.conftest import ROOT
from tests.support.ci.machine import Line, Machine, cells, documents

COMPONENT = ROOT / "ci/gitlab/templates/patchkit.yml"
SCRIPTS = {"before_script", "script", "after_script"}
TOKEN = "a-token"  # noqa: S105 -- nobody's


def interpolated(inputs: Mapping[str, object]) -> dict[str, Any]:
    """The component's jobs with inputs filled in: where ``$[[ inputs.x ]]`` stands alone as a value, else as text."""
    head, body = documents(COMPONENT)
    declared = head["spec"]["inputs"]
    assert inputs.keys() <= declared.keys()
    given = {key: inputs[key] if key in inputs else field["default"] for key, field in declared.items()}

    def text(value: object) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)

    def filled(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: filled(value) for key, value in node.items()}
        if isinstance(node, list):
            return [filled(value) for value in node]
        if not isinstance(node, str):
            return node
        if alone := re.fullmatch(r"\$\[\[ inputs\.([\w-]+) \]\]", node):
            return given[alone[1]]
        return re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda match: text(given[match[1]]), node)

    return {name: filled(job) for name, job in body.items()}


@dataclass
class Job:
    """One job of a matrix."""

    name: str
    definition: dict[str, Any]
    cell: dict[str, str]

    def run(self, machine: Machine, *, prepared: bool = False) -> bool:
        """Execute ``before_script`` and ``script`` in one shell, then ``after_script``, as the runner does.

        ``prepared``: the machine has ``before_script`` behind it, and loses only what was left by the job itself.
        """
        if prepared:
            machine.clean(keep={".patchkit", ".cache"})
        else:
            self.restore(machine)
        lines = [] if prepared else self.lines("before_script")
        good = machine.shell(self.name, lines + self.lines("script"), self.environment(machine))
        self.run_after(machine)
        return good

    def restore(self, machine: Machine) -> None:
        """Put in place what the runner kept of earlier jobs: here a link to the user's own cache."""
        assert self.definition["cache"] == {"key": "patchkit", "paths": [".cache/patchkit/"]}
        place = machine.folder / self.definition["cache"]["paths"][0]
        place.parent.mkdir(parents=True)
        place.symlink_to(Cache.default().made())

    def run_after(self, machine: Machine) -> None:
        if after := self.lines("after_script"):
            machine.shell(f"{self.name}, after", after, self.environment(machine))

    def lines(self, part: str) -> list[Line]:
        """The lines of one of its scripts."""
        return [Line(COMPONENT.name, self.name, part, text) for text in self.definition.get(part, [])]

    def environment(self, machine: Machine) -> dict[str, str]:
        """The job's variables, those of the matrix above them, each with the platform's own filled in."""
        known = {**machine.environment, "CI_PROJECT_DIR": str(machine.folder)}
        variables = {**self.definition["variables"], **self.cell}
        filled = {
            key: re.sub(r"\$(CI_\w+)", lambda match: known[match[1]], str(value)) for key, value in variables.items()
        }
        return {"CI_PROJECT_DIR": str(machine.folder), **filled}


def jobs(inputs: Mapping[str, object], variables: Mapping[str, str]) -> list[Job]:
    """All jobs that a pipeline with these inputs and variables starts."""
    body = interpolated(inputs)
    started = []
    for name, job in body.items():
        if name.startswith(".") or not any(_holds(rule["if"], variables) for rule in job["rules"]):
            continue
        base = body[job["extends"]]
        whole = {**base, **job, "variables": {**base["variables"], **job.get("variables", {})}}
        started += [Job(name, whole, cell) for axes in job["parallel"]["matrix"] for cell in cells(axes)]
    return started


def lines() -> set[Line]:
    """Every line of a script in a component here: of each job that inherits it, or of its own where none does."""
    scripts = set()
    for path in COMPONENT.parent.rglob("*.yml"):
        _, body = documents(path)
        for name, job in body.items():
            for part in SCRIPTS & job.keys():
                heirs = [heir for heir, other in body.items() if other.get("extends") == name and part not in other]
                scripts |= {Line(path.name, owner, part, text) for owner in heirs or [name] for text in job[part]}
    return scripts


def _holds(rule: str, variables: Mapping[str, str]) -> bool:
    """``"text" == "text"`` or ``$VARIABLE == "text"``, one or several."""
    for term in rule.split(" && "):
        match = re.fullmatch(r'(?:"(\w*)"|\$(\w+)) == "(\w*)"', term)
        assert match, f"a rule of another form: {term}"
        left = variables.get(match[2], "") if match[2] else match[1]
        if left != match[3]:
            return False
    return True
