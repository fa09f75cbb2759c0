"""Verdicts about several properties of one log, each of which it has or lacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from ..errors import unknown_name
from .verdict import Verdict


@dataclass(frozen=True)
class Violation:
    """What shows that the log lacks a property.

    Attributes:
        of: name of the property.
        anomaly: name of the way in which it is violated.
        words: one sentence.
        rows: as few as show it.
    """

    of: str
    anomaly: str
    words: str
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Doubt:
    """Why it cannot be told whether the log has a property.

    Attributes:
        of: name of the property.
        words: one sentence.
    """

    of: str
    words: str


def demand(properties: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """The properties, each once.

    Raises:
        UsageError: if one of them is unknown.
    """
    names, demanded = list(known), tuple(dict.fromkeys(properties))
    for name in demanded:
        if name not in names:
            raise unknown_name("property", name, names)
    return demanded


def over(measured: Mapping[str, float], at_most: Mapping[str, float], which: str = "") -> list[Violation]:
    """The figures that are over their limit; ``which`` ends the sentence about each.

    Raises:
        UsageError: if there is a limit for something that was not measured.
    """
    found = []
    for name, limit in at_most.items():
        if name not in measured:
            raise unknown_name("figure", name, measured)
        if not measured[name] <= limit:
            found.append(Violation(name, "over-limit", f"{name} is {measured[name]:.4g}, over {limit:g}{which}", ()))
    return found


def conclude(
    name: str,
    began: float,
    demanded: Sequence[str],
    found: Iterable[Violation | Doubt],
    figures: Mapping[str, float],
) -> Verdict:
    """The verdict on a log: ``invalid`` with the first violation's rows, ``unknown``, or ``valid``.

    Args:
        name: of the check.
        began: when it began, by ``perf_counter``.
        demanded: the properties that were checked.
        found: what was found about them; those of which nothing was found, the log has.
        figures: what was measured.
    """
    found = list(found)
    violations = [each for each in found if isinstance(each, Violation)]
    doubts = [each for each in found if isinstance(each, Doubt)]
    open_or_violated = {each.of for each in found}
    first = violations[0] if violations else None
    if first is not None:
        reason = first.words
    elif doubts:
        reason = doubts[0].words
    else:
        reason = f"the log has {', '.join(demanded)}" if demanded else "nothing is demanded: see the figures"
    return Verdict(
        name=name,
        verdict="invalid" if first is not None else "unknown" if doubts else "valid",
        reason=reason,
        rows=tuple(sorted(set(first.rows))) if first is not None else (),
        took_s=perf_counter() - began,
        anomalies=tuple(sorted({each.anomaly for each in violations})),
        explanations=tuple(f"{each.anomaly}: {each.words}" for each in violations),
        satisfied=tuple(each for each in demanded if each not in open_or_violated),
        violated=tuple(each for each in demanded if any(each == one.of for one in violations)),
        figures=dict(figures),
    )


def unusable(name: str, began: float, why: str) -> Verdict:
    """``unknown``, because the log is none that this check can judge."""
    return Verdict(name=name, verdict="unknown", reason=why, took_s=perf_counter() - began)
