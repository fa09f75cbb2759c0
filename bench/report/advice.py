"""What a sweep without a conclusion of its own says: which cell is best by its metric, or that none can be told."""

from __future__ import annotations

from ..stats.groups import rank
from ..sweep.grid import axis_title, show
from ..sweep.result import HIGHEST, SweepResult, observed
from .model import number_text, seconds_text, world

MOST_CELLS = 60
"""Compared with the best one by one; beyond, what is best is left to the table."""
NAMED = 4


def answer(result: SweepResult) -> str:
    """One to three sentences, computed: violations first, then the best cell and whether the data can tell it apart."""
    if not result.rows:
        return "No trial has finished."
    sentences = violated(result)
    found = [row.result for row in result.rows]
    complete = sum(each.trial == "complete" for each in found)
    if not sentences:
        sentences.append(
            f"{complete:,} of {len(found):,} trials are complete, and none of them violated a property."
            if complete < len(found)
            else f"No violation was found in {len(found):,} trials."
        )
    best = _best(result)
    return "\n".join([best, *sentences] if best and not violated(result) else [*sentences, *[best] * bool(best)])


def violated(result: SweepResult) -> list[str]:
    """Which cells violated something, and how often; empty if none did."""
    if not result.rows:
        return []
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
    """The ranking of the cells without a violation, in the world with more trials."""
    if result.description.saturation is not None:
        from ..sweep.conclusions import answer as knees

        return knees(result)
    metric = result.description.metric
    frame = result.frame()
    if metric not in frame or not 2 <= len(result.description.points) <= MOST_CELLS:
        return ""
    runtime = str(frame["runtime"].value_counts().index[0])
    frame = frame[frame["runtime"] == runtime]
    names = _labels(result)
    values = {
        names[int(str(cell))]: observed(group, metric).dropna()
        for cell, group in frame.groupby("cell")
        if int(str(cell)) >= 0 and not (group["verdict"] == "invalid").any()
    }
    values = {name: data for name, data in values.items() if len(data)}
    if len(values) < 2:
        return ""
    ranked = rank(values, axis_title(metric).removesuffix(" ops"), highest=metric in HIGHEST)
    sentence = ranked.sentence()
    sentence = sentence[:1].upper() + sentence[1:]
    best = ranked.cells[ranked.best] if ranked.best is not None else None
    if best is None or ranked.indistinguishable:
        return sentence
    text = seconds_text if metric.endswith("_s") and not metric.endswith("ops_s") else number_text
    bounds = f" ({text(best.low)} to {text(best.high)})" if best.known else ""
    kind = "mean" if best.few else "median"
    return f"{sentence} Its {kind} is {text(best.estimate)}{bounds} over {best.n} trials, {world(runtime)}."
