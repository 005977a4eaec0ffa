"""What a user asks ``patchkit lab`` for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from patchkit.building.settings import BuildSettings
from patchkit.errors import BadUsageError
from patchkit.jobs.lab.arms import ArmRequest, refuse_no_arm
from patchkit.jobs.lab.links import LinkName
from patchkit.lab.link.binaries import BinaryRequest
from patchkit.lab.model.campaign import Arm, Campaign, LinkDescription, Program
from patchkit.lab.model.new_campaign import campaign
from patchkit.lab.model.scenario import Scenario, changed, named
from patchkit.lab.report.folder import Folder
from patchkit.pki.profile import profile
from patchkit.shard import Shard
from patchkit.source.obtain import SourceRequest


@dataclass(frozen=True, kw_only=True)
class NewCampaignRequest:
    """A campaign of its own."""

    arms: Sequence[ArmRequest]
    """The first one is what the others are compared with."""
    scenarios: Mapping[str, Scenario]
    source: SourceRequest = field(default_factory=SourceRequest)
    """Where the programs' sources are taken from, whatever their version."""
    settings: BuildSettings = field(default_factory=BuildSettings)
    credentials: Sequence[str] = ()
    """Names of profiles."""
    trials: int = 100
    """For each cell."""
    seed: int = 1
    link: LinkName | None = None
    """None: the best one that this host has."""
    out: Path = Path("report")
    resume: bool = False
    """Whether ``out`` may hold a part of this very campaign, which is completed."""
    shard: Shard | None = None
    """The part of the campaign that is run; None: all of it."""
    on: str | None = None
    """The address of Dask's scheduler, whose workers run the trials; None: they run here."""

    def validate(self) -> None:
        """Raise ScenarioError for an unknown profile of credentials, BadUsageError where nothing is compared."""
        check_profiles(self.credentials)
        refuse_no_arm(self.arms)

    def campaign(self, arms: Sequence[Arm], machine: LinkDescription) -> Campaign:
        """Return the campaign of ``arms`` on ``machine``."""
        profiles = list(dict.fromkeys(self.credentials))
        whole = campaign(arms, self.scenarios, profiles, seed=self.seed, trials=self.trials, machine=machine)
        return whole.model_copy(update={"shard": self.shard})


@dataclass(frozen=True, kw_only=True)
class ResumeRequest:
    """The rest of the campaign that the folder ``out`` holds a part of."""

    begun: Campaign
    source: SourceRequest = field(default_factory=SourceRequest)
    settings: BuildSettings = field(default_factory=BuildSettings)
    out: Path = Path("report")
    on: str | None = None

    @classmethod
    def of(cls, out: Path, source: SourceRequest, settings: BuildSettings, on: str | None = None) -> ResumeRequest:
        """Return the request for what is missing in ``out``. Raises ReportError where it holds no campaign."""
        return cls(begun=Folder(out).campaign(), source=source, settings=settings, out=out, on=on)

    @property
    def arms(self) -> list[ArmRequest]:
        """The arms of the campaign."""
        return [
            ArmRequest(
                asked_for(arm.client),
                asked_for(arm.server),
                tuple(arm.client_options),
                tuple(arm.server_options),
                arm.proto,
            )
            for arm in self.begun.arms
        ]

    @property
    def scenarios(self) -> Mapping[str, Scenario]:
        """Empty: the campaign's own were checked when it began."""
        return {}

    @property
    def resume(self) -> bool:
        """True: ``out`` holds a part of the campaign."""
        return True

    @property
    def link(self) -> LinkName:
        """The link of the campaign."""
        return self.begun.machine.link

    def validate(self) -> None:
        """Do nothing: the campaign was checked when it began."""

    def campaign(self, arms: Sequence[Arm], machine: LinkDescription) -> Campaign:
        """Return the campaign with the arms and the machine of today."""
        return self.begun.model_copy(update={"arms": arms, "machine": machine})


CampaignRequest = NewCampaignRequest | ResumeRequest


@dataclass(frozen=True, kw_only=True)
class ReplayRequest:
    """One trial of a report, again."""

    report: Path
    cell: str
    trial: int
    """Its number in the cell, from 1."""
    out: Path
    verbosity: int = 7
    """OpenVPN's ``--verb`` in the second run."""
    source: SourceRequest = field(default_factory=SourceRequest)
    settings: BuildSettings = field(default_factory=BuildSettings)
    own: Sequence[str] = ()
    """The names of the user's own patches and variants that were given, which are known by now."""


def asked_for(program: Program) -> BinaryRequest:
    """Return how a report's ``program`` is asked for: by its release, or by the commit that was given as a ref."""
    return BinaryRequest(program.release.removeprefix("git."), program.variant, program.guard)


def link_name(text: str) -> LinkName:
    """Return the link that ``text`` names; ``machine`` is the old name of ``qemu``. Raises BadUsageError for others."""
    names: dict[str, LinkName] = {"uml": "uml", "qemu": "qemu", "machine": "qemu", "netns": "netns"}
    if text not in names:
        raise BadUsageError(f"unknown link: {text}", why="known are: uml, qemu, netns")
    return names[text]


def check_profiles(names: Sequence[str]) -> None:
    """Raise ScenarioError where one of ``names`` is not a profile of credentials."""
    for name in names:
        profile(name)


def chosen_scenarios(texts: Sequence[str], changes: Mapping[str, object]) -> dict[str, Scenario]:
    """Return the scenarios that ``texts`` name, by name, with the fields that ``changes`` give a value other than None.

    Raises ScenarioError, and BadUsageError for two different scenarios of one name.
    """
    chosen: dict[str, Scenario] = {}
    fields = {key: value for key, value in changes.items() if value is not None}
    for text in texts or ["loss-20"]:
        for name, scenario in named(text).items():
            as_asked = changed(name, scenario, fields)
            if chosen.setdefault(name, as_asked) != as_asked:
                raise BadUsageError(f"there are two scenarios {name}", advice="give one of them another name")
    return chosen
