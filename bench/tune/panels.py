"""The figures of a study: the front of compromises, and which parameters matter."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..report.plots import INK, PAPER, WIDTH, style
from ..sweep.grid import axis_title
from ..sweep.result import Panel
from .log import read
from .outcome import Estimate, Finalist, ObjectiveNote, StudyResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPAN = 6
"""An axis whose values span more than this factor is logarithmic."""


def panels(result: StudyResult) -> list[Panel]:
    """Every figure there is something to draw for."""
    listed = []
    if len(result.objectives) == 1:
        only = result.objectives[0]
        listed.append(
            Panel(
                f"{_capital(only.name)}, on fresh seeds",
                f"The {only.statistic} over trials with its 95% interval. Filled: keeps every constraint. "
                "Diamonds: defaults of systems.",
                lambda: _single(result),
            )
        )
    for x, y in itertools.combinations(range(len(result.objectives)), 2):
        first, second = result.objectives[x], result.objectives[y]
        listed.append(
            Panel(
                f"{_capital(first.name)} against {second.name}",
                f"{_capital(first.statistic)} and {second.statistic} over trials. Dots: what the search tried (hollow: "
                "breaks a constraint). Large, with 95% intervals: measured again on fresh seeds, joined where no other "
                "is better. Diamonds: defaults of systems. Crossed: breaks a constraint. Ringed: recommended.",
                lambda x=x, y=y: _front(result, x, y),  # type: ignore[misc]
            )
        )
    if result.influences:
        listed.append(
            Panel(
                "Which parameters matter",
                "Share of each parameter in what makes the best quarter of the candidates differ from all of them "
                "(PED-ANOVA), with the middle 90% over resampled candidates.",
                lambda: _influence(result),
            )
        )
    return listed


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _label(note: ObjectiveNote) -> str:
    return f"{note.name} [{note.unit}]" if note.unit else note.name


def _scale(axes: Axes, which: str, values: Sequence[float]) -> None:
    """Logarithmic with plain numbers where the values span much, else from zero on if that is near."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    positive = [value for value in values if value > 0]
    axis = axes.xaxis if which == "x" else axes.yaxis
    if len(positive) == len(values) and positive and max(positive) / min(positive) > SPAN:
        getattr(axes, f"set_{which}scale")("log")
        wide = max(positive) / min(positive) > 100
        axis.set_major_locator(LogLocator(base=10, subs=(1.0, 3.0) if wide else (1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def _interval(found: Estimate) -> tuple[float, float, float]:
    low, high = found.bounds
    value = found.number
    return value, value if math.isnan(low) else low, value if math.isnan(high) or math.isinf(high) else high


def _drawable(finalist: Finalist, names: Sequence[str]) -> bool:
    return all(math.isfinite(finalist.objectives[name].number) for name in names)


def _front(result: StudyResult, x: int, y: int) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    notes = result.objectives[x], result.objectives[y]
    names = [note.name for note in notes]
    with style() as palette:
        figure = Figure(figsize=(WIDTH, 4.1))
        axes = figure.subplots()
        axes.grid(axis="both")
        every: tuple[list[float], list[float]] = ([], [])
        for good, face, alpha in ((False, "none", 0.55), (True, palette[0], 0.35)):
            rows = [each for each in result.tried if all(e <= 0 for e in each.excess.values()) is good]
            at = [tuple(read(each.values[name]) for name in names) for each in rows]
            at = [pair for pair in at if all(map(math.isfinite, pair))]
            edge = "none" if good else palette[0]
            places = [a for a, _ in at], [b for _, b in at]
            axes.scatter(*places, s=13, facecolor=face, edgecolor=edge, linewidths=0.7, alpha=alpha, zorder=2)
            every[0].extend(a for a, _ in at)
            every[1].extend(b for _, b in at)
        drawn = [each for each in result.finalists if _drawable(each, names)]
        front = sorted([_pair(each, names) for each in drawn if each.front])
        axes.plot([a for a, _ in front], [b for _, b in front], color=palette[1], linewidth=1.1, zorder=3)
        for each in drawn:
            _finalist(axes, each, names, palette, each.name == result.recommended)
            for column, name in zip(every, names, strict=True):
                column.extend(_interval(each.objectives[name]))
        _scale(axes, "x", every[0])
        _scale(axes, "y", every[1])
        _name_defaults(axes, [each for each in drawn if each.default], names)
        axes.set_xlabel(_label(notes[0]) + (", more is better" if notes[0].maximise else ""))
        axes.set_ylabel(_label(notes[1]) + (", more is better" if notes[1].maximise else ""))
        axes.margins(0.08)
        handles: list[Any] = [
            Line2D([], [], marker="o", linestyle="", markersize=4, color=palette[0], alpha=0.5, label="searched"),
            Line2D([], [], marker="o", markersize=6, color=palette[1], label="measured again"),
            Line2D([], [], marker="D", linestyle="", markersize=6, color=palette[2], label="default"),
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=3, handletextpad=0.5, columnspacing=1.4)
        return figure


def _pair(each: Finalist, names: Sequence[str]) -> tuple[float, float]:
    return each.objectives[names[0]].number, each.objectives[names[1]].number


def _finalist(axes: Axes, each: Finalist, names: Sequence[str], palette: Sequence[Any], recommended: bool) -> None:
    colour = palette[2] if each.default else palette[1]
    (a, left, right), (b, low, high) = (_interval(each.objectives[name]) for name in names)
    axes.plot([left, right], [b, b], color=colour, linewidth=1.3, zorder=4)
    axes.plot([a, a], [low, high], color=colour, linewidth=1.3, zorder=4)
    if recommended:
        _ring(axes, a, b)
    face = colour if each.feasible else PAPER
    axes.scatter(
        [a], [b], marker="D" if each.default else "o", s=38, facecolor=face, edgecolor=colour, linewidths=1.3, zorder=5
    )
    if not each.feasible:
        axes.scatter([a], [b], marker="x", s=26, color=colour, linewidths=1.2, zorder=6)


def _ring(axes: Axes, x: float, y: float) -> None:
    axes.scatter([x], [y], marker="o", s=150, facecolor="none", edgecolor=INK, linewidths=1.3, zorder=6)


def _name_defaults(axes: Axes, defaults: Sequence[Finalist], names: Sequence[str]) -> None:
    """Names beside the diamonds, where they cover neither each other nor another diamond."""
    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    points = 72 / axes.figure.dpi  # in which annotations are placed; the axes answer in dots
    places = {each.name: axes.transData.transform(_pair(each, names)) * points for each in defaults}
    taken = [(x - 5, y - 5, x + 5, y + 5) for x, y in places.values()]
    window = axes.get_window_extent()
    left, right = window.x0 * points, window.x1 * points
    for each in sorted(defaults, key=lambda each: _pair(each, names)):
        x, y = places[each.name]
        width, height = 4.6 * len(each.name), 9.0
        options = [(dx, dy) for dy in (4.0, -12.0, 16.0, -24.0) for dx in (8.0, -8.0 - width)]
        boxes = [(x + dx, y + dy, x + dx + width, y + dy + height) for dx, dy in options]
        free = [
            i
            for i, box in enumerate(boxes)
            if box[0] >= left and box[2] <= right and not any(_overlap(box, other) for other in taken)
        ]
        chosen = free[0] if free else 0
        taken.append(boxes[chosen])
        axes.annotate(
            each.name, _pair(each, names), xytext=options[chosen], textcoords="offset points",
            ha="left", fontsize=8.5, color=INK, zorder=7,
        )  # fmt: skip


def _overlap(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _single(result: StudyResult) -> Figure:
    from matplotlib.figure import Figure

    note = result.objectives[0]
    sign = -1 if note.maximise else 1
    rows = [each for each in result.finalists if _drawable(each, [note.name])]
    rows.sort(key=lambda each: sign * each.objectives[note.name].number)
    with style() as palette:
        figure = Figure(figsize=(WIDTH, 1.0 + 0.3 * len(rows)))
        axes = figure.subplots()
        every: list[float] = []
        for place, each in enumerate(rows):
            colour = palette[2] if each.default else palette[1]
            value, low, high = _interval(each.objectives[note.name])
            every += [value, low, high]
            axes.plot([low, high], [place, place], color=colour, linewidth=1.6, zorder=3)
            if each.name == result.recommended:
                _ring(axes, value, place)
            face = colour if each.feasible else PAPER
            mark = {"marker": "D" if each.default else "o", "s": 38, "facecolor": face, "edgecolor": colour}
            axes.scatter([value], [place], linewidths=1.3, zorder=4, **mark)
        _scale(axes, "x", every)
        labels = [f"{each.name}: {each.settings}" if each.default else each.settings for each in rows]
        axes.set_yticks(range(len(rows)), labels)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(_label(note) + (", more is better" if note.maximise else ""))
        return figure


def _influence(result: StudyResult) -> Figure:
    from matplotlib.figure import Figure

    figures = list(dict.fromkeys(each.figure for each in result.influences))
    parameters = list(dict.fromkeys(each.parameter for each in result.influences))
    with style() as palette:
        figure = Figure(figsize=(WIDTH, 1.0 + len(figures) * (0.3 + 0.22 * len(parameters))))
        grid = figure.subplots(len(figures), 1, sharex=True, squeeze=False)
        for axes, name in zip(grid[:, 0], figures, strict=True):
            rows = {each.parameter: each for each in result.influences if each.figure == name}
            for place, parameter in enumerate(parameters):
                each = rows[parameter]
                axes.barh(place, each.share, height=0.62, color=palette[place % len(palette)], zorder=3)
                if not math.isnan(each.low):
                    axes.plot([each.low, each.high], [place, place], color=INK, linewidth=1.1, zorder=4)
            axes.set_yticks(range(len(parameters)), [axis_title(parameter) for parameter in parameters])
            axes.invert_yaxis()
            axes.tick_params(axis="y", length=0)
            axes.grid(axis="x")
            axes.grid(visible=False, axis="y")
            axes.set_title(name, loc="left")
            axes.set_xlim(0, 1)
        grid[-1, 0].set_xlabel("share of the difference that a parameter makes")
        return figure
