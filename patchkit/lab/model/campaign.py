"""``campaign.json``: the arms, scenarios and cells of a campaign. With it any trial can be repeated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import FailFast, Field, field_validator, model_validator

from patchkit.json_schema import Part
from patchkit.lab.model.bounds import MOST_TRIALS
from patchkit.lab.model.scenario import Proto, Scenario, changed
from patchkit.patching.variants import Bound
from patchkit.shard import Shard


class Program(Part):
    """The openvpn of one side."""

    release: str = Field(description="2.6.14")
    variant: str = Field(description="stock, retransmit, …")
    guard: bool = Field(default=False, description="built from the guarded rendering, with -DRETRY")
    version: str = Field(description="the version that it prints")
    sha256: str = Field(description="of the program, in hex")
    bound: Bound | None = Field(default=None, description="what its variant's patch.toml promises; null where nothing")

    @property
    def name(self) -> str:
        """Release and variant: 2.6.14+retransmit."""
        if self.variant == "stock":
            return self.release
        return f"{self.release}+{self.variant}" + (".guard" if self.guard else "")


class Arm(Part):
    """A client and a server, compared with those of other arms."""

    name: str = Field(description="2.6.14+retransmit, or client:server where they differ, with their options")
    client: Program = Field(description="what connects")
    server: Program = Field(description="what it connects to")
    client_options: list[str] = Field(default=[], description="words of the client's command line, beside its own")
    server_options: list[str] = Field(default=[], description="words of the server's command line, beside its own")
    proto: Proto | None = Field(default=None, description="what carries OpenVPN's packets; null: as the scenario says")

    def over(self, name: str, scenario: Scenario) -> Scenario:
        """Return ``scenario``, called ``name``, with this arm's options. Raises ScenarioError where they do not fit."""
        changes: dict[str, object] = {} if self.proto is None else {"proto": self.proto}
        if self.client_options:
            changes["client_options"] = [*scenario.client_options, *self.client_options]
        if self.server_options:
            changes["server_options"] = [*scenario.server_options, *self.server_options]
        return changed(name, scenario, changes) if changes else scenario


class Cell(Part):
    """All trials of one arm over one scenario."""

    id: str = Field(description="ARM/SCENARIO/CREDENTIALS")
    arm: str = Field(description="the arm's name")
    scenario: str = Field(description="its key in the campaign's scenarios")
    credentials: str = Field(description="the profile that both sides' certificates come from")


class LinkDescription(Part):
    """The link that trials ran on, and what else decides their figures."""

    link: Literal["uml", "qemu", "netns"] = Field(
        description="User-Mode Linux on a clock that stands still, QEMU in virtual time, or this host's own network "
        "namespaces; 'machine' is an old name of qemu"
    )
    guest: str = Field(description="hash of the guest: kernel, userland, runner; of a netns, the kernel's release")
    qemu: str | None = Field(description="QEMU's version; instruction counts may differ between two")
    kernel: str = Field(description="the kernel whose netem it was")
    config: str | None = Field(
        default=None, description="hash of the configuration and the changes that the kernel of uml was compiled with"
    )
    syscall_ns: int | None = Field(
        default=None, description="guest time that each system call takes, in ns; null where computing takes time"
    )
    shift: int = Field(
        ge=1,
        description="trials of a batch, which run one behind the other before everything begins anew: what one leaves "
        "behind moves the next by microseconds; 1 on uml, where each trial has a guest of its own",
    )

    @field_validator("link", mode="before")
    @classmethod
    def _renamed(cls, name: object) -> object:
        return "qemu" if name == "machine" else name


class Campaign(Part):
    """Everything that decides the results of the trials."""

    schema_version: Literal[1] = Field(default=1, description="goes up when a field changes its meaning or goes away")
    patchkit: str = Field(description="version of patchkit")
    seed: int = Field(description="what all trials' seeds derive from")
    trials: int = Field(ge=1, le=MOST_TRIALS, description="trials a cell")
    machine: LinkDescription = Field(description="the link that trials ran on")
    arms: Annotated[list[Arm], FailFast()] = Field(description="the first one is what the others are compared with")
    scenarios: dict[str, Scenario] = Field(description="as they were run, all defaults filled in")
    cells: Annotated[list[Cell], FailFast()] = Field(
        description="every arm over every scenario, with every kind of credentials"
    )
    reference: Annotated[list[Cell], FailFast()] = Field(
        description="lossless cells of the first arm, a few trials each: what packets are compared with"
    )

    shard: Shard | None = Field(
        default=None,
        description="the parts of the campaign that are here; null: all of it. Trials of one number are in "
        "one part, whatever their cell",
    )

    @model_validator(mode="after")
    def _names_what_it_has(self) -> Self:
        arms = {arm.name for arm in self.arms}
        for cell in [*self.cells, *self.reference]:
            if cell.arm not in arms:
                raise ValueError(f"cell {cell.id} is of an arm that is not there: {cell.arm}")
            if cell.scenario not in self.scenarios:
                raise ValueError(f"cell {cell.id} is of a scenario that is not there: {cell.scenario}")
        return self

    def numbers(self) -> Iterator[int]:
        """Yield the numbers of each cell's trials that belong here."""
        is_here = self.shard.chosen() if self.shard else None
        for number in range(1, self.trials + 1):
            if is_here is None or is_here((number - 1) // self.machine.shift):
                yield number

    def cell(self, cell_id: str) -> Cell | None:
        """Find the cell with ``cell_id``, reference cells included; None when there is none."""
        return next((cell for cell in [*self.cells, *self.reference] if cell.id == cell_id), None)
