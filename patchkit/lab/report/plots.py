"""Plots, as SVG to be put into a page: its ink is the page's own colour, and text stays text.

Told apart without colour too: by line style and marker. The same numbers give the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from patchkit.lab.model.trial import Trial
from patchkit.lab.statistics.restricted_time import curve, restricted
from patchkit.lab.statistics.survival import Curve

_Thing = TypeVar("_Thing")

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette (2008), made to be told apart by the colour-blind; without its yellow, unseen on white.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_LINES: tuple[Literal["-", "--", "-.", ":"], ...] = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_INK = "#010203"  # becomes currentColor
_WIDTH = 4.6  # inches: on a telephone's 400 pixels, the letters of a plot are as large as those of the text
POINTS = 1000
"""Points of an arm, or pairs, in a plot: beyond them, every n-th is shown."""
_FEW = 4  # arms in a plot: of more, each has fewer points
_STEPS = 4000  # of all curves of a plot, which is some 400 pixels wide
_GOLDEN = 0.6180339887498949  # multiples of it, less their whole part, spread evenly: jitter without chance


def completion(
    arms: Mapping[str, Sequence[Trial]], limit: float, name: str, size: tuple[float, float] | None = None
) -> str:
    """Plot the share of each arm's trials that has completed, over time up to ``limit``, with 95 % bands.

    ``arms`` holds the trials that count, by arm; ``name`` is unique in its page; ``size`` is in inches.
    """
    with _style():
        figure, axes = _figure(*(size or (_WIDTH, 3.1 + 0.2 * len(arms))))
        start = _completion_start(axes, arms, limit)
        for rank, trials in enumerate(arms.values()):
            if trials:
                _completion_curve(axes, curve(trials, limit), start, limit, rank, _STEPS // max(_FEW, len(arms)))
        axes.set(xlim=(start, limit), ylim=(-2, 102), xlabel="seconds", ylabel="completed, %")
        _legend(figure, arms)
        return _svg(figure, name, "Completion over time, with 95 % bands: " + ", ".join(arms))


def _completion_start(axes: Axes, arms: Mapping[str, Sequence[Trial]], limit: float) -> float:
    """Make the time axis logarithmic if most trials completed early, and return where it starts."""
    times = [restricted(trial, limit) for trials in arms.values() for trial in trials if trial.outcome == "completed"]
    early = [seconds for seconds in times if seconds < limit / 10]
    if not times or min(times) <= 0 or 2 * len(early) <= len(times):
        return 0.0
    axes.set_xscale("log")
    start = min(times) * 0.8
    _plain_ticks(axes.xaxis, start, limit)
    return start


def _completion_curve(axes: Axes, shape: Curve, start: float, limit: float, rank: int, steps: int) -> None:
    kept = range(0, len(shape.times), max(1, -(-len(shape.times) // steps)))
    times = [max(shape.times[place], start) for place in kept] + [limit]
    share, low, high = (
        [100 * (1 - left) for left in (*(band[place] for place in kept), band[-1])]
        for band in (shape.unfinished, shape.high, shape.low)
    )
    colour = _COLOURS[rank % len(_COLOURS)]
    axes.fill_between(times, low, high, step="post", color=colour, alpha=0.18, linewidth=0)
    axes.step(times, share, where="post", color=colour, linestyle=_LINES[rank % len(_LINES)], linewidth=1.8)


def packets(arms: Mapping[str, Sequence[Trial]], name: str) -> str:
    """Plot the control packets of ``arms``, a point a trial; the box is the middle half, the whiskers 5 and 95 %.

    ``name`` is unique in its page.
    """
    with _style():
        figure, axes = _figure(_WIDTH, 0.9 + 0.8 * len(arms))
        sent = [[trial.control_packets for trial in trials] for trials in arms.values()]
        every = [count for counts in sent for count in counts]
        if every and min(every) > 0 and max(every) > 20 * min(every):
            axes.set_xscale("log")
            _plain_ticks(axes.xaxis, min(every), max(every))
        for rank, all_counts in enumerate(sent):
            counts = _some(all_counts, POINTS * _FEW // max(_FEW, len(sent)))
            heights = [rank + 0.52 * ((place * _GOLDEN) % 1 - 0.5) for place in range(len(counts))]
            axes.plot(
                counts, heights, linestyle="", marker=_MARKERS[rank % len(_MARKERS)], markersize=_size(len(counts)),
                color=_COLOURS[rank % len(_COLOURS)], alpha=0.55, markeredgewidth=0,
            )  # fmt: skip
        shown = [rank for rank, counts in enumerate(sent) if counts]
        if shown:
            axes.boxplot(
                [sent[rank] for rank in shown], positions=shown, orientation="horizontal", widths=0.6, whis=(5, 95),
                showfliers=False, manage_ticks=False, medianprops={"color": _INK, "linewidth": 2.0},
                boxprops={"color": _INK}, whiskerprops={"color": _INK}, capprops={"color": _INK},
            )  # fmt: skip
        axes.set(ylim=(len(arms) - 0.5, -0.75), xlabel="control packets sent in a trial")
        axes.set_yticks([])
        # Above its box, not beside it: a long name would leave no room for the box.
        for rank, arm in enumerate(arms):
            axes.text(0.01, rank - 0.42, _short(arm), transform=axes.get_yaxis_transform(), va="bottom", color=_INK)
        return _svg(figure, name, "Control packets sent in each trial: " + ", ".join(arms))


def points_of(arms: Mapping[str, Sequence[Trial]]) -> str:
    """Describe what a point of :func:`packets` is."""
    most = POINTS * _FEW // max(_FEW, len(arms))
    few = all(len(trials) <= most for trials in arms.values())
    return "a point a trial" if few else f"a point a trial, of {most} or fewer trials of each arm"


def _some(things: Sequence[_Thing], most: int) -> Sequence[_Thing]:
    """Return at most ``most`` of ``things``, evenly spread."""
    return things[:: max(1, -(-len(things) // most))]


def pairs(first: str, other: str, trials: Sequence[tuple[Trial, Trial]], limit: float, name: str) -> str:
    """Plot the times of the pairs ``trials`` of the arms ``first`` and ``other`` against each other, up to ``limit``.

    What did not complete is on the edge. The first arm's trial comes first; ``name`` is unique in its page.
    """
    with _style():
        figure, axes = _figure(_WIDTH, 4.6)
        neither = sum(all(trial.outcome != "completed" for trial in pair) for pair in trials)
        trials = _some(trials, POINTS)
        times = [(restricted(trial, limit), restricted(partner, limit)) for trial, partner in trials]
        scale = _pair_scale(axes, min((seconds for pair in times for seconds in pair), default=0.0), limit)
        axes.plot([scale.start, limit], [scale.start, limit], color=_INK, linewidth=0.8, alpha=0.6)
        for line in (axes.axvline, axes.axhline):
            line(limit, color=_INK, linewidth=0.8, linestyle=":", alpha=0.6)
        _pair_points(axes, trials, times, scale.edge, neither)
        axes.set(xlim=(scale.start, scale.end), ylim=(scale.start, scale.end), aspect="equal")
        for axis in (axes.xaxis, axes.yaxis):
            ticks = [tick for tick in axis.get_majorticklocs() if scale.start <= tick <= limit / 1.4]
            axis.set_ticks([*ticks, scale.edge], [*(f"{tick:g}" for tick in ticks), f">{limit:g}"])
        axes.set_xlabel(f"{_short(first)}: seconds")
        axes.set_ylabel(f"{_short(other)}: seconds")
        return _svg(figure, name, f"Each pair's seconds: {first} across, {other} upwards")


class _PairScale(NamedTuple):
    """Where both axes start, where trials lie that did not complete, and where the axes end."""

    start: float
    edge: float
    end: float


def _pair_scale(axes: Axes, least: float, limit: float) -> _PairScale:
    """Make ``axes`` logarithmic if the times from ``least`` to ``limit`` need it, and scale them."""
    if least > 0 and limit > 20 * least:
        axes.set(xscale="log", yscale="log")
        start, edge = least * 0.8, limit * (limit / (least * 0.8)) ** 0.06
        for axis in (axes.xaxis, axes.yaxis):
            _plain_ticks(axis, start, limit)
    else:
        start, edge = 0.0, limit * 1.06
    return _PairScale(start, edge, edge + (edge - limit) * 0.9)


def _pair_points(
    axes: Axes, trials: Sequence[tuple[Trial, Trial]], times: Sequence[tuple[float, float]], edge: float, neither: int
) -> None:
    """Plot the pairs in which both completed, then the others, and write how many, ``neither``, did in no arm."""
    for both_completed, rank in ((True, 0), (False, 1)):
        points = [
            [_time_or_edge(seconds, trial, edge) for seconds, trial in zip(pair_times, pair, strict=True)]
            for pair_times, pair in zip(times, trials, strict=True)
            if all(trial.outcome == "completed" for trial in pair) == both_completed
        ]
        axes.plot(
            [x for x, _ in points], [y for _, y in points], linestyle="", marker=_MARKERS[rank],
            markersize=_size(len(trials)) + 1, color=_COLOURS[rank], alpha=0.6, markeredgewidth=0,
        )  # fmt: skip
    if neither:
        axes.annotate(
            f"{neither} in neither", (edge, edge), xytext=(-7, 0), textcoords="offset points",
            ha="right", va="center", color=_INK,
        )  # fmt: skip


def _time_or_edge(seconds: float, trial: Trial, edge: float) -> float:
    return seconds if trial.outcome == "completed" else edge


def _style() -> AbstractContextManager[None]:
    from matplotlib import style

    # The defaults first: a user's matplotlibrc must not change a report.
    return style.context([
        "default",
        {
            "svg.fonttype": "none", "svg.hashsalt": "patchkit", "text.parse_math": False, "font.size": 10,
            "text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": _INK, "xtick.color": _INK,
            "ytick.color": _INK, "axes.spines.top": False, "axes.spines.right": False,
        },
    ])  # fmt: skip


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Make a figure of that size in inches, without a window and global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _plain_ticks(axis: Any, low: float, high: float) -> None:
    """1, 2, 5, 10 … instead of powers of ten, on a logarithmic axis."""
    steps = [step * 10.0**power for power in range(-4, 7) for step in (1, 2, 5)]
    inside = [step for step in steps if low <= step <= high]
    axis.set_ticks(inside, [f"{step:g}" for step in inside])
    axis.set_ticks([], minor=True)


def _legend(figure: Figure, arms: Mapping[str, Sequence[Trial]]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=_COLOURS[rank % len(_COLOURS)], linestyle=_LINES[rank % len(_LINES)], linewidth=1.8)
        for rank in range(len(arms))
    ]
    # A leading underscore would hide it.
    labels = [f" {_short(arm)} ({len(trials)})" for arm, trials in arms.items()]
    figure.legend(handles, labels, loc="outside upper left", ncols=1, frameon=False, handlelength=3)


def _size(points: int) -> float:
    """The size of a marker: smaller for more ``points``."""
    return 5.0 if points <= 100 else 3.5 if points <= 400 else 2.5


def _short(name: str, most: int = 32) -> str:
    return name if len(name) <= most else name[: most // 2] + "…" + name[-most // 2 :]


def _svg(figure: Figure, name: str, label: str) -> str:
    from warnings import catch_warnings, filterwarnings

    out = StringIO()
    with catch_warnings():
        filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)  # the reader's has it
        figure.savefig(
            out, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    text = out.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "currentColor")
    # Not needed in a page: comments, and a style sheet and fonts that would apply to the whole page.
    text = re.sub(r"\s*<(metadata|style)\b.*?</\1>|\s*<!--.*?-->|font-family:[^;]*; ", "", text, flags=re.DOTALL)
    # Ids are unique in their own plot only, and a page has many.
    text = re.sub(r'\bid="|\bhref="#|\burl\(#', lambda match: f"{match[0]}{name}-", text)
    box = re.search(r'viewBox="[^"]*"', text)
    head = f'<svg role="img" aria-label="{escape(label)}" {box[0] if box else ""} style="stroke-linejoin: round">'
    return head + text[text.index(">") + 1 :]
