"""What was put into a queue or a stack and what was taken out again, value by value, where values differ."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from ..history.history import INFO, NEVER
from ..history.operations import MISSING, Operation
from .decision import Decision

Ints = NDArray[np.int64]
Describe = Callable[[int], str]
"""Row -> the operation in words."""
SHRINK_S = 1.0
"""Seconds that making a violation small may take, beyond finding it."""
_PAST = {"enqueue": "enqueued", "push": "pushed"}


@dataclass(frozen=True)
class Pairs:
    """Rows of operations on one queue or stack.

    Attributes:
        put: value -> what put it in.
        taken: value -> what took it out, for those of ``put`` that somebody is known to have taken.
        empty: what found nothing.
        maybe: takes without answer: each took something, or nothing, at any time after its call, or never happened.
    """

    put: dict[Hashable, int]
    taken: dict[Hashable, int]
    empty: list[int]
    maybe: list[int]


@dataclass(frozen=True)
class Values:
    """One entry a value: rows of what put it in and took it out (-1: nothing is known to), and the times of both."""

    put: Ints
    taken: Ints
    enter: Ints
    entered: Ints
    leave: Ints
    left: Ints


def pair(
    operations: Sequence[Operation], rows: Sequence[int], into: str, describe: Describe
) -> Pairs | Decision | None:
    """The pairs; what is wrong with one by itself; or None if values repeat, or a take does not say what it took.

    Puts without answer (``info``) whose value nobody is known to have taken are left out. If one took effect in some
    linearization, its value stayed inside or an unanswered take took it: without the two the rest is one as well, for
    nobody meets the value, and a take that finds nothing only has it easier.
    """
    put: dict[Hashable, int] = {}
    taken: dict[Hashable, int] = {}
    repeated: list[tuple[int, int]] = []
    unsure: list[int] = []
    empty: list[int] = []
    maybe: list[int] = []
    for row in rows:
        operation = operations[row]
        if operation.function == into:
            if operation.argument is None:
                return None
            if operation.outcome == INFO:
                unsure.append(row)
            elif put.setdefault(operation.argument, row) != row:
                return None
        elif operation.outcome == INFO:
            maybe.append(row)
        elif operation.result is MISSING:
            return None
        elif operation.result is None:
            empty.append(row)
        elif (first := taken.setdefault(operation.result, row)) != row:
            repeated.append((first, row))
    for row in unsure:
        value = operations[row].argument
        if value in taken and put.setdefault(value, row) != row:
            return None
    if repeated:
        one, two = repeated[0]
        source = put.get(operations[one].result)
        words = f"{describe(one)} and {describe(two)} both took it, and it was {_PAST[into]} once"
        return invalid(words, one, two, *(() if source is None else (source,)))
    for value, row in taken.items():
        source = put.get(value)
        if source is None:
            return invalid(f"{describe(row)} took a value that nobody {_PAST[into]}", row)
        if operations[row].completed < operations[source].invoked:
            return invalid(f"{describe(row)} had ended before {describe(source)} began", row, source)
    return Pairs(put, taken, empty, sorted(maybe, key=lambda row: operations[row].invoked))


def columns(operations: Sequence[Operation], pairs: Pairs) -> Values:
    """The pairs as columns; a value that nobody took leaves at ``NEVER``."""
    into = list(pairs.put.values())
    out = [pairs.taken.get(value, -1) for value in pairs.put]

    def column(numbers: list[int]) -> Ints:
        return np.array(numbers, dtype=np.int64)

    return Values(
        put=column(into),
        taken=column(out),
        enter=column([operations[row].invoked for row in into]),
        entered=column([operations[row].completed if operations[row].outcome != INFO else NEVER for row in into]),
        leave=column([operations[row].invoked if row >= 0 else NEVER for row in out]),
        left=column([operations[row].completed if row >= 0 else NEVER for row in out]),
    )


def invalid(words: str, *rows: int) -> Decision:
    """A violation that these rows show."""
    return Decision("invalid", words, tuple(sorted(rows)))


def fewest(values: Sequence[int], violates: Callable[[Sequence[int]], bool]) -> list[int]:
    """Few of the values that still violate, all of them together doing so; past :data:`SHRINK_S` merely fewer.

    If the values without one violate nothing, so do fewer without it: one pass over single ones is enough.
    """
    until = monotonic() + SHRINK_S
    kept = list(values)
    size = max(1, len(kept) // 2)
    while True:
        at = 0
        while at < len(kept) and monotonic() < until:
            rest = kept[:at] + kept[at + size :]
            if violates(rest):
                kept = rest
            else:
                at += size
        if monotonic() >= until or size == 1:
            return kept
        size = max(1, size // 2)
