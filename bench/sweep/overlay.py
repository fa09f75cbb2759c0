"""A formula over what was measured, cell by cell: both in one figure, and how far they are apart as a number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import UsageError
from ..stats.intervals import Interval, interval
from ..theory.divergence import Divergence, divergence
from .grid import Point, axis_title, describe, show
from .result import Panel, SweepResult, check_metric, observed

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Model:
    """What a formula says of a metric.

    Attributes:
        name: what it is, for people: ``queueing at the leader (M/D/1)``.
        metric: the column it predicts.
        predict: called with the values of a cell's axes by name; returns the predicted number, or samples of what a
            trial will show; None where it has nothing to say.
        source: where it is from.
    """

    name: str
    metric: str
    predict: Callable[..., ArrayLike | float | None]
    source: str = ""


@dataclass(frozen=True)
class Compared:
    """One cell.

    Attributes:
        point: its axes' values.
        predicted: the median that the model predicts.
        measured: the median over trials with its interval.
        values: of the trials.
        divergence: between the two; None where the model predicts 0 or something infinite, or nothing was measured.
    """

    point: Point
    predicted: float
    measured: Interval
    values: tuple[float, ...]
    divergence: Divergence | None


@dataclass(frozen=True)
class Overlay:
    """A model beside its measurement, in every cell that both know."""

    model: Model
    cells: tuple[Compared, ...]

    @property
    def typical(self) -> float:
        """The median over cells of |measured / predicted - 1|; NaN without any."""
        off = [abs(each.divergence.ratio - 1) for each in self.cells if each.divergence is not None]
        return float(np.median(off)) if off else math.nan

    def sentence(self) -> str:
        """How far measurement and model are apart, with the nearest and the farthest cell."""
        known = [(each.divergence, each) for each in self.cells if each.divergence is not None]
        if not known:
            return f"{self.model.name}: there is nothing to compare it with."
        ordered = sorted(known, key=lambda pair: abs(math.log(pair[0].ratio)) if pair[0].ratio > 0 else math.inf)
        (near, here), (far, there) = ordered[0], ordered[-1]
        if len(ordered) == 1:
            return f"{self.model.name}: the measured {axis_title(self.model.metric)} is {near}."
        return (
            f"{self.model.name}: the measured {axis_title(self.model.metric)} is typically {self.typical:.0%} away, "
            f"closest at {describe(here.point)}, {near}, and farthest at {describe(there.point)}, {far}."
        )

    def frame(self) -> pd.DataFrame:
        """One row a cell: its axes, ``predicted``, ``measured``, ``low``, ``high``, ``ratio``, ``distance``, ``n``."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    **each.point,
                    "predicted": each.predicted,
                    "measured": each.measured.estimate,
                    "low": each.measured.low,
                    "high": each.measured.high,
                    "ratio": each.divergence.ratio if each.divergence is not None else math.nan,
                    "distance": each.divergence.distance if each.divergence is not None else None,
                    "n": each.measured.n,
                }
                for each in self.cells
            ]
        )

    def panel(self, x: str, *, y_label: str | None = None, log: bool = False) -> Panel:
        """Measured points over axis ``x`` with the model as a line, a colour for each setting of the other axes.

        Args:
            x: an axis; numbers lie where they are, anything else in the order of the grid.
            y_label: of the metric, with its unit.
            log: whether both axes are logarithmic (``x`` only where it holds numbers).

        Raises:
            UsageError: there is no such axis.
        """
        if self.cells and x not in self.cells[0].point:
            raise UsageError(f"{x} is no axis of these cells: {', '.join(self.cells[0].point)}")
        label = y_label or _label(self.model.metric)
        return Panel(
            title=f"{axis_title(self.model.metric).capitalize()} against a model: {self.model.name}",
            caption="Points: medians over trials with their 95% intervals (of fewer than 8, means with t intervals). "
            f"Lines: the model. {self.sentence()}",
            draw=lambda: _draw(self.cells, x, label, log),
        )


def overlay(
    source: SweepResult | pd.DataFrame, model: Model, axes: Sequence[str] = (), runtime: str = "sim"
) -> Overlay:
    """Compare a model with the complete trials of every cell.

    Args:
        source: a sweep's result; or a frame with columns for the axes, ``runtime``, ``trial`` and the metric.
        model: with which ``predict`` takes all axes as keywords.
        axes: names of the axes; taken from a sweep's result.
        runtime: ``sim`` or ``ray``.

    Raises:
        UsageError: there is no such metric.
    """
    if isinstance(source, SweepResult):
        check_metric(model.metric)
        frame, axes = source.frame(), axes or source.axes
    else:
        frame = source
    if not len(frame):
        return Overlay(model, ())
    rows = frame[frame["runtime"] == runtime] if "runtime" in frame else frame
    cells = []
    for _, group in rows.groupby(list(axes), sort=False):
        point: Point = {name: group[name].iloc[0] for name in axes}
        said = model.predict(**point)
        values = (observed(group, model.metric) if "trial" in group else group[model.metric]).dropna()
        if said is None or not len(values):
            continue
        predicted = np.atleast_1d(np.asarray(said, dtype=float))
        middle = float(np.median(predicted))
        found = None
        if middle and math.isfinite(middle) and np.isfinite(values).all():
            found = divergence(predicted, values)
        cells.append(Compared(point, middle, interval(values), tuple(map(float, values)), found))
    return Overlay(model, tuple(cells))


def _label(metric: str) -> str:
    return f"{axis_title(metric)} [s]" if metric.endswith("_s") and metric != "throughput_ops_s" else axis_title(metric)


def _draw(cells: Sequence[Compared], x: str, label: str, log: bool) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    from ..report.plots import HEIGHT, WIDTH, style

    values = list(dict.fromkeys(each.point[x] for each in cells))
    numbers = all(isinstance(value, (int, float, np.number)) and not isinstance(value, bool) for value in values)
    place: dict[Any, float] = {value: float(value) if numbers else float(i) for i, value in enumerate(values)}
    groups: dict[str, list[Compared]] = {}
    for each in cells:
        groups.setdefault(describe({n: v for n, v in each.point.items() if n != x}), []).append(each)
    with style() as palette:
        figure = Figure(figsize=(WIDTH, HEIGHT))
        axes = figure.subplots()
        for i, (_, group) in enumerate(groups.items()):
            colour = palette[i % len(palette)]
            group = sorted(group, key=lambda each: place[each.point[x]])
            model = [(place[c.point[x]], c.predicted) for c in group if math.isfinite(c.predicted)]
            axes.plot([at for at, _ in model], [up for _, up in model], color=colour, linewidth=1.3, zorder=3)
            for each in group:
                at, found = place[each.point[x]], each.measured
                if found.known and math.isfinite(found.high):
                    axes.plot([at, at], [found.low, found.high], color=colour, linewidth=1.6, zorder=4)
                if math.isfinite(found.estimate):
                    axes.plot([at], [found.estimate], "o", color=colour, markersize=4.5, zorder=5)
        if log:
            axes.set_yscale("log")
            plain = FuncFormatter(lambda value, _: f"{value:g}")
            for axis in (axes.yaxis, axes.xaxis) if numbers and min(place.values()) > 0 else (axes.yaxis,):
                if axis is axes.xaxis:
                    axes.set_xscale("log")
                axis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
                axis.set_major_formatter(plain)
                axis.set_minor_formatter(NullFormatter())
        else:
            axes.set_ylim(bottom=0)
        if not numbers:
            axes.set_xticks(range(len(values)), [show(x, value) for value in values])
        unit = " [operations/s]" if x == "rate" else " [s]" if x.endswith("_s") and numbers else ""
        axes.set_xlabel(axis_title(x) + unit)
        axes.set_ylabel(label)
        handles = [
            Line2D([], [], marker="o", color=palette[i % len(palette)], label=name or "measured, and the model")
            for i, name in enumerate(groups)
        ]
        figure.legend(handles=handles, loc="outside upper left", ncols=3, handlelength=1.6, columnspacing=1.4)
        return figure
