"""The first sentence of a report: what was compared, and what came out, in words without numbers of statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from patchkit.lab.model.campaign import Campaign
from patchkit.lab.model.scenario import Scenario
from patchkit.lab.results.comparison import Comparison
from patchkit.lab.results.results import Results

_SUBJECTS = {"handshake": "handshakes", "reconnect": "reconnections"}


def lead(campaign: Campaign, results: Results) -> str:
    """Say in plain words what ``results`` of ``campaign`` compare and show: a sentence for each arm but the first."""
    if not results.comparisons:
        tried = ", ".join(arm.name for arm in campaign.arms) or "nothing"
        return f"Only {tried} was tried, so there is nothing to compare with the first arm."
    if len(results.comparisons) == 1:
        return _one(results.comparisons[0], campaign)
    by_arm: dict[str, list[Comparison]] = {}
    for comparison in results.comparisons:
        by_arm.setdefault(comparison.arm, []).append(comparison)
    return " ".join(_several(arm, compared, campaign) for arm, compared in by_arm.items())


def _first(campaign: Campaign) -> str:
    return campaign.arms[0].name


def _one(comparison: Comparison, campaign: Campaign) -> str:
    scenario = campaign.scenarios[comparison.scenario]
    opening = f"{comparison.arm} was compared with {_first(campaign)} on the link {_link(comparison, scenario)}"
    return f"{opening}: {_outcome(comparison, scenario)}."


def _several(arm: str, compared: Sequence[Comparison], campaign: Campaign) -> str:
    """Say in which scenarios ``arm`` did better and worse; each scenario is named once, in the campaign's order."""
    places: dict[str, list[str]] = {}
    for comparison in compared:
        places.setdefault(_overall(comparison), []).append(comparison.scenario)
    parts = [
        f"{words} {_names(list(dict.fromkeys(places[outcome])))}"
        for outcome, words in _OVERALL.items()
        if outcome in places
    ]
    return f"{arm} was compared with {_first(campaign)}: {'; '.join(parts)}."


_OVERALL: Mapping[str, str] = {
    "better": "it did better on",
    "mixed": "it did better in one respect and worse in another on",
    "worse": "it did worse on",
    "same": "no difference was shown on",
    "nothing": "not one pair of trials counted on",
}


def _overall(comparison: Comparison) -> str:
    if not comparison.pairs:
        return "nothing"
    claims = {comparison.completion, comparison.time} - {"no difference shown"}
    return "same" if not claims else "mixed" if len(claims) > 1 else claims.pop()


def _link(comparison: Comparison, scenario: Scenario) -> str:
    return f"{comparison.scenario} ({scenario.summary})" if scenario.summary else comparison.scenario


def _outcome(comparison: Comparison, scenario: Scenario) -> str:
    if not comparison.pairs:
        return "not one pair of trials counted, so nothing can be said"
    if scenario.run == "soak":
        return _SOAK[comparison.completion, comparison.time]
    return _TIMED[comparison.completion, comparison.time].format(what=_SUBJECTS[scenario.run])


_TIMED: Mapping[tuple[str, str], str] = {
    ("better", "better"): "more of its {what} completed, and they took less time",
    ("better", "no difference shown"): "more of its {what} completed; no difference in their time was shown",
    ("better", "worse"): "more of its {what} completed, but they took more time",
    ("no difference shown", "better"): "its {what} took less time; no difference was shown in how many completed",
    ("no difference shown", "no difference shown"): "no difference was shown, neither in how many {what} completed nor"
    " in their time",
    ("no difference shown", "worse"): "its {what} took more time; no difference was shown in how many completed",
    ("worse", "better"): "fewer of its {what} completed, but they took less time",
    ("worse", "no difference shown"): "fewer of its {what} completed; no difference in their time was shown",
    ("worse", "worse"): "fewer of its {what} completed, and they took more time",
}
"""By what is claimed of completion and of time."""
_SOAK: Mapping[tuple[str, str], str] = {
    ("better", "better"): "its tunnel held more often, and was down for less time",
    ("better", "no difference shown"): "its tunnel held more often; no difference in the time without it was shown",
    ("better", "worse"): "its tunnel held more often, but was down for more time",
    (
        "no difference shown",
        "better",
    ): "its tunnel was down for less time; no difference in how often it held was shown",
    ("no difference shown", "no difference shown"): "no difference was shown, neither in how often its tunnel held nor"
    " in the time without it",
    ("no difference shown", "worse"): "its tunnel was down for more time; no difference in how often it held was shown",
    ("worse", "better"): "its tunnel held less often, but was down for less time",
    ("worse", "no difference shown"): "its tunnel held less often; no difference in the time without it was shown",
    ("worse", "worse"): "its tunnel held less often, and was down for more time",
}


def _names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
