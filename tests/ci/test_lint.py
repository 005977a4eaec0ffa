"""The pipelines as the platforms' own linters and schemas see them; nothing here is executed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from patchkit.building.toolchain import toolchain
from patchkit.lab.model.scenario import named
from patchkit.patching.combination import combination
from patchkit.releases.catalog import catalog
from tests.support.ci import github, gitlab
from tests.support.ci.machine import documents

BIN = Path(sys.executable).parent
ACTIONS = {
    "actions/upload-artifact": "bbbca2ddaa5d8feaa63e36b76fdaad77386f024f",  # v7.0.0
    "actions/download-artifact": "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c",  # v8.0.1
}
"""All that the workflow takes from others, with the commit of its release, read from its repository."""

INPUTS: dict[str, object] = {"repository": "https://example.org/patchkit.git", "ref": "main"}
MANY: dict[str, list[str]] = {"versions": ["2.6.14", "2.5.11"], "targets": ["linux-amd64", "windows-amd64"]}


@pytest.fixture
def called(tmp_path: Path) -> Path:
    """A user's repository with both workflows where GitHub looks for them."""
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    for workflow in (github.WORKFLOW, github.WEEKLY):
        shutil.copy(workflow, folder)
    return tmp_path


def printed(command: Sequence[object], folder: Path) -> str:
    """What a linter finds; it is of the tests' own environment, and so is the shellcheck that it calls."""
    path = f"{BIN}:{os.environ['PATH']}"
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def refused(*arguments: object) -> str:
    """What check-jsonschema prints where it refuses a file. In this process: to import it takes over a second."""
    import check_jsonschema  # type: ignore[import-untyped]

    done = CliRunner().invoke(check_jsonschema.main, list(map(str, arguments)))
    assert done.exit_code in (0, 1), done.output
    return "" if done.exit_code == 0 else done.output


def test_actionlint_with_shellcheck(called: Path) -> None:
    assert printed([BIN / "actionlint", "-no-color"], called) == ""
    workflow = called / ".github/workflows/patchkit.yml"
    workflow.write_text(workflow.read_text().replace('"$RUNNER_TEMP/patchkit"', "$RUNNER_TEMP/patchkit"))
    assert "SC2086" in printed([BIN / "actionlint", "-no-color"], called)  # so shellcheck was there


def test_nothing_that_zizmor_finds_unsafe(called: Path) -> None:
    """Its low findings are of style: a way to name a workflow of one's own that older servers do not know."""
    command = [BIN / "zizmor", "--offline", "--no-progress", "--color=never", "--min-severity=medium", "."]
    assert printed(command, called) == ""
    workflow = called / ".github/workflows/patchkit.yml"
    workflow.write_text(workflow.read_text().replace('"$TARGET"', "${{ inputs.targets }}"))
    assert "template-injection" in printed(command, called)


@pytest.mark.slow
@pytest.mark.parametrize("workflow", [github.WORKFLOW, github.WEEKLY], ids=lambda path: path.name)
def test_schema_of_workflows(workflow: Path) -> None:
    assert refused("--builtin-schema", "vendor.github-workflows", workflow) == ""


@pytest.mark.slow
def test_schema_of_gitlab(tmp_path: Path) -> None:
    """The header as it is, the jobs as they are after interpolation, with one value an input and with several."""
    schema = ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"]
    head, _ = documents(gitlab.COMPONENT)
    files = [head, gitlab.interpolated(INPUTS), gitlab.interpolated({**INPUTS, **MANY})]
    for number, content in enumerate(files):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(content))
        assert refused(*schema, path) == ""
    files[1]["patchkit-lab"]["artifacts"]["when"] = "sometimes"
    (tmp_path / "0.json").write_text(json.dumps(files[1]))
    assert "sometimes" in refused(*schema, tmp_path / "0.json")


def test_shell_of_gitlab(tmp_path: Path) -> None:
    for name, job in gitlab.interpolated(INPUTS).items():
        for part in ("before_script", "script", "after_script"):
            path = tmp_path / f"{name}.{part}"
            path.write_text("\n".join(job.get(part, [])))
            assert printed([BIN / "shellcheck", "--shell=bash", path], tmp_path) == ""


def test_what_gitlab_says_of_names_it_exposes() -> None:
    """The schema does not know it: letters, digits, ``_``, ``-`` and blanks, 100 at most."""
    for job in gitlab.interpolated(INPUTS).values():
        exposed = job.get("artifacts", {}).get("expose_as", "none")
        assert re.fullmatch(r"[\w -]{1,100}", exposed)


def test_what_is_taken_from_others_is_pinned() -> None:
    (workflow,) = documents(github.WORKFLOW)
    used = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used
    for action in used:
        name, _, commit = action.partition("@")
        assert ACTIONS.get(name) == commit


def test_nothing_of_a_user_is_pasted_into_a_shell() -> None:
    """What comes from inputs reaches a command as a variable, or it could be one."""
    (workflow,) = documents(github.WORKFLOW)
    lines = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    _, component = documents(gitlab.COMPONENT)
    for job in component.values():
        lines += [line for part in ("before_script", "script", "after_script") for line in job.get(part, [])]
    assert len(lines) > 20
    for line in lines:
        assert "${{" not in line
        assert "$[[" not in line


def test_both_matrices_are_versions_targets_variants() -> None:
    lists = {key: json.dumps(value) for key, value in MANY.items()}
    on_github = [job for job in github.jobs({**INPUTS, **lists}) if job.name == "build"]
    on_gitlab = [job for job in gitlab.jobs({**INPUTS, **MANY}, {}) if job.name == "patchkit-build"]
    keys = ("VERSION", "TARGET", "VARIANT")
    cells = [tuple(job.environment[key] for key in keys) for job in on_github]
    assert cells == [tuple(job.cell[key] for key in keys) for job in on_gitlab]
    assert cells == [(version, target, "recommended") for version in MANY["versions"] for target in MANY["targets"]]


def test_what_weekly_asks_for() -> None:
    """Its own ``with``: these cells, each of which patchkit has all for. By hand, other versions take their place."""

    def cells(**given: object) -> list[tuple[str, ...]]:
        jobs = github.weekly(given)
        return [
            (job.name, *(str(value) for key, value in job.context.values.items() if "matrix." in key)) for job in jobs
        ]

    assert cells() == [
        ("build", "2.7.7", "linux-amd64", "recommended"),
        ("build", "2.7.7", "windows-amd64", "recommended"),
        ("lab", "2.7.7", "recommended", "loss-20"),
        ("watch", "recommended"),
    ]
    by_hand = cells(versions='["2.5.11", "2.7.6"]')
    assert [cell[:3] for cell in by_hand if cell[0] == "build"] == [
        ("build", version, target) for version in ("2.5.11", "2.7.6") for target in ("linux-amd64", "windows-amd64")
    ]
    for job in [*github.weekly({}), *github.weekly({"versions": '["2.5.11", "2.7.6"]'})]:
        environment = job.environment
        assert not combination(environment["VARIANT"]).is_stock  # that one is built beside it anyway
        if "SCENARIO" in environment:
            named(environment["SCENARIO"])
        if "VERSION" in environment:
            release = catalog().find(environment["VERSION"])
            toolchain(release.version, environment.get("TARGET", "linux-amd64"))
        else:
            assert any(release.series == environment["SINCE"] for release in catalog().releases)


def test_watching_is_asked_for() -> None:
    def names(**inputs: object) -> set[str]:
        scheduled = gitlab.jobs({**INPUTS, **inputs}, {"CI_PIPELINE_SOURCE": "schedule"})
        assert {job.name for job in scheduled} == {f"patchkit-{job.name}" for job in github.jobs({**INPUTS, **inputs})}
        return {job.name for job in github.jobs({**INPUTS, **inputs})}

    assert names() == {"build", "lab"}
    assert names(split=True) == {"build", "part", "merge"}
    assert names(all_releases=True, build=False, lab=False) == {"build-part", "build-merge"}
    assert names(watch=True, build=False, lab=False) == {"watch"}
    assert not gitlab.jobs({**INPUTS, "watch": True, "build": False, "lab": False}, {"CI_PIPELINE_SOURCE": "push"})


def test_both_take_the_same_inputs() -> None:
    (workflow,) = documents(github.WORKFLOW)
    head, _ = documents(gitlab.COMPONENT)
    assert workflow["on"]["workflow_call"]["inputs"].keys() == head["spec"]["inputs"].keys() - {"stage", "image"}
