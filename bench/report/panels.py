"""The figures that every sweep's report has, whatever its question."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..sweep.grid import axis_title, show
from ..sweep.result import Panel, SweepResult, observed
from ..sweep.saturation import LOADS, curve_panel
from . import plots

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MOST_CELLS = 40
"""A figure with more rows than this is no figure any more."""

FEW_LOADS = 3
"""Of fewer loads there is no curve."""

PARTS = (("detect", "detect_s"), ("elect", "elect_s"), ("first commit", "commit_s"))


def short_labels(result: SweepResult) -> list[str]:
    """A label a cell from the axes that vary: ``3 · 20 ms · 150-300 ms``."""
    points = result.description.points
    varying = [name for name in result.axes if len({repr(point[name]) for point in points}) > 1] or list(result.axes)
    return [" · ".join(show(name, point[name]) for name in varying) for point in points]


def label_title(result: SweepResult) -> str:
    """What the parts of a short label are: ``nodes · rtt · election timeout``."""
    points = result.description.points
    varying = [name for name in result.axes if len({repr(point[name]) for point in points}) > 1] or list(result.axes)
    return " · ".join(axis_title(name) for name in varying)


def _of(frame: pd.DataFrame, cell: int, runtime: str, column: str) -> list[float]:
    rows = frame[(frame["cell"] == cell) & (frame["runtime"] == runtime)][column].dropna()
    return [float(value) for value in rows]


def general_panels(result: SweepResult, *, curves: bool = False) -> list[Panel]:
    """Recovery by parts, and response time, where there is something to show.

    ``curves``: latency by throughput as well, where an axis is the load; scripts that search for it draw their own.
    """
    frame = result.frame()
    if len(frame) < 2 or len(result.description.points) > MOST_CELLS:
        return []
    complete = frame[frame["trial"] == "complete"]
    labels, rows_are = short_labels(result), label_title(result)
    panels = []
    if complete[[column for _, column in PARTS]].notna().to_numpy().any():
        panels.append(
            Panel(
                "Where the outage goes",
                "Mean time to suspect the leader, to elect another, and to its first commit; simulated trials, or live "
                f"ones where there are no others. Whisker: 95% interval of the mean of the whole. Rows: {rows_are}.",
                lambda: _recovery(complete, labels),
            )
        )
    if complete["p99_s"].notna().any():
        beyond = int(np.isinf(observed(complete, "p99_s")).sum())
        missing = f" Not drawn: {beyond} of {len(complete)} trials, of which it is beyond what was observed."
        missing = missing if beyond else ""
        panels.append(
            Panel(
                "Response time, p99",
                "From the intended start, so that waiting out the outage counts. Median over trials with its 95% "
                f"interval; of fewer than 8 trials the mean and the range. Rows: {rows_are}.{missing}",
                lambda: plots.dots(
                    [
                        (label, _of(complete, cell, "sim", "p99_s"), _of(complete, cell, "ray", "p99_s"))
                        for cell, label in enumerate(labels)
                    ],
                    x_label="p99 of a trial [s]",
                    names=("simulated", "live"),
                ),
            )
        )
    loads = [name for name in LOADS if name in result.axes]
    if curves and len(loads) == 1 and len({point[loads[0]] for point in result.description.points}) >= FEW_LOADS:
        panels.append(curve_panel(result))
    return panels


def _recovery(frame: pd.DataFrame, labels: list[str]) -> Figure:
    """Means over the trials in which every part was seen that was seen in any; the whisker is of their sum."""
    seen = [(name, column) for name, column in PARTS if frame[column].notna().any()]
    columns = [column for _, column in seen]
    means: list[list[float]] = [[] for _ in seen]
    spans = []
    for cell in range(len(labels)):
        mine = frame[frame["cell"] == cell]
        simulated = mine[mine["runtime"] == "sim"][columns].dropna()
        rows = simulated if len(simulated) else mine[mine["runtime"] == "ray"][columns].dropna()
        for part, column in zip(means, columns, strict=True):
            part.append(float(rows[column].mean()))
        spans.append(_mean_span(rows.sum(axis=1).to_numpy(dtype=float)))
    parts = [(name, values) for (name, _), values in zip(seen, means, strict=True)]
    return plots.stacked(parts, labels, x_label="mean time after the fault [s]", spans=spans)


def _mean_span(totals: np.ndarray[Any, Any]) -> tuple[float, float]:
    """The 95% t interval of a mean; NaN of fewer than two values."""
    from scipy import stats

    n = len(totals)
    if n < 2:
        return (float("nan"), float("nan"))
    half = float(stats.t.ppf(0.975, n - 1)) * float(totals.std(ddof=1)) / n**0.5
    return max(0.0, float(totals.mean()) - half), float(totals.mean()) + half
