"""Linearizability of the keys of a store, each a register with read, write and compare-and-set.

After Herlihy and Wing (1990): a history is linearizable iff every operation can be given one instant between its
invocation and its answer such that, in the order of these instants, each saw what the ones before it left. The
property is local (their theorem 1), so keys are judged one by one (Horn and Kroening 2015, "P-compositionality").

**Ties.** An operation that ended at *t* and one invoked at *t* are concurrent: both may hold their instant at *t*, in
either order. This can only forgive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic, perf_counter

from ..history.history import CAS, FAIL, INFO, NEVER, NIL, NOTHING, READ, History
from .search import Found, search
from .shrink import Whole
from .steps import Step, steps_by_key, values_are_unique, without_unobserved
from .unique import BACKWARDS, BRANCH, CIRCLE, UNWRITTEN, Flaw, find_flaw
from .verdict import Verdict

NAME = "linearizable"
SHRINK_S = 2.0
"""Seconds that making a violation small may take, beyond finding it."""


@dataclass(frozen=True)
class _Violation:
    key: int
    whole: Whole
    core: list[Step]  # where the smallest part is looked for


def check(history: History, budget_s: float = 20.0) -> Verdict:
    """Whether the history of a store is linearizable.

    Keys on which every value written differs are decided at once and exactly (:mod:`.unique`); the others are searched
    (:mod:`.search`), and past ``budget_s`` seconds, or past the memory bound, the verdict is ``unknown``. A history
    with an operation that ended before it began is ``unknown`` too: its clocks cannot be trusted.

    The ``rows`` of a violation are as few operations as found that are not linearizable by themselves, chosen so that
    nothing left out could explain them (:mod:`.shrink`).
    """
    began = perf_counter()
    deadline = monotonic() + budget_s
    verdict = partial(Verdict, name=NAME)
    try:
        keys = steps_by_key(history)
    except ValueError as error:
        return verdict(verdict="unknown", reason=f"{error}", took_s=perf_counter() - began)

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
                unknown = unknown or (
                    f"key {key}: {found.why} after {found.configurations} configurations of {len(useful)} operations"
                )
    if violations:
        rows, reason = _evidence(history, violations)
        return verdict(verdict="invalid", reason=reason, rows=rows, took_s=perf_counter() - began)
    took_s = perf_counter() - began
    return verdict(verdict="unknown" if unknown else "valid", reason=unknown, took_s=took_s)


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


def _judge(steps: Sequence[Step], deadline: float) -> Flaw | Found | None:
    """What is wrong with the steps on one key; None if nothing is, or time ran out."""
    useful = without_unobserved(steps)
    if values_are_unique(useful):
        return find_flaw(useful)
    found = search(useful, deadline)
    return found if found.word == "invalid" else None


def _evidence(history: History, violations: Sequence[_Violation]) -> tuple[tuple[int, ...], str]:
    """The smallest part that shows one of the violations, and the sentence about it."""
    chosen = min(violations, key=lambda each: (len(each.core), each.core[-1].start))
    until = monotonic() + SHRINK_S
    part = chosen.whole.shrink(
        chosen.core,
        lambda steps: _judge(steps, min(until, monotonic() + SHRINK_S / 4)) is not None,
        lambda: monotonic() > until,
    )
    wrong = _judge(part, monotonic() + SHRINK_S)
    sentence = _sentence(history, chosen.key, part, wrong)
    others = len(violations) - 1
    if others:
        sentence += f" ({others} more {'keys are' if others > 1 else 'key is'} violated)"
    return tuple(sorted(step.row for step in part)), sentence


# --- words ----------------------------------------------------------------------------------------------------------


def _sentence(history: History, key: int, part: Sequence[Step], wrong: Flaw | Found | None) -> str:
    def name(step: Step) -> str:
        return describe(history, step.row)

    if not isinstance(wrong, Flaw):
        sentence = f"key {key}: no order of {len(part)} operations explains what the clients saw"
        if isinstance(wrong, Found) and wrong.stuck is not None:
            sentence += f"; {name(wrong.stuck)} cannot be placed"
        return sentence
    steps = wrong.steps
    if wrong.kind == UNWRITTEN:
        return f"key {key}: {name(steps[0])} {_unwritten(history, key, steps[0])}"
    if wrong.kind == BRANCH:
        return f"key {key}: {name(steps[0])} and {name(steps[1])} both replaced the same value, which was written once"
    if wrong.kind == CIRCLE:
        return f"key {key}: {' and '.join(map(name, steps[:3]))} would each have to come after the other"
    if wrong.kind == BACKWARDS:
        earlier, later = steps
        if later.need is not None and later.need == earlier.gives:
            return f"key {key}: {name(later)} saw a value whose first source, {name(earlier)}, began after it had ended"
        how = "had replaced that value and" if later.need == _held(earlier) else "followed it by compare-and-sets and"
        return f"key {key}: {name(earlier)} is stale: {name(later)} {how} ended before it began"
    a, b, c, d = steps
    if b is c:
        by = name(b) if a.row < 0 else f"{name(b)}, begun after {name(a)} had ended,"
        how = "had seen another value" if b.gives is None else "had replaced that value"
        return f"key {key}: {name(d)} is stale: {by} {how} and ended before it began"
    first = "" if a.row < 0 else f"{name(a)} had ended before {name(b)} began, yet "
    return (
        f"key {key}: {first}{name(c)} had ended before {name(d)} began,"
        f" so {_value(_held(d))} would be both older and newer than {_value(_held(c))}"
    )


def _held(step: Step) -> int | None:
    return step.need if step.gives is None else step.gives


def _unwritten(history: History, key: int, step: Step) -> str:
    failed = (
        (history.key == key)
        & (history.outcome == FAIL)
        & (history.function != READ)
        & (history.argument == (NOTHING if step.need is None else step.need))
    ).nonzero()[0]
    if len(failed):
        return f"saw a value that only {describe(history, int(failed[0]))} could have written, which was told it failed"
    return "saw a value that nobody wrote"


def describe(history: History, row: int) -> str:
    """The operation in words: ``c3's read of 17 (30.0 to 40.2 ms)``. Clients count from 1, as the nodes do."""
    function, outcome = int(history.function[row]), int(history.outcome[row])
    argument, expected = int(history.argument[row]), int(history.expected[row])
    result = int(history.result[row])
    if function == READ:
        what = "read" if outcome != 0 else f"read of {_value(result)}"
    elif function == CAS:
        what = f"compare-and-set {_value(expected)} to {_value(argument)}"
        if outcome == 0 and result != expected:
            what += f" that found {_value(result)}"
    else:
        what = f"write of {_value(argument)}"
    start, end = int(history.invoked[row]) / 1e6, int(history.completed[row]) / 1e6
    if outcome == INFO or end >= NEVER / 1e6:
        when = f"from {start:.1f} ms, unanswered"
    else:
        when = f"{start:.1f} to {end:.1f} ms"
    return f"c{int(history.client[row]) + 1}'s {what} ({when})"


def _value(value: int | None) -> str:
    if value is None or value == NOTHING:
        return "something else"
    return "nil" if value == NIL else str(value)
