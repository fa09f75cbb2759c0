"""Throughput against latency, and where each setting of a sweep saturates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, unknown_name
from ..stats.intervals import interval
from ..stats.knee import CurvePoint, Knee, judge, knee
from .grid import Point, describe, spaced
from .result import Panel, SweepResult, carried_value
from .store import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOADS = ("rate", "clients")
"""Axes that are a load: of an open loop, and of a closed one."""


def load_axis(result: SweepResult) -> str:
    """The axis that is the load.

    Raises:
        UsageError: there is none, or two.
    """
    asked = result.description.saturation
    if asked is not None:
        return asked.axis
    found = [name for name in LOADS if name in result.axes]
    if len(found) != 1:
        raise UsageError(f"the grid needs one axis that is the load, rate or clients; it has {', '.join(result.axes)}")
    return found[0]


def settings(result: SweepResult, axis: str, runtime: str | None = None) -> list[tuple[Point, dict[float, list[Row]]]]:
    """(the other axes' values, load -> its trials in the order of their seeds) of each setting.

    Args:
        result: of a sweep.
        axis: the load.
        runtime: ``sim`` or ``ray``; None: simulated trials where there are any.

    Raises:
        UsageError: there is no such axis.
    """
    if axis not in result.axes:
        raise unknown_name("axis", axis, result.axes)
    runtime = runtime or ("sim" if any(row.result.runtime == "sim" for row in result.rows) else "ray")
    found: dict[str, tuple[Point, dict[float, list[Row]]]] = {}
    for row in sorted(result.rows, key=lambda each: each.result.seed):
        if row.result.runtime == runtime:
            setting = {name: value for name, value in row.point.items() if name != axis}
            _, loads = found.setdefault(repr(sorted(setting.items())), (setting, {}))
            loads.setdefault(float(row.point[axis]), []).append(row)
    return [(setting, dict(sorted(loads.items()))) for setting, loads in found.values()]


def setting_text(setting: Point) -> str:
    """In words; empty if the load was all that varied."""
    return describe(setting)


def knees(result: SweepResult, at_most: float | None = None, metric: str | None = None) -> list[tuple[Point, Knee]]:
    """(setting, where it saturates) by the trials of a sweep, whether they were searched for or lie on a grid.

    Args:
        result: of a sweep.
        at_most: the bound; None: the one the sweep searched with.
        metric: it bounds; None: the one of the search, or ``p99_s``.

    Raises:
        UsageError: neither the sweep nor the caller gives a bound, or no axis is the load.
    """
    asked = result.description.saturation
    if at_most is None:
        if asked is None:
            raise UsageError("the sweep searched for no knee: give the bound, at_most, in seconds")
        at_most = asked.at_most
    metric = metric or (asked.metric if asked is not None else "p99_s")
    found = []
    for setting, loads in settings(result, load_axis(result)):
        judged = []
        for rate, rows in loads.items():
            if asked is not None and metric == asked.metric:
                if len(rows) < asked.seeds:
                    continue  # the search was interrupted there
                rows = rows[: asked.seeds]  # what the search decided by
            violated = sum(row.result.verdict == "invalid" for row in rows)
            judged.append(judge(rate, [carried_value(row.result, metric) for row in rows], at_most, violated))
        found.append((setting, knee(judged, at_most)))
    return found


def curve(rows: dict[float, list[Row]], metrics: Sequence[str] = ("p50_s", "p99_s")) -> list[CurvePoint]:
    """A throughput-latency curve from the trials of one setting (:func:`settings`), by load.

    Raises:
        UsageError: open and closed loops are among them: their latencies are not comparable.
    """
    kinds = {row.result.spec.workload.rate is None for each in rows.values() for row in each}
    if len(kinds) > 1:
        raise UsageError("open and closed loops do not belong into one curve")
    points = []
    for load, each in sorted(rows.items()):
        fit = [row.result for row in each if carried(row)]
        complete = [found for found in fit if found.trial == "complete"]
        points.append(
            CurvePoint(
                load=load,
                throughput=interval([found.throughput_ops_s for found in fit]),
                latency={name: interval([carried_value(found, name) for found in fit]) for name in metrics},
                trials=len(complete),
                saturated=len(fit) - len(complete),
            )
        )
    return points


def carried(row: Row) -> bool:
    """Whether a trial says something of the system: it is complete, or the system did not keep up."""
    value = carried_value(row.result, "throughput_ops_s")
    return value == value  # not NaN


Predict = Callable[[Point, float], float]
"""(setting, load) -> seconds."""


def curve_panel(
    result: SweepResult,
    *,
    title: str = "Latency by throughput",
    predict: Predict | None = None,
    label: Callable[[Point], str] = setting_text,
    metrics: tuple[str, str] = ("p50_s", "p99_s"),
) -> Panel:
    """Both latencies over the throughput, a colour a setting, with the bound and the knees if there was a search.

    Args:
        result: of a sweep with a load for an axis.
        title: of the panel.
        predict: what a model says of the first latency; drawn as a dotted line.
        label: of a setting.
        metrics: the latencies: a full line, and a dashed one.
    """
    model = " Dotted: what the model predicts for the lower one." if predict is not None else ""
    asked = result.description.saturation
    bound = f" The horizontal line is the bound, {spaced(asked.at_most)}; triangles are the knees." if asked else ""
    return Panel(
        title=title,
        caption=f"Medians over trials with their 95% intervals (t intervals around means of fewer than 8): "
        f"{_name(metrics[0])} as a full line, {_name(metrics[1])} dashed.{model}{bound} Points where the system did "
        "not keep up are not drawn. Latency is logarithmic.",
        draw=lambda: _draw(result, predict, label, metrics),
    )


def _name(metric: str) -> str:
    return metric.removesuffix("_s")


def _draw(
    result: SweepResult, predict: Predict | None, label: Callable[[Point], str], metrics: tuple[str, str]
) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    from ..report.plots import HEIGHT, INK, WIDTH, style

    axis = load_axis(result)
    asked = result.description.saturation
    found = settings(result, axis)
    at = {repr(setting): each for setting, each in (knees(result) if asked else [])}
    with style() as palette:
        figure = Figure(figsize=(WIDTH, 1.15 * HEIGHT))
        axes = figure.subplots()
        for i, (setting, rows) in enumerate(found):
            colour = palette[i % len(palette)]
            points = curve(rows, metrics)
            for metric, line in zip(metrics, ("-", "--"), strict=True):
                _line(axes, points, metric, line, colour)
            if predict is not None:
                drawn = [(p.load, predict(setting, p.load)) for p in points if p.trials]
                finite = [(x, y) for x, y in drawn if y < float("inf")]
                axes.plot(*zip(*finite, strict=True), linestyle=":", color=colour, linewidth=1.6, zorder=6)
            knee_ = at.get(repr(setting))
            if knee_ is not None and knee_.rate is not None and asked is not None:
                axes.plot([knee_.rate], [asked.at_most], "v", color=colour, markersize=8, zorder=7, clip_on=False)
        if asked is not None:
            axes.axhline(asked.at_most, color=INK, linewidth=0.8, zorder=1)
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 1e3:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set_xlim(left=0)
        axes.set_xlabel("throughput [operations/s]")
        axes.set_ylabel("latency [ms]")
        handles: list[Any] = [
            Line2D(
                [], [], color=palette[i % len(palette)], marker="o", markersize=4, label=label(setting) or "measured"
            )
            for i, (setting, _) in enumerate(found)
        ]
        handles += [Line2D([], [], color=INK, linestyle="-", label=_name(metrics[0]))]
        handles += [Line2D([], [], color=INK, linestyle="--", label=_name(metrics[1]))]
        if predict is not None:
            handles.append(Line2D([], [], color=INK, linestyle=":", label="model"))
        figure.legend(handles=handles, loc="outside upper left", ncols=3, handlelength=1.8, columnspacing=1.4)
        return figure


def _line(axes: Any, points: Sequence[CurvePoint], metric: str, line: str, colour: Any) -> None:
    """One latency of one setting, with error bars where there are bounds."""
    import math

    drawn = [p for p in points if p.trials and math.isfinite(p.latency[metric].estimate)]
    x = [p.throughput.estimate for p in drawn]
    y = [p.latency[metric].estimate for p in drawn]
    axes.plot(x, y, line, marker="o", markersize=3.5, linewidth=1.3, color=colour, zorder=4)
    for p, across, up in zip(drawn, x, y, strict=True):
        each = p.latency[metric]
        if each.known and math.isfinite(each.high):
            axes.plot([across, across], [max(each.low, up / 100), each.high], color=colour, linewidth=1, zorder=3)
