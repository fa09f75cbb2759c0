"""The outcome of a sweep: its rows, as objects and as a data frame, and what a script concludes from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..assess import SHORT
from ..errors import UsageError, unknown_name
from ..trial import Result
from .store import Description, Row, RunFolder, extra, flat, metrics

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class SweepResult:
    """What a sweep found.

    Attributes:
        folder: where it is kept.
        description: of the sweep and its sittings.
        rows: finished trials of the latest code version, in the order they finished; failed ones among them.
        other_code: trials in the folder that an earlier code version ran; they enter nothing.
        interrupted: whether it was stopped before its end.
    """

    folder: Path
    description: Description
    rows: tuple[Row, ...]
    other_code: int = 0
    interrupted: bool = False

    @classmethod
    def load(cls, folder: Path) -> SweepResult:
        """Read a run folder, also while the sweep still runs.

        Raises:
            UsageError: it is not one.
        """
        files = RunFolder(folder)
        description = files.description()
        if description is None:
            raise UsageError(f"{folder} is not the folder of a sweep: it has no sweep.json")
        every = files.rows()
        rows = tuple(row for row in every if row.code_version == description.code_version)
        return cls(folder, description, rows, len(every) - len(rows), not description.finished)

    def frame(self) -> pd.DataFrame:
        """One row a trial: the axes' values (ranges as tuples), then the figures; times in seconds.

        Columns are those of :func:`bench.sweep.store.flat` and :func:`bench.sweep.store.extra`, with ``cell``, the
        index of the cell, in front.
        """
        import pandas as pd

        cells = {_frozen_point(point): i for i, point in enumerate(self.description.points)}
        rows: list[dict[str, Any]] = [
            {"cell": cells.get(_frozen_point(row.point), -1), **row.point, **flat(row.result), **extra(row.result)}
            for row in self.rows
        ]
        return pd.DataFrame(rows)

    def uncounted(self) -> list[str]:
        """A sentence for each cell and world with trials that are void, or in which the system did not serve again."""
        from .grid import describe

        frame = self.frame()
        sentences = []
        for (cell, runtime), group in frame.groupby(["cell", "runtime"]) if len(frame) else ():
            if (told := Counts.of(group).text()) and int(str(cell)) >= 0:
                point = describe(self.description.points[int(str(cell))])
                sentences.append(f"{point} ({'live' if runtime == 'ray' else 'simulated'}): {told}")
        return sentences

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of the grid's axes."""
        return tuple(self.description.points[0]) if self.description.points else ()


def _frozen_point(point: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(point.items()))


HIGHEST = ("throughput_ops_s", "ok")
"""Metrics of which more is better; of all others less is."""
LATENCIES = ("p50_s", "p90_s", "p99_s", "p999_s", "max_s")


def observed(frame: pd.DataFrame, metric: str) -> pd.Series[float]:
    """A metric of the complete trials of a frame, for medians and other order statistics over trials.

    Infinite where it was longer than could be observed: an outage that had not ended, a quantile of latency among
    operations that were never served. Left out, or taken for what was seen of it, the worst trials would look like
    good ones. NaN where there is nothing to observe.
    """
    rows = frame[frame["trial"] == "complete"]
    values = rows[metric].astype(float)
    if metric == "unavailable_s":
        return values.mask(rows["unavailable_censored"].astype(bool), math.inf)
    if metric in LATENCIES:
        return values.mask(values.isna() & (rows["latency_censored"] > 0), math.inf)
    return values


def observed_value(result: Result, metric: str) -> float:
    """As :func:`observed`, of one trial; NaN for one that is void.

    Raises:
        UsageError: there is no such metric; the nearest is named.
    """
    row = flat(result)
    check_metric(metric)
    if result.trial != "complete":
        return math.nan
    if metric == "unavailable_s" and result.unavailable_censored:
        return math.inf
    value = row[metric]
    if value is None:
        return math.inf if metric in LATENCIES and result.latency_s.censored > 0 else math.nan
    return float(value)


def carried_value(result: Result, metric: str) -> float:
    """As :func:`observed_value`, where a system that did not serve what it was asked for counts as infinitely slow.

    NaN where a trial says nothing of the system, or its verdict is not known.
    """
    if result.trial == "void" and result.error is None and (result.void_reason or "").startswith(SHORT):
        return math.inf
    return math.nan if result.verdict == "unknown" else observed_value(result, metric)


def check_metric(metric: str) -> None:
    """Raise :class:`UsageError` if a frame has no such column of numbers; the nearest is named."""
    if metric not in metrics():
        raise unknown_name("metric", metric, metrics())


@dataclass(frozen=True)
class Counts:
    """What became of some trials.

    Attributes:
        trials: all of them.
        void: those of which no figure means anything, failed ones included.
        silent: complete ones in which the system did not serve again before the load ended, or never did.
    """

    trials: int
    void: int
    silent: int

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Counts:
        """Those of a frame."""
        complete = frame["trial"] == "complete"
        silent = complete & frame["unavailable_censored"].astype(bool)
        return cls(len(frame), int((~complete).sum()), int(silent.sum()))

    def text(self) -> str:
        """``of 60 trials 2 are void and 3 did not serve again``; empty where there is nothing to tell."""
        parts = [f"{self.void} {'is' if self.void == 1 else 'are'} void"] * bool(self.void)
        parts += [f"{self.silent} did not serve again"] * bool(self.silent)
        trials = f"{self.trials} trial{'' if self.trials == 1 else 's'}"
        return f"of {trials} {' and '.join(parts)}" if parts else ""


@dataclass(frozen=True)
class Panel:
    """A figure of a report: drawn when the report is, so that nothing imports matplotlib before.

    Attributes:
        title: what it shows, as a sentence without a full stop.
        caption: how to read it.
        draw: makes the figure.
    """

    title: str
    caption: str
    draw: Callable[[], Figure]


@dataclass(frozen=True)
class Conclusion:
    """What a script makes of its sweep.

    Attributes:
        answer: one or two sentences, computed from the data: the report's first words and the terminal's last.
        details: further sentences, each resting on a figure.
        panels: figures in their order, before the general ones.
        invitation: what to try next, for the terminal.
    """

    answer: str
    details: Sequence[str] = ()
    panels: Sequence[Panel] = ()
    invitation: str = ""


@dataclass(frozen=True)
class Threshold:
    """A bound on a cell's median that the sweep must keep; exit code 4 where it does not.

    A trial in which the metric was longer than could be observed counts as infinite (:func:`observed`).

    Attributes:
        metric: a column of :meth:`SweepResult.frame`.
        at_most, at_least: bounds, None for none.
        worse_by: share by which the median may be worse than that of a ``--baseline``; without one, not at all.
    """

    metric: str
    at_most: float | None = None
    at_least: float | None = None
    worse_by: float | None = None

    def broken_by(self, result: SweepResult) -> list[str]:
        """One sentence for each cell and world whose median over complete trials is out of bounds."""
        from .grid import describe

        frame = result.frame()
        if frame.empty:
            return []
        sentences = []
        for (cell, runtime), group in frame.groupby(["cell", "runtime"]):
            value = float(observed(group, self.metric).median())
            point = describe(result.description.points[int(str(cell))])
            where = f"{point} ({'live' if runtime == 'ray' else 'simulated'})"
            if told := Counts.of(group).text():
                where += f", {told}"
            if self.at_most is not None and value > self.at_most:
                sentences.append(f"{where}: median {self.metric} {value:.4g} is above {self.at_most:g}")
            if self.at_least is not None and value < self.at_least:
                sentences.append(f"{where}: median {self.metric} {value:.4g} is below {self.at_least:g}")
        return sentences


@dataclass
class Options:
    """How to run a sweep this time; None takes what the sweep itself says.

    Attributes:
        seeds, live: simulated and live trials a cell.
        budget_s: seconds of wall time in total.
        runtime: ``sim`` or ``ray``: only that world.
        jobs: simulated trials at once.
        service: ``default`` or ``calibrated``; see :mod:`bench.calibration`.
        address: of a running Ray cluster.
        out: folder of the run; one that holds trials is resumed.
        dry_run: print the cells, their number and an estimate of the time, and run nothing.
        plain: plain lines even on a terminal.
        baseline: folder of an earlier run to compare with: a regression ends in exit code 4.
        force: compare with a baseline of another machine, too.
        began: monotonic time from which the budget counts; now, if None.
        precision: half the interval's width over the estimate at which a cell has enough seeds, instead of ``seeds``.
        seeds_asked: the seeds that were asked for by name, filled in where ``seeds`` is resolved.
    """

    seeds: int | None = None
    live: int | None = None
    budget_s: float | None = None
    runtime: str | None = None
    jobs: int | None = None
    service: str | None = None
    address: str | None = None
    out: Path | None = None
    dry_run: bool = False
    plain: bool | None = None
    baseline: Path | None = None
    force: bool = False
    began: float | None = None
    overrides: Sequence[str] = field(default_factory=tuple)
    precision: float | None = None
    seeds_asked: int | None = None
