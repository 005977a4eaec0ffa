"""As much of GitHub Actions as the workflow uses. An expression of any other form is an error here, not a guess."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.support.ci.machine import Line, Machine, cells, documents

WORKFLOW = ROOT / "ci/github/patchkit.yml"
WEEKLY = ROOT / "ci/github/patchkit-weekly.yml"
TOKEN = "a-token"  # noqa: S105 -- nobody's


@dataclass
class Context:
    """What expressions can see."""

    values: dict[str, object]
    outputs: dict[str, str] = field(default_factory=dict)

    def value(self, expression: str) -> object:
        """``inputs.x``, ``matrix.x``, ``github.token``, ``fromJSON`` of one of these, or one ``|| 'text'``."""
        if either := re.fullmatch(r"([\w.]+) \|\| '([^']*)'", expression):
            return self.value(either[1]) or either[2]
        if inner := re.fullmatch(r"fromJSON\((.+)\)", expression):
            return json.loads(str(self.value(inner[1])))
        return self.values[expression]

    def filled(self, text: object) -> str:
        """A text with its ``${{ }}`` replaced."""
        return re.sub(r"\$\{\{ (.+?) \}\}", lambda match: str(self.value(match[1])), str(text))

    def holds(self, condition: str, folder: Path, *, good: bool) -> bool:
        """A step's or a job's ``if``."""
        terms = condition.split(" && ")
        outcomes = {"success()": good, "failure()": not good, "always()": True, "!cancelled()": True}
        result = good if not outcomes.keys() & set(terms) else True
        for term in terms:
            if term in outcomes:
                result &= outcomes[term]
            elif there := re.fullmatch(r"hashFiles\('([^']+)'\) != ''", term):
                result &= (folder / there[1]).exists()
            elif same := re.fullmatch(r"steps\.(\w+\.outputs\.\w+) == '([^']*)'", term):
                result &= self.outputs.get(same[1], "") == same[2]
            elif term.startswith("!"):
                result &= not self.value(term[1:])
            else:
                result &= bool(self.value(term))
        return result


@dataclass
class Job:
    """One job of a matrix."""

    name: str
    steps: list[dict[str, Any]]
    environment: dict[str, str]
    context: Context

    def run(self, machine: Machine, *, without: frozenset[str] = frozenset()) -> bool:
        """Execute each step's ``run``; whether all went well. ``without`` names steps that a machine has behind it."""
        good = True
        for step in self.steps:
            if step["name"] in without or not self.context.holds(
                step.get("if", "success()"), machine.folder, good=good
            ):
                continue
            if "uses" in step:
                path = machine.folder / self.context.filled(step["with"]["path"])
                good &= any(path.iterdir())
                continue
            output = machine.blank("output")
            own = {key: self.context.filled(text) for key, text in step.get("env", {}).items()}
            environment = {**self.environment, **own, "GITHUB_OUTPUT": str(output)}
            command = Line(WORKFLOW.name, self.name, step["name"], self.context.filled(step["run"]))
            good &= machine.shell(step["name"], [command], environment, step.get("working-directory", "."))
            for line in output.read_text().splitlines():
                key, _, text = line.partition("=")
                self.context.outputs[f"{step['id']}.outputs.{key}"] = text
        return good


def jobs(inputs: Mapping[str, object]) -> list[Job]:
    """All jobs that a call with these inputs starts."""
    (workflow,) = documents(WORKFLOW)
    declared = workflow["on"]["workflow_call"]["inputs"]
    assert inputs.keys() <= declared.keys()
    given = {
        key: inputs[key] if field.get("required") else inputs.get(key, field["default"])
        for key, field in declared.items()
    }
    seen = {**{f"inputs.{key}": value for key, value in given.items()}, "github.token": TOKEN}
    started = []
    for name, job in workflow["jobs"].items():
        context = Context(seen)
        if not context.holds(job["if"], Path(), good=True):
            continue
        axes = {key: context.value(text[4:-3]) for key, text in job["strategy"]["matrix"].items()}
        for cell in cells(axes):  # type: ignore[arg-type]
            own = Context({**seen, **{f"matrix.{key}": value for key, value in cell.items()}})
            environment = {key: own.filled(text) for key, text in (workflow["env"] | job.get("env", {})).items()}
            started.append(Job(name, job["steps"], environment, own))
    return started


def weekly(given: Mapping[str, object]) -> list[Job]:
    """All jobs that the calling workflow starts: by hand with what was given there, else by the clock."""
    (workflow,) = documents(WEEKLY)
    (call,) = workflow["jobs"].values()
    assert call["uses"] == f"./.github/workflows/{WORKFLOW.name}"
    declared = workflow["on"]["workflow_dispatch"]["inputs"]
    assert given.keys() <= declared.keys()
    # By the clock there are no inputs, and what is not there is null.
    context = Context({f"inputs.{key}": given.get(key) for key in declared})
    return jobs({key: context.filled(text) if isinstance(text, str) else text for key, text in call["with"].items()})


def lines() -> set[Line]:
    """Every ``run`` in a workflow here."""
    return {
        Line(path.name, name, step["name"], step["run"])
        for path in WORKFLOW.parent.rglob("*.yml")
        for workflow in documents(path)
        for name, job in workflow["jobs"].items()
        for step in job.get("steps", [])
        if "run" in step
    }
