"""A register operation as a checker sees it: what it needs the register to hold, and what it leaves there.

Reads, writes and compare-and-sets, answered or not, all become :class:`Step`; the algorithms know nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from ..history.history import CAS, FAIL, INFO, NEVER, NIL, NOTHING, READ, WRITE, History


class Step(msgspec.Struct, gc=False, eq=False):
    """One operation that took effect, or may have.

    Attributes:
        row: of the history.
        need: the value the register must hold when it takes effect; None if any will do.
        gives: the value it leaves there; None if it leaves it alone.
        avoid: the value the register must *not* hold; None if there is none. (A failed compare-and-set whose witness
            was not recorded.)
        start, end: ns; it took effect at some instant from ``start`` to ``end``, both included. ``end`` is ``NEVER``
            for an operation without answer.
        optional: it may also never have taken effect.
    """

    row: int
    need: int | None
    gives: int | None
    avoid: int | None
    start: int
    end: int
    optional: bool


def steps_by_key(history: History, rows: Sequence[int] | None = None) -> dict[int, list[Step]]:
    """The steps on each key, in the order of the history's rows; of ``rows`` only, where they are given.

    Left out, because they constrain nothing: what definitely failed, reads without answer or with a result that was
    not recorded (``NOTHING``), and unanswered compare-and-sets that would swap a value for itself.

    Raises:
        ValueError: an operation ended before it began, or the function or outcome is not one of a register.
    """
    keys: dict[int, list[Step]] = {}
    if rows is not None:
        history = history.take(np.asarray(rows, dtype=np.intp))
    columns = zip(
        range(len(history)) if rows is None else rows,
        history.key.tolist(),
        history.function.tolist(),
        history.outcome.tolist(),
        history.argument.tolist(),
        history.expected.tolist(),
        history.result.tolist(),
        history.invoked.tolist(),
        history.completed.tolist(),
        strict=True,
    )
    for row, key, function, outcome, argument, expected, result, start, end in columns:
        if outcome == FAIL:
            continue
        need: int | None = None
        gives: int | None = None
        avoid: int | None = None
        optional = outcome == INFO
        if optional:
            end = NEVER  # the time at which the client gave up bounds nothing
        elif end < start:
            raise ValueError(f"row {row} ended {(start - end) / 1e6:g} ms before it began")
        if function == READ:
            if optional or result == NOTHING:
                continue
            need = result
        elif function == WRITE:
            gives = argument
        elif function == CAS:
            if optional:
                if argument == expected:
                    continue
                need, gives = expected, argument
            elif result == NOTHING:
                avoid = expected
            else:
                need = result
                if result == expected and argument != expected:
                    gives = argument
        else:
            raise ValueError(f"row {row} has function {function}, which is not one of a register")
        step = Step(row, need, gives, avoid, start, end, optional)
        steps = keys.get(key)
        if steps is None:
            keys[key] = [step]
        else:
            steps.append(step)
    return keys


def givers(steps: Iterable[Step]) -> dict[int, list[Step]]:
    """The steps that can leave each value behind."""
    table: dict[int, list[Step]] = {}
    for step in steps:
        if step.gives is not None:
            table.setdefault(step.gives, []).append(step)
    return table


def without_unobserved(steps: Sequence[Step]) -> list[Step]:
    """The steps without the optional ones that no linearization can profit from.

    An optional step that leaves *v* is dropped unless some kept step needs *v*. Proof: take a linearization that
    contains it. Between it and the next step that changes the value the register holds *v*, so the steps there need
    *v* or need nothing; by assumption none needs *v*, and those that need nothing are writes, which end the stretch.
    So the stretch is empty, and without the step the linearization is still one. The set of kept steps is closed: what
    a kept optional step needs is needed. A step that *avoids* a value may profit from any change, so beside one of
    these nothing is dropped.
    """
    if not any(step.optional for step in steps):
        return list(steps)
    if any(step.avoid is not None for step in steps):
        return list(steps)
    table = givers(step for step in steps if step.optional)
    todo = [step.need for step in steps if not step.optional and step.need is not None]
    needed: set[int] = set()
    while todo:
        value = todo.pop()
        if value not in needed:
            needed.add(value)
            todo.extend(giver.need for giver in table.get(value, ()) if giver.need is not None)
    return [step for step in steps if not step.optional or step.gives in needed]


def values_are_unique(steps: Iterable[Step]) -> bool:
    """Whether no value is left behind by two of the steps or is the initial one, and every witness is known."""
    seen = {NIL}
    for step in steps:
        if step.avoid is not None:
            return False
        if step.gives is not None:
            if step.gives in seen:
                return False
            seen.add(step.gives)
    return True
