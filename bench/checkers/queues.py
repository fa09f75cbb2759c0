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

**Dequeues without answer.** Each may have taken any value that surely was enqueued and that nobody is known to have
dequeued (*left over*), at any time after its own call. By 2, a left-over value *a* must have been taken by the least
end D(a) of a dequeue of some b whose enqueue began after that of a had ended; no more is asked of a, since an
unanswered dequeue never ends. By 3, at some instant t of each empty dequeue all left-over values that had entered
before t must have been taken by t. Sort left-over values by the end of their enqueue: D only grows, so what must be
gone by a time T is a prefix, by 2 as by 3; and this can be done iff for each T no more values must be gone by T than
dequeues without answer had been called by T (Hall). The prefixes of 2 and 3 being nested, the longer one counts, so
each demand can be looked at by itself: those of 2 in order, and for each empty dequeue whether an instant will do.
(That the taken values are a prefix is also why none of them can have overtaken a left-over one.)

Values that repeat are beyond this.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..history.history import NEVER
from ..history.operations import Operation
from .decision import VALID, Decision
from .pairs import Describe, Ints, Values, columns, fewest, invalid, pair


def decide(operations: Sequence[Operation], rows: Sequence[int], describe: Describe) -> Decision | None:
    """Whether the operations in these rows are those of one queue, empty in the beginning; None if this cannot tell."""
    pairs = pair(operations, rows, "enqueue", describe)
    if pairs is None or isinstance(pairs, Decision):
        return pairs
    values, empty = columns(operations, pairs), pairs.empty
    wrong = None
    if pairs.maybe:
        wrong = _too_few(operations, values, pairs.maybe, describe) or _stayed(
            operations, values, pairs.maybe, empty, describe
        )
        known = values.taken >= 0
        values = Values(**{name: getattr(values, name)[known] for name in Values.__dataclass_fields__})
    return wrong or _overtaken(values, describe) or _not_empty(operations, values, empty, describe) or VALID


def _overtaken(values: Values, describe: Describe) -> Decision | None:
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
        f"{describe(int(values.put[a]))} had ended before {describe(int(values.put[b]))} began, yet"
        f" {describe(int(values.taken[b]))} had ended before"
    )
    rows = [int(values.put[a]), int(values.put[b]), int(values.taken[b])]
    if values.taken[a] < 0:
        return invalid(f"{words} the older value was taken, which it never was", *rows)
    return invalid(f"{words} {describe(int(values.taken[a]))} began", *rows, int(values.taken[a]))


def _not_empty(
    operations: Sequence[Operation], values: Values, empty: Sequence[int], describe: Describe
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
        *(int(each) for value in chosen for each in (values.put[value], values.taken[value]) if each >= 0),
    ]
    inner = " and ".join(describe(int(values.put[value])) for value in chosen[:3])
    return invalid(f"{describe(row)} found nothing, but what came by {inner} was inside all the while", *rows)


# --- dequeues without answer ----------------------------------------------------------------------------------------


def _left_over(values: Values) -> Ints:
    """The values that nobody is known to have taken, in the order in which they must go."""
    found = np.flatnonzero(values.taken < 0)
    return found[np.argsort(values.entered[found], kind="stable")]


def _too_few(
    operations: Sequence[Operation], values: Values, maybe: Sequence[int], describe: Describe
) -> Decision | None:
    """By pattern 2 more left-over values must be gone by some time than unanswered dequeues had been called."""
    left_over = _left_over(values)
    if not len(left_over):
        return None
    order = np.argsort(values.enter, kind="stable")
    soonest = np.append(np.minimum.accumulate(values.left[order][::-1])[::-1], NEVER)
    after = np.searchsorted(values.enter[order], values.entered[left_over], side="right")
    due = soonest[after]
    calls = np.array([operations[row].invoked for row in maybe], np.int64)
    wrong = np.flatnonzero((due < NEVER) & (np.searchsorted(calls, due, side="right") <= np.arange(len(due))))
    if not len(wrong):
        return None
    last = int(wrong[0])
    younger = order[after[last] :]
    b = int(younger[values.left[younger].argmin()])
    older = [int(values.put[each]) for each in left_over[: last + 1]]
    takers = [row for row in maybe if operations[row].invoked <= due[last]]
    what = f"{last + 1} enqueues, as {describe(older[0])}," if last else describe(older[0])
    words = f"{what} had ended before {describe(int(values.put[b]))} began, yet"
    words += f" {describe(int(values.taken[b]))} had ended before what came by them was taken"
    if takers:
        words += f": of the dequeues without answer only {len(takers)} had begun"
    return invalid(words, *older, int(values.put[b]), int(values.taken[b]), *takers)


def _stayed(
    operations: Sequence[Operation], values: Values, maybe: Sequence[int], empty: Sequence[int], describe: Describe
) -> Decision | None:
    """An empty dequeue at each instant of which a value was surely inside, or too many left-over ones to be gone."""
    if not empty:
        return None
    calls = np.array([operations[row].invoked for row in maybe], np.int64)
    spans = np.array([[operations[row].invoked, operations[row].completed] for row in empty], np.int64)
    wrong = np.flatnonzero(~_may_be_empty(values, calls, spans))
    if not len(wrong):
        return None
    which = int(wrong[0])
    row, span = empty[which], spans[which : which + 1]

    def violates(some: Sequence[int]) -> bool:
        chosen = np.array(some, np.int64)
        part = Values(**{name: getattr(values, name)[chosen] for name in Values.__dataclass_fields__})
        return not _may_be_empty(part, calls, span)[0]

    few = fewest(np.flatnonzero(values.entered < span[0, 1]).tolist(), violates)
    rows = [int(each) for value in few for each in (values.put[value], values.taken[value]) if each >= 0]
    takers = [each for each in maybe if operations[each].invoked <= span[0, 1]]
    inner = " or ".join(describe(int(values.put[value])) for value in few[:3])
    words = f"{describe(row)} found nothing, but at each instant of it something that came by {inner} was inside"
    return invalid(words, row, *rows, *takers)


def _may_be_empty(values: Values, calls: Ints, spans: Ints) -> NDArray[np.bool_]:
    """Whether each of the spans has an instant at which the queue may be empty, by pattern 3 alone."""
    entered = np.sort(values.entered[values.taken < 0])
    inside = np.flatnonzero((values.taken >= 0) & (values.entered < values.leave))
    inside = inside[np.argsort(values.entered[inside], kind="stable")]
    begins, ends = values.entered[inside], np.maximum.accumulate(values.leave[inside]) if len(inside) else inside
    # Waiting costs nothing until another value has entered; so these instants stand for all.
    instants = np.unique(np.concatenate((begins, entered, spans[:, 1])))
    at = np.searchsorted(begins, instants, side="left") - 1
    free = (at < 0) | (instants >= ends[np.maximum(at, 0)]) if len(begins) else np.ones(len(instants), np.bool_)
    free &= np.searchsorted(entered, instants, side="left") <= np.searchsorted(calls, instants, side="right")
    before = np.append(0, np.cumsum(free))
    first = np.searchsorted(instants, spans[:, 0], side="left")
    last = np.searchsorted(instants, spans[:, 1], side="right")
    return before[last] > before[first]
