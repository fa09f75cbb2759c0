"""Figures of a single trial: what its clients saw second by second, with faults as bands, and the tail of response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..faults.spec import FaultRecord
from ..history.history import INFO, NEVER, OK, History
from ..stats.summary import intended_rows
from ..sweep.result import Panel, SweepResult
from ..trial import Latency, Result
from .model import seconds_text
from .one import only, stored_history
from .plots import GRID, INK, WIDTH, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS = 120
"""Points along the time axis, at most."""
STEPS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
LABELLED = 4
"""Faults up to which each is a band with its name; more are a strip of bars, a row a kind."""


@dataclass(frozen=True)
class Series:
    """What clients saw in equal steps of time.

    Attributes:
        step: seconds.
        rate: acknowledged operations a second, by when they were acknowledged.
        p50, p99: response times in seconds, by when they were to start; NaN where none was.
        lost: operations that were to start then and were never acknowledged.
    """

    step: float
    rate: Sequence[float]
    p50: Sequence[float]
    p99: Sequence[float]
    lost: Sequence[int]


def panels(result: SweepResult) -> list[Panel]:
    """The figures of a single trial; none for a sweep, or where nothing was recorded."""
    trial = only(result)
    if trial is None or trial.error is not None:
        return []
    history = stored_history(result)
    series = series_of(trial, history)
    made = []
    if len(series.rate) > 1:
        span = f"{series.step * 1e3:g} ms" if series.step < 1 else f"{series.step:g} s"
        lost = " Crosses: operations meant to start then that were never acknowledged." if any(series.lost) else ""
        bands = (
            f" {'Bands' if len(trial.faults) <= LABELLED else 'Bars at the top'}: faults, while they lasted."
            if trial.faults
            else ""
        )
        made.append(
            Panel(
                "Over time",
                f"In steps of {span}. Above: acknowledged operations. Below: response time from the intended start, "
                f"by that start.{bands}{lost}",
                lambda: over_time(series, trial.faults, trial.spec.warmup / 1e9),
            )
        )
    if history is not None and len(times := response_times(history, trial)) > 1:
        total = round(len(times) / (1 - trial.latency_s.censored)) if trial.latency_s.censored < 1 else len(times)
        missing = f" {total - len(times):,} of them were not acknowledged: the line ends above." * (total > len(times))
        made.append(
            Panel(
                "The tail of the response time",
                "The share of operations that took longer than the time below; each gridline down is ten times "
                f"rarer. All of the measured load, faults included.{missing}",
                lambda: tail(times, total, trial.latency_s),
            )
        )
    return made


def response_times(history: History, trial: Result) -> np.ndarray[Any, Any]:
    """Of acknowledged operations that were to start after the warm-up, in seconds."""
    rows = (history.outcome == OK) & intended_rows(history, trial.spec.warmup, round(trial.duration_s * 1e9))
    return np.asarray((history.completed[rows] - history.intended[rows]) / 1e9)


def series_of(trial: Result, history: History | None) -> Series:
    """From the history in fine steps; without one from what the result keeps, second by second."""
    if history is None or not len(history):
        rows = trial.time_series
        nothing = float("nan")
        p99 = [nothing if value is None else value for _, _, value in rows]
        return Series(1.0, [float(count) for _, count, _ in rows], [nothing] * len(rows), p99, [0] * len(rows))
    duration = trial.spec.duration / 1e9
    step = next((step for step in STEPS_S if duration / step <= BINS), STEPS_S[-1])
    count = max(1, int(np.ceil(duration / step - 1e-9)))
    ok = history.outcome == OK
    ended = np.bincount(_bin(history.completed[ok], step, count), minlength=count + 1)[:count]
    place = _bin(history.intended, step, count)
    # "never" is no time: an operation without an answer has no response time
    took = np.where(ok & (history.completed < NEVER), (history.completed - history.intended) / 1e9, np.nan)
    p50, p99 = [], []
    for here in range(count):
        values = took[(place == here) & ok]
        p50.append(float(np.quantile(values, 0.5)) if len(values) else float("nan"))
        p99.append(float(np.quantile(values, 0.99)) if len(values) else float("nan"))
    open_for_ever = (history.outcome == INFO) & (place < count)
    lost = np.bincount(place[open_for_ever], minlength=count + 1)[:count]
    return Series(step, [float(n) / step for n in ended], p50, p99, [int(n) for n in lost])


def _bin(times: np.ndarray[Any, Any], step: float, count: int) -> np.ndarray[Any, Any]:
    """The step each time falls into; ``count`` for those after the load."""
    return np.clip((times / (step * 1e9)).astype(np.int64), 0, count)


def over_time(series: Series, faults: Sequence[FaultRecord], warmup: float) -> Figure:
    """Rate above, response time below, one time axis; many faults get a strip of their own, a row a kind."""
    from matplotlib.figure import Figure

    with style() as palette:
        kinds = list(dict.fromkeys(fault.kind for fault in faults)) if len(faults) > LABELLED else []
        strip = 0.16 * len(kinds)
        figure = Figure(figsize=(WIDTH, 4.3 + strip))
        rows = figure.subplots(
            2 + bool(kinds), 1, sharex=True, height_ratios=(*[max(strip, 0.2)] * bool(kinds), 1.7, 2.0)
        )
        above, below = rows[-2], rows[-1]
        edges = np.arange(len(series.rate) + 1) * series.step
        middle = edges[:-1] + series.step / 2
        above.stairs(series.rate, edges, baseline=None, color=palette[0], linewidth=1.3, zorder=3)
        above.stairs(series.rate, edges, color=palette[0], fill=True, alpha=0.15, linewidth=0, zorder=2)
        above.set_ylim(0, max(series.rate, default=0) * 1.12 or 1)
        above.set_ylabel("acknowledged\n[ops/s]")
        if np.isfinite(series.p50).any():
            below.plot(middle, series.p50, color=palette[0], linewidth=1.4, label="p50", zorder=4)
        below.plot(middle, series.p99, color=palette[1], linewidth=1.2, label="p99", zorder=3)
        lost = np.asarray(series.lost)
        if lost.any():
            below.plot(
                middle[lost > 0],
                np.full((lost > 0).sum(), 0.04),
                "x",
                color=palette[3],
                markersize=4.5,
                transform=below.get_xaxis_transform(),
                label="never acknowledged",
                zorder=5,
                clip_on=False,
            )
        _response_axis(below, [*series.p50, *series.p99])
        below.set_ylabel("response time\n[s]")
        below.set_xlabel("time since the load began [s]")
        below.set_xlim(0, edges[-1])
        if warmup:
            for axes in (above, below):
                axes.axvline(warmup, color=INK, linewidth=0.8, linestyle=":", zorder=1)
            above.text(warmup, 1.0, " measured from here", transform=above.get_xaxis_transform(), va="top", fontsize=8)
        if kinds:
            _strip(rows[0], faults, kinds, float(edges[-1]))
        else:
            _bands((above, below), faults, float(edges[-1]))
        figure.legend(*below.get_legend_handles_labels(), loc="outside upper left", ncols=3, handlelength=1.2)
        figure.align_ylabels()
        return figure


def _response_axis(axes: Axes, values: Sequence[float]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    known = [value for value in values if np.isfinite(value) and value > 0]
    if not known or max(known) / min(known) < 6:
        axes.set_ylim(bottom=0)
        return
    axes.set_yscale("log")
    subs = (1.0, 2.0, 5.0) if max(known) / min(known) < 300 else (1.0,)
    axes.yaxis.set_major_locator(LogLocator(base=10, subs=subs))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(min(known) / 1.6, max(known) * 1.6)


def _lasted(fault: FaultRecord, end: float) -> tuple[float, float]:
    """From when to when a fault is drawn, in seconds: wide enough to be seen, and not beyond the end."""
    start, stop = fault.start / 1e9, end if fault.end is None else min(end, fault.end / 1e9)
    return start, max(stop, start + end / 400)


def _bands(both: Sequence[Axes], faults: Sequence[FaultRecord], end: float) -> None:
    """Few faults, as bands over both axes with their names above."""
    for fault in faults:
        start, stop = _lasted(fault, end)
        if start >= end:
            continue
        for axes in both:
            axes.axvspan(start, stop, color=GRID, alpha=0.75, linewidth=0, zorder=0)
        words = f"{fault.kind} {', '.join(fault.targets[:3])}{' …' if len(fault.targets) > 3 else ''}"
        late = start > 0.7 * end
        both[0].text(
            stop if late else start,
            1.01,
            words,
            transform=both[0].get_xaxis_transform(),
            fontsize=8,
            ha="right" if late else "left",
            va="bottom",
        )


def _strip(axes: Axes, faults: Sequence[FaultRecord], kinds: Sequence[str], end: float) -> None:
    """Many faults, as bars, a row a kind."""
    for row, kind in enumerate(kinds):
        spans = [_lasted(fault, end) for fault in faults if fault.kind == kind and fault.start / 1e9 < end]
        bars = [(start, stop - start) for start, stop in spans]
        axes.broken_barh(bars, (row - 0.36, 0.72), color=INK, alpha=0.55, linewidth=0)
    axes.set_yticks(range(len(kinds)), kinds)
    axes.set_ylim(len(kinds) - 0.4, -0.6)
    axes.tick_params(axis="both", length=0, labelsize=8)
    axes.tick_params(axis="x", labelbottom=False)
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)


def tail(times: np.ndarray[Any, Any], total: int, latency: Latency) -> Figure:
    """The complementary distribution over ``total`` operations, both axes logarithmic, with the usual quantiles."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullFormatter

    with style() as palette:
        figure = Figure(figsize=(WIDTH, 4.3))
        axes = figure.subplots()
        data = np.sort(times)
        n = len(data)
        slower = 1 - np.arange(1, n + 1) / total
        if n == total:
            slower[-1] = 0.5 / n  # the slowest: none took longer, which has no place on a logarithmic axis
        # points that fall on each other on paper need not be in the file
        keep = np.unique((n - np.geomspace(1, n, min(n, 400))).round().astype(int).clip(0, n - 1))
        axes.step(data[keep], slower[keep], where="post", color=palette[0], linewidth=1.5, zorder=3)
        right = data[-1] * 3
        marks = ((0.5, "p50", latency.p50), (0.1, "p90", latency.p90), (0.01, "p99", latency.p99))
        for share, name, value in (*marks, (0.001, "p99.9", latency.p999)):
            if value is None or share * total < 1:
                continue
            axes.plot([value], [share], "o", color=palette[0], markersize=5, zorder=4)
            left = value > right / 8
            axes.annotate(
                f"{name}: {seconds_text(value)}",
                (value, share),
                xytext=(-7 if left else 7, -11 if left else 4),
                ha="right" if left else "left",
                textcoords="offset points",
                fontsize=8.5,
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(max(data[0], 1e-6) / 1.2, right)
        axes.set_ylim(min(float(slower[-1]) * 0.7, 0.08), 1.3)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value * 100:g}%"))
        axes.grid(visible=True, axis="both")
        axes.set_xlabel("response time [s]")
        axes.set_ylabel("operations that took longer")
        return figure
