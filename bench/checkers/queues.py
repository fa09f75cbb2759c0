"""FIFO queues whose values all differ: linearizability decided exactly, in O(n log n).

After Henzinger, Sezgin and Vafeiadis, "Aspect-oriented linearizability proofs" (CONCUR 2013), section 4, and Bouajjani,
Emmi, Enea and Hamza, "On reducing linearizability to state reachability" (ICALP 2015), section 3: a history is
linearizable iff none of these is in it.

1. A value dequeued that nobody enqueued, dequeued twice, or dequeued by an operation that ended before its enqueue
   began.
2. Values a, b: the enqueue of a ended before that of b began, and b was dequeued, but a never, or only by an operation
   that began after the dequeue of b had ended.
3. A dequeue that found nothing, although at each instant of it some value was surely inside: the enqueue had ended and
   the dequeue had not begun.

*Necessary* is plain. *Sufficient*, the idea. Put a before b if an operation of a ended before the same one of b began
(a value never dequeued counts as dequeued at infinity). Each of the two relations is an interval order, so of x -> y
and z -> w in one of them x -> w or z -> y is in it too; by this a cycle through both can be cut down to two values, and
that is what 2 excludes. By 1 no value need leave before it enters, so the common order of all values is one of all
operations. For 3: at an instant t of an empty dequeue at which no value is surely inside, each value can be wholly
before t (its dequeue may be by then) or wholly after it (its enqueue need not be before).

Enqueues without answer (``info``) whose value was never dequeued are dropped: at the end of the queue nobody meets
them. With a dequeue it did happen, at any time after its call. A *dequeue* without answer took an unknown value, and
makes all of this inapplicable, as do repeated values.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..history.history import INFO, NEVER
from ..history.operations import MISSING, Operation
from .decision import VALID, Decision

Ints = NDArray[np.int64]
Describe = Callable[[int], str]
"""Row -> the operation in words."""


@dataclass(frozen=True)
class _Values:
    """One entry a value: rows of its enqueue and dequeue (-1: never dequeued), and the times of both."""

    enqueue: Ints
    dequeue: Ints
    enter: Ints
    entered: Ints
    leave: Ints
    left: Ints


def decide(operations: Sequence[Operation], rows: Sequence[int], describe: Describe) -> Decision | None:
    """Whether the operations in these rows are those of one queue, empty in the beginning; None if this cannot tell."""
    enqueues: dict[Hashable, int] = {}
    dequeues: dict[Hashable, int] = {}
    repeated: list[tuple[int, int]] = []
    maybe: list[int] = []
    empty: list[int] = []
    for row in rows:
        operation = operations[row]
        if operation.function == "enqueue":
            if operation.argument is None:
                return None
            if operation.outcome == INFO:
                maybe.append(row)
            elif enqueues.setdefault(operation.argument, row) != row:
                return None
        elif operation.outcome == INFO or operation.result is MISSING:
            return None
        elif operation.result is None:
            empty.append(row)
        elif (first := dequeues.setdefault(operation.result, row)) != row:
            repeated.append((first, row))
    for row in maybe:
        value = operations[row].argument
        if value in dequeues and enqueues.setdefault(value, row) != row:
            return None
    if repeated:
        one, two = repeated[0]
        source = enqueues.get(operations[one].result)
        words = f"{describe(one)} and {describe(two)} both took it, and it was enqueued once"
        return _invalid(words, one, two, *(() if source is None else (source,)))
    for value, row in dequeues.items():
        enqueue = enqueues.get(value)
        if enqueue is None:
            return _invalid(f"{describe(row)} took a value that nobody enqueued", row)
        if operations[row].completed < operations[enqueue].invoked:
            return _invalid(f"{describe(row)} had ended before {describe(enqueue)} began", row, enqueue)
    values = _values(operations, enqueues, dequeues)
    return _overtaken(values, describe) or _not_empty(operations, values, empty, describe) or VALID


def _values(operations: Sequence[Operation], enqueues: dict[Hashable, int], dequeues: dict[Hashable, int]) -> _Values:
    into = list(enqueues.values())
    out = [dequeues.get(value, -1) for value in enqueues]

    def column(numbers: list[int]) -> Ints:
        return np.array(numbers, dtype=np.int64)

    return _Values(
        enqueue=column(into),
        dequeue=column(out),
        enter=column([operations[row].invoked for row in into]),
        entered=column([operations[row].completed if operations[row].outcome != INFO else NEVER for row in into]),
        leave=column([operations[row].invoked if row >= 0 else NEVER for row in out]),
        left=column([operations[row].completed if row >= 0 else NEVER for row in out]),
    )


def _overtaken(values: _Values, describe: Describe) -> Decision | None:
    """Pattern 2: of the values that had entered before b's enqueue began, the one that leaves last, against b."""
    order = np.argsort(values.entered, kind="stable")
    latest = np.maximum.accumulate(values.leave[order]) if len(order) else order
    before = np.searchsorted(values.entered[order], values.enter, side="left")
    wrong = np.flatnonzero((before > 0) & (latest[np.maximum(before, 1) - 1] > values.left)) if len(order) else order
    if not len(wrong):
        return None
    b = int(wrong[0])
    earlier = order[: before[b]]
    a = int(earlier[values.leave[earlier].argmax()])
    words = (
        f"{describe(int(values.enqueue[a]))} had ended before {describe(int(values.enqueue[b]))} began, yet"
        f" {describe(int(values.dequeue[b]))} had ended before"
    )
    rows = [int(values.enqueue[a]), int(values.enqueue[b]), int(values.dequeue[b])]
    if values.dequeue[a] < 0:
        return _invalid(f"{words} the older value was taken, which it never was", *rows)
    return _invalid(f"{words} {describe(int(values.dequeue[a]))} began", *rows, int(values.dequeue[a]))


def _not_empty(
    operations: Sequence[Operation], values: _Values, empty: Sequence[int], describe: Describe
) -> Decision | None:
    """Pattern 3: an empty dequeue all over which the queue surely held something."""
    inside = np.flatnonzero(values.entered < values.leave)
    inside = inside[np.argsort(values.entered[inside], kind="stable")]
    if not len(inside) or not empty:
        return None
    begins, ends = values.entered[inside], np.maximum.accumulate(values.leave[inside])
    # Open intervals that only touch leave an instant between them.
    first = np.concatenate(([0], np.flatnonzero(begins[1:] >= ends[:-1]) + 1))
    last = np.concatenate((first[1:] - 1, [len(inside) - 1]))
    starts = np.array([operations[row].invoked for row in empty], dtype=np.int64)
    stops = np.array([operations[row].completed for row in empty], dtype=np.int64)
    at = np.searchsorted(begins[first], starts, side="left") - 1
    wrong = np.flatnonzero((at >= 0) & (stops < ends[last[np.maximum(at, 0)]]))
    if not len(wrong):
        return None
    which = int(wrong[0])
    row, now, stop = empty[which], int(starts[which]), int(stops[which])
    chosen: list[int] = []
    place = int(first[at[which]])
    while now <= stop:  # the fewest values that cover it: of those inside by now, the one that stays longest
        best = -1
        while place < len(inside) and begins[place] < now:
            if best < 0 or values.leave[inside[place]] > values.leave[best]:
                best = int(inside[place])
            place += 1
        if best < 0:  # nobody new: the last one chosen stays
            break
        chosen.append(best)
        now = int(values.leave[best])
    rows = [
        row,
        *(int(each) for value in chosen for each in (values.enqueue[value], values.dequeue[value]) if each >= 0),
    ]
    inner = " and ".join(describe(int(values.enqueue[value])) for value in chosen[:3])
    return _invalid(f"{describe(row)} found nothing, but what came by {inner} was inside all the while", *rows)


def _invalid(words: str, *rows: int) -> Decision:
    return Decision("invalid", words, tuple(sorted(rows)))
