"""What a sweep without a conclusion of its own says: which cell is best by its metric, or that none can be told."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from ..stats.intervals import LEVEL, distinguishable, interval
from ..sweep.grid import axis_title, show
from ..sweep.result import SweepResult, observed
from .model import number_text, seconds_text, world

MORE_IS_BETTER = ("throughput_ops_s", "ok")
MOST_CELLS = 60
"""Compared with the best one by one; beyond, what is best is left to the table."""
NAMED = 4


def answer(result: SweepResult) -> str:
    """One to three sentences, computed: violations first, then the best cell and whether the data can tell it apart."""
    if not result.rows:
        return "No trial has finished."
    sentences = _violations(result)
    found = [row.result for row in result.rows]
    complete = sum(each.trial == "complete" for each in found)
    if not sentences:
        sentences.append(
            f"{complete:,} of {len(found):,} trials are complete, and none of them violated a property."
            if complete < len(found)
            else f"No violation was found in {len(found):,} trials."
        )
    best = _best(result)
    return "\n".join([best, *sentences] if best and not _violations(result) else [*sentences, *[best] * bool(best)])


def _violations(result: SweepResult) -> list[str]:
    """Which cells violated something, and how often."""
    frame = result.frame()
    bad = frame[frame["verdict"] == "invalid"]
    if bad.empty:
        return []
    names = _labels(result)
    cells = [cell for cell in bad["cell"].unique() if cell >= 0]
    told = [
        f"{names[cell]} ({int((bad['cell'] == cell).sum())} of {int((frame['cell'] == cell).sum())} trials)"
        for cell in cells[:NAMED]
    ]
    told += [f"{len(cells) - NAMED} more"] * (len(cells) > NAMED)
    if len(names) < 2:
        return [f"A property that must hold was violated in {len(bad):,} of {len(frame):,} trials."]
    return [f"A property that must hold was violated: {'; '.join(told)}."]


def _labels(result: SweepResult) -> list[str]:
    """Each cell by the axes that vary: ``nodes 3, election timeout 150-300 ms``."""
    points = result.description.points
    varying = [name for name in result.axes if len({repr(point[name]) for point in points}) > 1]
    return [", ".join(f"{axis_title(name)} {show(name, point[name])}" for name in varying) for point in points]


def _best(result: SweepResult) -> str:
    """Of the cells without a violation, in the world with more trials."""
    metric = result.description.metric
    frame = result.frame()
    if metric not in frame or not 2 <= len(result.description.points) <= MOST_CELLS:
        return ""
    runtime = frame["runtime"].value_counts().index[0]
    frame = frame[frame["runtime"] == runtime]
    sound = [cell for cell, group in frame.groupby("cell") if not (group["verdict"] == "invalid").any() and cell >= 0]
    values = {int(str(cell)): observed(frame[frame["cell"] == cell], metric).dropna() for cell in sound}
    values = {cell: data for cell, data in values.items() if len(data)}
    if len(values) < 2:
        return ""
    more = metric in MORE_IS_BETTER
    ranked = sorted(values, key=lambda cell: float(values[cell].median()), reverse=more)
    return _sentence(metric, str(runtime), ranked, values, _labels(result))


def _sentence(
    metric: str, runtime: str, ranked: Sequence[int], values: dict[int, pd.Series[float]], names: Sequence[str]
) -> str:
    best, others = ranked[0], ranked[1:]
    level = 1 - (1 - LEVEL) / len(others)  # Bonferroni: one of several comparisons is wrong with 5%
    tied = [cell for cell in others if not distinguishable(values[best], values[cell], level=level)]
    by = axis_title(metric).removesuffix(" ops")
    if len(tied) == len(others):
        return f"By {by}, these {len(ranked)} cells cannot be told apart ({world(runtime)})."
    text = seconds_text if metric.endswith("_s") and not metric.endswith("ops_s") else number_text
    found = interval(values[best])
    bounds = f" ({text(found.low)} to {text(found.high)})" if found.known else ""
    kind = "mean" if found.few else "median"
    sentence = f"By {by}, {names[best]} is best: {kind} {text(found.estimate)}{bounds} over {found.n} trials, "
    sentence += f"{world(runtime)}"
    if tied:
        told = "; ".join(names[cell] for cell in tied[:NAMED])
        told += f"; {len(tied) - NAMED} more" if len(tied) > NAMED else ""
        return f"{sentence}. It cannot be told from {told}."
    second = float(values[others[0]].median())
    first = float(values[best].median())
    ratio = second / first if first > 0 and math.isfinite(second) else math.nan
    times = "" if math.isnan(ratio) else f" with {ratio:.2g} times as much"
    return f"{sentence}. Next is {names[others[0]]}{times}."
