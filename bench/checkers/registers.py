"""Judging registers: steps on each key in, a verdict with evidence out.

The histories of our own workloads (:mod:`.linearizability`) and operations on registers of other origin
(:mod:`.objects`) both become steps; they differ in how a step is put into words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from ..history.history import NEVER, NIL
from .decision import Decision
from .search import FEW, Found, can_be_ordered, search
from .shrink import Whole
from .steps import Step, values_are_unique, without_unobserved
from .unique import BACKWARDS, BRANCH, CIRCLE, UNWRITTEN, Flaw, find_flaw

SHRINK_S = 2.0
"""Seconds that making a violation small may take, beyond finding it."""


class Words(Protocol):
    """How steps are put into words."""

    def key(self, key: int) -> str:
        """The key, as ``key 3``."""

    def operation(self, row: int) -> str:
        """Who did what when."""

    def value(self, value: int | None) -> str:
        """The value; None for one that is not known."""

    def refused(self, key: int, value: int) -> str | None:
        """An operation that was told it failed and could have left that value."""


@dataclass(frozen=True)
class _Violation:
    key: int
    whole: Whole
    core: list[Step]  # where the smallest part is looked for


def judge(keys: Mapping[int, Sequence[Step]], words: Words, deadline: float) -> Decision:
    """Whether each key is a linearizable register with the initial value ``NIL``.

    Args:
        keys: the steps on each.
        words: for the reason.
        deadline: of ``time.monotonic()``.
    """
    violations: list[_Violation] = []
    to_search: list[tuple[int, list[Step]]] = []
    for key, steps in keys.items():
        useful = without_unobserved(steps)
        if not values_are_unique(useful):
            to_search.append((key, useful))
            continue
        flaw = find_flaw(useful)
        if flaw is not None:
            whole = Whole(useful)
            core = whole.with_sources(step for step in flaw.steps if step.row >= 0)
            violations.append(_Violation(key, whole, core))
    unknown = ""
    if not violations:  # one is enough, and the quick ones are also the clear ones
        to_search.sort(key=lambda each: len(each[1]))
        for left, (key, useful) in zip(range(len(to_search), 0, -1), to_search, strict=True):
            now = monotonic()
            found = search(useful, now + (deadline - now) / left)  # one hard key leaves the others their share
            if found.word == "invalid":
                assert found.stuck is not None
                past = _as_of(useful, found.stuck.end)
                violations.append(_Violation(key, Whole(past), past))
                break
            if found.word == "unknown":
                spent = f"{found.configurations} configurations of {len(useful)} operations"
                unknown = unknown or f"{words.key(key)}: {found.why} after {spent}"
    if violations:
        return _evidence(words, violations)
    return Decision("unknown" if unknown else "valid", unknown)


def _as_of(steps: Sequence[Step], instant: int) -> list[Step]:
    """The steps as they were known at that instant: what had begun, and what had no answer yet as optional.

    A linearization of the whole, cut at the last step answered by then, is one of this; so if this has none, neither
    has the whole. A value needed by then but begun by nobody keeps its first source, as evidence: it begins too late
    to help, and what it needs itself is left out of the question.
    """
    past: list[Step] = []
    for step in steps:
        if step.end <= instant:
            past.append(step)
        elif step.start <= instant and step.gives is not None:
            past.append(Step(step.row, step.need, step.gives, None, step.start, NEVER, True))
    past = without_unobserved(past)
    given = {step.gives for step in past} | {NIL}
    late: dict[int, Step] = {}
    orphans = {step.need for step in past if step.need is not None} - given
    for step in sorted(steps, key=lambda each: each.start):
        if step.gives is not None and step.gives in orphans:
            late.setdefault(step.gives, step)
    return [*past, *(Step(each.row, None, each.gives, None, each.start, NEVER, False) for each in late.values())]


def _wrong(steps: Sequence[Step], deadline: float) -> Flaw | Found | None:
    """What is wrong with the steps on one key; None if nothing is, or time ran out."""
    useful = without_unobserved(steps)
    if values_are_unique(useful):
        return find_flaw(useful)
    found = search(useful, deadline)
    return found if found.word == "invalid" else None


def _evidence(words: Words, violations: Sequence[_Violation]) -> Decision:
    """The smallest part that shows one of the violations, and the sentence about it."""
    chosen = min(violations, key=lambda each: (len(each.core), each.core[-1].start))
    until = monotonic() + SHRINK_S
    part = chosen.whole.shrink(
        chosen.core,
        lambda steps: (
            not can_be_ordered(steps)
            if len(steps) <= FEW
            else _wrong(steps, min(until, monotonic() + SHRINK_S / 4)) is not None
        ),
        lambda: monotonic() > until,
    )
    wrong = _wrong(part, monotonic() + SHRINK_S)
    sentence = _sentence(words, chosen.key, part, wrong)
    others = len(violations) - 1
    if others:
        sentence += f" ({others} more {'keys are' if others > 1 else 'key is'} violated)"
    return Decision("invalid", sentence, tuple(sorted(step.row for step in part)))


def _sentence(words: Words, key: int, part: Sequence[Step], wrong: Flaw | Found | None) -> str:
    where = words.key(key)

    def name(step: Step) -> str:
        return words.operation(step.row)

    if not isinstance(wrong, Flaw):
        sentence = f"{where}: no order of {len(part)} operations explains what the clients saw"
        if isinstance(wrong, Found) and wrong.stuck is not None:
            sentence += f"; {name(wrong.stuck)} cannot be placed"
        return sentence
    steps = wrong.steps
    if wrong.kind == UNWRITTEN:
        return f"{where}: {name(steps[0])} {_unwritten(words, key, steps[0])}"
    if wrong.kind == BRANCH:
        return f"{where}: {name(steps[0])} and {name(steps[1])} both replaced the same value, which was written once"
    if wrong.kind == CIRCLE:
        return f"{where}: {' and '.join(map(name, steps[:3]))} would each have to come after the other"
    if wrong.kind == BACKWARDS:
        earlier, later = steps
        if later.need is not None and later.need == earlier.gives:
            return f"{where}: {name(later)} saw a value whose first source, {name(earlier)}, began after it had ended"
        how = "had replaced that value and" if later.need == _held(earlier) else "followed it by compare-and-sets and"
        return f"{where}: {name(earlier)} is stale: {name(later)} {how} ended before it began"
    a, b, c, d = steps
    if b is c:
        by = name(b) if a.row < 0 else f"{name(b)}, begun after {name(a)} had ended,"
        how = "had seen another value" if b.gives is None else "had replaced that value"
        return f"{where}: {name(d)} is stale: {by} {how} and ended before it began"
    first = "" if a.row < 0 else f"{name(a)} had ended before {name(b)} began, yet "
    return (
        f"{where}: {first}{name(c)} had ended before {name(d)} began,"
        f" so {words.value(_held(d))} would be both older and newer than {words.value(_held(c))}"
    )


def _held(step: Step) -> int | None:
    return step.need if step.gives is None else step.gives


def _unwritten(words: Words, key: int, step: Step) -> str:
    failed = None if step.need is None else words.refused(key, step.need)
    return (
        f"saw a value that only {failed} could have written, which was told it failed"
        if failed
        else ("saw a value that nobody wrote")
    )
