"""Panels that many scripts need: one figure of all trials over one axis, by another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .grid import show
from .result import Panel

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def by_axis(
    frame: pd.DataFrame,
    x: str,
    y: str,
    *,
    by: str = "",
    title: str,
    caption: str = "",
    x_label: str = "",
    y_label: str,
    scale: float = 1.0,
) -> Panel:
    """Trials by the values of one axis, in colours by those of another: distributions simulated, diamonds live.

    Args:
        frame: of :meth:`bench.sweep.result.SweepResult.frame`; trials without a figure are left out.
        x, y, by: columns; without ``by`` all have one colour.
        title, caption: of the panel.
        x_label, y_label: of the figure; the unit of ``y`` belongs to its label.
        scale: figures are multiplied by it, to match that unit.
    """

    def draw() -> Figure:
        from ..report.plots import Series, distribution

        rows = frame[frame[y].notna()]
        rows = rows.sort_values("cell", kind="stable")  # as the grid has them, not as they finished
        places = list(dict.fromkeys(rows[x]))
        kinds: list[Any] = list(dict.fromkeys(rows[by])) if by else [None]

        def values(kind: Any, runtime: str) -> list[list[float]]:
            chosen = rows[rows["runtime"] == runtime]
            if by:
                chosen = chosen[chosen[by] == kind]
            return [[float(value) * scale for value in chosen[chosen[x] == place][y]] for place in places]

        series = [
            Series("" if kind is None else named(by, kind), values(kind, "sim"), values(kind, "ray")) for kind in kinds
        ]
        return distribution(series, [show(x, place) for place in places], x_label=x_label or x, y_label=y_label)

    return Panel(title=title, caption=caption or CAPTION, draw=draw)


def named(axis: str, value: Any) -> str:
    """A value of an axis for a legend: words speak for themselves, numbers need the name of what they count."""
    return value if isinstance(value, str) else f"{axis.removesuffix('_s')} {show(axis, value)}"


CAPTION = "Every trial a dot; the thick line is the middle half, the thin one the middle 90%, the gap the median."
