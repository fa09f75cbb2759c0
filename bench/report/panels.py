"""The figures that every sweep's report has, whatever its question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..sweep.grid import axis_title, show
from ..sweep.result import Panel, SweepResult, observed
from . import plots

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

MOST_CELLS = 40
"""A figure with more rows than this is no figure any more."""

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


def general_panels(result: SweepResult) -> list[Panel]:
    """Recovery by parts, and response time, where there is something to show."""
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
                f"ones where there are no others. Rows: {rows_are}.",
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
    return panels


def _recovery(frame: pd.DataFrame, labels: list[str]) -> Figure:
    parts = []
    for name, column in PARTS:
        means = []
        for cell in range(len(labels)):
            values = _of(frame, cell, "sim", column) or _of(frame, cell, "ray", column)
            means.append(sum(values) / len(values) if values else float("nan"))
        parts.append((name, means))
    return plots.stacked(parts, labels, x_label="mean time after the fault [s]")
