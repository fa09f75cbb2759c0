"""What any sweep's data say, whatever its script makes of them: an answer if it gives none, and what to beware of."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..stats.groups import Ranking, rank, warnings_of
from ..stats.intervals import FEW, Interval
from ..stats.looks import Look, look
from ..stats.order import Order, order_effect
from .grid import axis_title, describe, same
from .result import HIGHEST, Conclusion, SweepResult, observed, observed_value
from .saturation import knees, setting_text
from .store import Row

if TYPE_CHECKING:
    import pandas as pd

ALPHA = 0.05
TRANSIENT = 0.05
"""Of the load: a transient that outlasts the warm-up by more than this is told of."""


def concluded(
    result: SweepResult, conclude: Callable[[SweepResult], Conclusion] | None
) -> tuple[Conclusion, str | None]:
    """What the script concludes, or, without it, what the data say; with what to beware of among the details.

    Returns:
        The conclusion, and a sentence if the script's own function failed: its trials are kept all the same.
    """
    problem = None
    found: Conclusion | None = None
    if conclude is not None:
        try:
            found = conclude(result)
        except Exception as error:
            name = type(error).__name__
            problem = f"the script's conclude fails: {name}: {error}; the trials are kept in {result.folder}"
    if found is None:
        found = Conclusion(answer=answer(result))
    beware = [sentence for sentence in remarks(result) if sentence not in found.answer]
    return replace(found, details=(*found.details, *beware)), problem


def answer(result: SweepResult) -> str:
    """The knees that were searched, or which cell is best by the sweep's metric, in words."""
    if not result.rows:
        return "No trial finished."
    if result.description.saturation is not None:
        return "\n".join(_knees(result))
    broken = violated(result)
    if not broken:
        return ranking(result).sentence()
    metric = result.description.metric
    sound = {label: values for label, values in samples(result, metric).items() if label not in broken}
    named = "; ".join(broken) if len(broken) <= 3 else f"{'; '.join(broken[:3])} and {len(broken) - 3} more"
    words = f"{len(broken)} of {len(result.description.points)} cells violate what they promise ({named})"
    if len(sound) < 2:
        return f"{words}; no two others are left to compare."
    return (
        f"{words} and are not ranked. Of the others: "
        + rank(sound, axis_title(metric), highest=metric in HIGHEST).sentence()
    )


def violated(result: SweepResult) -> list[str]:
    """The cells, in words, of which a trial found a violation: no figure of theirs makes them a choice."""
    frame = result.frame()
    cells = frame[(frame["verdict"] == "invalid") & (frame["cell"] >= 0)]["cell"]
    return [describe(result.description.points[int(cell)]) for cell in sorted(set(cells))]


def ranking(result: SweepResult, metric: str | None = None, q: float = 0.5, runtime: str | None = None) -> Ranking:
    """The cells in the order of a metric's quantile over their complete trials.

    Args:
        result: of a sweep.
        metric: a column of figures; None: the sweep's own.
        q: which quantile.
        runtime: ``sim`` or ``ray``; None: simulated trials where there are any.
    """
    metric = metric or result.description.metric
    return rank(samples(result, metric, runtime), axis_title(metric), q=q, highest=metric in HIGHEST)


def samples(result: SweepResult, metric: str, runtime: str | None = None) -> dict[str, pd.Series[float]]:
    """Cell in words -> the metric of its complete trials (:func:`bench.sweep.observed`); see :func:`ranking`."""
    frame = result.frame()
    if frame.empty:
        return {}
    runtime = runtime or ("sim" if (frame["runtime"] == "sim").any() else "ray")
    rows = frame[(frame["runtime"] == runtime) & (frame["cell"] >= 0)]
    points = result.description.points
    return {describe(points[int(str(cell))]): observed(group, metric) for cell, group in rows.groupby("cell")}


# --- what to beware of ----------------------------------------------------------------------------------------------


def remarks(result: SweepResult) -> list[str]:
    """Sentences on cells that cannot be told apart, few trials, order, warm-up, and intervals that stayed wide."""
    if not result.rows:
        return []
    metric = result.description.metric
    by_cell = {label: values.dropna() for label, values in samples(result, metric).items()}
    found: list[str] = []
    if len(by_cell) > 1 and result.description.saturation is None and _alike(list(by_cell.values())):
        ranked = ranking(result)
        if ranked.indistinguishable:
            found.append(ranked.sentence())
    found += warnings_of([_counted(values) for values in by_cell.values() if len(values)])
    order = order_of_live(result, metric)
    if order is not None and order.known:
        found.append("Live trials share their processes. " + order.sentence(axis_title(metric)))
    return [*found, *_precision(result), *_warm_up(result.rows)]


def _counted(values: pd.Series[float]) -> Interval:
    """Only the number of trials matters: an interval would cost a bootstrap."""
    return Interval(math.nan, math.nan, math.nan, 0.95, len(values), "none")


def _alike(values: Sequence[pd.Series[float]]) -> bool:
    """Whether the cells may be alike: a test that costs nothing, before one that does."""
    from scipy import stats

    known = [each.to_numpy() for each in values if len(each)]
    if len(known) < 2 or min(map(len, known)) < FEW:
        return True
    together = np.concatenate(known)
    return bool((together == together[0]).all()) or float(stats.kruskal(*known).pvalue) >= ALPHA


def order_of_live(result: SweepResult, metric: str) -> Order | None:
    """Whether the order of live trials, which run on processes kept between them, had an effect; None without any.

    Trials of different sittings are compared with those of their own only: each begins with new processes.
    """
    rows = [row for row in result.rows if row.result.runtime == "ray"]
    if not rows:
        return None
    values = [observed_value(row.result, metric) for row in rows]
    return order_effect(values, [(row.sitting, describe(row.point)) for row in rows])


def looks(result: SweepResult) -> list[tuple[str, Look]]:
    """(cell in words, the last look at it) of a sweep that adds seeds until its intervals are narrow."""
    asked = result.description.precision
    if asked is None:
        return []
    found = []
    for point in result.description.points:
        seeds = {
            row.result.seed: observed_value(row.result, asked.metric)
            for row in result.rows
            if row.result.runtime == "sim" and same(row.point, point)
        }
        last = None
        for trials in asked.looks():
            if any(seed not in seeds for seed in range(1, trials + 1)):
                break
            last = look([seeds[seed] for seed in range(1, trials + 1)], trials, asked)
            if last.narrow:
                break
        if last is not None:
            found.append((describe(point), last))
    return found


def _precision(result: SweepResult) -> list[str]:
    asked = result.description.precision
    every = looks(result)
    if asked is None or not every:
        return []
    wide = [(label, seen) for label, seen in every if not seen.narrow]
    trials = sorted(seen.trials for _, seen in every)
    head = (
        f"Seeds were added until the {asked.level:.0%} interval of {axis_title(asked.metric)} was within "
        f"+-{asked.width:.1%}, in at most {len(asked.looks())} looks for which it is corrected: {trials[0]} to "
        f"{trials[-1]} seeds a cell."
    )
    if not wide:
        return [head]
    label, seen = max(wide, key=lambda each: _half(each[1]))
    how = f"+-{_half(seen):.1%}" if math.isfinite(_half(seen)) else "without a bound"
    return [head, f"{len(wide)} of {len(every)} cells did not get there; the widest, {label}, is at {how}."]


def _half(seen: Look) -> float:
    found = seen.interval
    if not found.known or not found.estimate or not math.isfinite(found.high - found.low):
        return math.inf
    return (found.high - found.low) / 2 / abs(found.estimate)


def _warm_up(rows: Sequence[Row]) -> list[str]:
    """Cells whose response times became steady clearly after their warm-up, in the median over trials."""
    late: dict[str, list[float]] = {}
    for row in rows:
        if row.result.trial == "complete" and row.result.steady_s is not None:
            spec = row.result.spec
            beyond = row.result.steady_s - (spec.warmup + TRANSIENT * spec.duration) / 1e9
            late.setdefault(describe(row.point), []).append(beyond)
    told = {label: values for label, values in late.items() if float(np.median(values)) > 0}
    if not told:
        return []
    worst = max(told, key=lambda label: float(np.median(told[label])))
    steady = [r.result.steady_s for r in rows if describe(r.point) == worst and r.result.steady_s is not None]
    return [
        f"In {len(told)} of {len(late)} cells the warm-up was too short for response times to become steady (MSER-5): "
        f"most so at {worst}, steady from {float(np.median(steady)):.3g} s."
    ]


def _knees(result: SweepResult) -> list[str]:
    asked = result.description.saturation
    assert asked is not None
    name = axis_title(asked.metric)
    found = [(setting_text(setting), each) for setting, each in knees(result)]
    lines = [f"{label}: {each.sentence(name)}." if label else f"{each.sentence(name)}." for label, each in found]
    counted = Counter(each.violated > 0 for _, each in found)
    broken = f"{counted[True]} of {len(found)} settings broke a property that must hold: trust none of it yet."
    return [broken, *lines] if counted[True] else lines
