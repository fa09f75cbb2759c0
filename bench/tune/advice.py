"""The answer of a study in words: what to choose, what cannot be told apart from it, and what the defaults cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..report.model import number_text, seconds_text
from .outcome import Again, Comparison, Estimate, Finalist, apart
from .study import Objective, Study


def text_of(value: float, unit: str) -> str:
    """A figure with its unit: ``142 ms``, ``310 messages/s``."""
    if unit == "s":
        return seconds_text(value)
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "beyond"
    return f"{number_text(value)} {unit}".strip()


def spanned(found: Estimate, unit: str) -> str:
    """A figure with its interval: ``142 ms (135 to 150 ms)``."""
    low, high = found.bounds
    if math.isnan(low):
        return text_of(found.number, unit)
    first, last = text_of(low, unit), text_of(high, unit)
    first, _, same = first.partition(" ")
    if same != last.partition(" ")[2]:
        first = f"{first} {same}".strip()
    return f"{text_of(found.number, unit)} ({first} to {last})"


# --- choosing -------------------------------------------------------------------------------------------------------


def choose(found: Sequence[Finalist], study: Study) -> Finalist | None:
    """The recommended one: the best; of several objectives the compromise.

    The compromise is the point of the front nearest to the best value of every objective at once, each objective
    scaled to the front's own range (its logarithm, where that spans more than a factor of six).
    """
    front = [each for each in found if each.front]
    if not front:
        return None
    scaled = np.array([[_scaled(each, objective, front) for objective in study.objectives] for each in front])
    return front[int(np.argmin(np.hypot.reduce(scaled, axis=1)))]


def _scaled(each: Finalist, objective: Objective, front: Sequence[Finalist]) -> float:
    values = [other.objectives[objective.name].number for other in front]
    mine = each.objectives[objective.name].number
    low, high = min(values), max(values)
    if low > 0 and high / low > 6:
        low, high, mine = math.log(low), math.log(high), math.log(mine)
    if high == low:
        return 0.0
    return (high - mine) / (high - low) if objective.maximise else (mine - low) / (high - low)


# --- words ----------------------------------------------------------------------------------------------------------


def _named(each: Finalist) -> str:
    return f"{each.name}'s default" if each.default else each.name


def _figures(each: Finalist, study: Study) -> str:
    return ", ".join(f"{o.name} {spanned(each.objectives[o.name], o.unit)}" for o in study.objectives)


def answer(found: Sequence[Finalist], study: Study) -> tuple[tuple[str, ...], Finalist | None, bool]:
    """(sentences, the recommended one or None, whether the trials cannot tell the candidates apart)."""
    best = choose(found, study)
    if best is None:
        return _none(found, study), None, False
    feasible = [each for each in found if each.feasible]
    undecided = len(feasible) > 1 and set(best.alike) == {each.name for each in feasible} - {best.name}
    chosen = f"{best.settings} ({_named(best)})"
    if undecided:
        names = " and ".join([_named(best), *(_named(each) for each in feasible if each.name in best.alike)])
        lines = [
            f"These trials cannot tell the candidates apart: {names} are alike in every objective. "
            f"Any of them will do, as {chosen}."
        ]
    else:
        lines = [f"Choose {chosen}: {_figures(best, study)}."]
        if best.alike:
            alike = [f"{_named(each)} ({each.settings})" for each in found if each.name in best.alike]
            lines.append(f"These trials cannot tell it from {' and '.join(alike)}.")
    if len(study.objectives) > 1 and not undecided:
        lines += _extremes(found, best, study)
    lines += _doubts(best)
    return tuple(lines), best, undecided


def _extremes(found: Sequence[Finalist], best: Finalist, study: Study) -> list[str]:
    """What to choose if only one of the objectives counts, where that is another and shown to be."""
    lines = []
    for objective in study.objectives:
        sign = -1 if objective.maximise else 1
        front = [each for each in found if each.front]
        extreme = min(front, key=lambda each: sign * each.objectives[objective.name].number)
        if extreme.name == best.name or extreme.name in best.alike:
            continue
        which = f"{extreme.settings} ({_named(extreme)})"
        lines.append(f"Where {objective.name} alone counts: {which}, {_figures(extreme, study)}.")
    return lines


def _doubts(best: Finalist) -> list[str]:
    """What the trials do not settle about the recommended one."""
    lines = []
    if best.void:
        lines.append(f"{best.void} of its {best.trials} fresh trials were void: none of its figures counts them.")
    for name, kept in best.constraints.items():
        if kept.word == "likely":
            low, high = kept.share.bounds
            lines.append(
                f"Not settled: {name} came up in {kept.broken} of {kept.trials} trials ({low:.1%} to {high:.1%}), "
                f"and {kept.tolerated:.0%} is tolerated; more fresh seeds (--confirm) decide it."
            )
    return lines


def _none(found: Sequence[Finalist], study: Study) -> tuple[str, ...]:
    lines = ["No candidate keeps the constraints."]
    for each in found:
        broken = [
            f"{name} in {kept.broken} of {kept.trials} trials"
            for name, kept in each.constraints.items()
            if kept.word in ("broken", "unlikely", "unknown")
        ]
        lines.append(f"{_named(each)} ({each.settings}): {', '.join(broken) or 'too little was observed'}.")
    return tuple(lines)


# --- beside the defaults --------------------------------------------------------------------------------------------


def compare(rows: Sequence[Again], found: Sequence[Finalist], best: Finalist | None, study: Study) -> list[Comparison]:
    """The recommended candidate beside each default."""
    if best is None:
        return []
    mine = next(row for row in rows if row.name == best.name)
    theirs = [(row, each) for row, each in zip(rows, found, strict=True) if each.default and each.name != best.name]
    # It was chosen on these very trials, so each of those it was chosen from was a chance to look better by luck.
    comparisons = len(theirs) * len(study.objectives) * sum(each.feasible for each in found)
    listed = []
    for row, each in theirs:
        ratios: dict[str, float | None] = {}
        told: dict[str, bool] = {}
        parts = []
        for objective in study.objectives:
            a, b = each.objectives[objective.name].number, best.objectives[objective.name].number
            ratio = a / b if math.isfinite(a) and math.isfinite(b) and b > 0 else None
            ratios[objective.name] = ratio
            told[objective.name] = apart(row, mine, objective, comparisons)
            parts.append(_part(objective, a, ratio, told[objective.name]))
        broken = [
            f"{name} in {kept.broken} of {kept.trials} trials, so it is no choice here"
            for name, kept in each.constraints.items()
            if kept.word in ("broken", "unlikely")
        ]
        text = f"{each.name} ({each.settings}): {'; '.join([*parts, *broken])}."
        listed.append(Comparison(default=each.name, ratios=ratios, told_apart=told, text=text))
    return listed


def _part(objective: Objective, value: float, ratio: float | None, told: bool) -> str:
    text = f"{objective.name} {text_of(value, objective.unit)}"
    if not told:
        return f"{text}, not to be told apart"
    if ratio is None:
        return text
    times = f"{ratio:.1f} times" if ratio >= 2 else f"{ratio:.2f} times"
    return f"{text}, {times} the recommended"


def details(found: Sequence[Finalist], study: Study) -> tuple[str, ...]:
    """What the answer rests on, with what luck the search had."""
    trials = found[0].trials if found else 0
    listed = [
        f"{len(found)} finalists and defaults were measured again on {trials} seeds that the search had not seen; "
        f"intervals are at 95%, over trials, each by itself: the best of several owes some of its lead to these seeds."
    ]
    for objective in study.objectives:
        rose = [
            each.objectives[objective.name].number / float(value)
            for each in found
            if not each.default
            and each.searched is not None
            and isinstance(value := each.searched[objective.name], (int, float))
            and value > 0
            and math.isfinite(each.objectives[objective.name].number)
        ]
        if rose:
            listed.append(
                f"On fresh seeds the finalists' {objective.name} ({objective.statistic}) was "
                f"{float(np.median(rose)):.2f} times what the search had seen of them (median over finalists)."
            )
    return tuple(listed)
