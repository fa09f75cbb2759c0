"""Stacks whose values all differ: linearizability decided by peeling, from the bottom up.

In the manner of Lee and Mathur, "Efficient Decrease-and-Conquer Linearizability Monitoring" (2024), and Abdulla et al.,
"Efficient Linearizability Monitoring" (2025); derived here.

Say *v* is pushed during [push called, push answered] and popped during [pop called, pop answered]; one that is never
popped is popped at infinity, where ties are free. It is *surely inside* during the open interval (push answered, pop
called).

1. **A value that need never be inside** (its pop was called before its push was answered, and answered after that was
   called) can be pushed and popped at one instant, of no consequence to the rest: forget it.
2. **Components.** Join the intervals of the others where they overlap; what only touches stays apart. At an instant t
   between two components no value is surely inside, and the stack may as well be empty: given any linearization, move
   what the earlier component does after t to t, and what the later one does before t to t, each in its order. This is
   allowed (a push of the earlier one was called before it was answered, so before t, and its pop was called by t;
   likewise on the other side), and leaves two histories one after the other. So components are judged one by one, and
   a pop can have found nothing iff its own interval reaches an instant outside of all components.
3. **The bottom.** Inside a component (l, r) the stack is never empty, so one value b lies at the bottom all along:
   pushed by l and popped from r on. So some b must have its push called by l and its pop answered from r on, and if
   none has, this is a violation. If one has, *any such b will do*: in any linearization, move everything into [l, r]
   (as in 2), then take b's push to the very front and its pop to the very end. So b can be taken off, for what is left
   is a linearization without it; and the rest, put between b's push and pop, is one with it. Go on with 2 on the rest.

In a component sorted by the answers of pushes, the first value was pushed by l, so it can be a bottom iff its pop was
answered no earlier than the last of the others' was called; and if it is taken off the same holds for the next. So
whole runs come off at a time, beside all others that qualify; a round is a few passes over columns.

**Pops without answer.** Each may have popped any value that surely was pushed and that nobody is known to have popped
(*left over*), at any time after its own call. How late a left-over value may be popped is a *deadline*; the later, the
longer it is surely inside, and the less is possible. So take all as late as can be. Where a component then has no
bottom, it must fall apart or end sooner: at some instant t in it no value is surely inside, so each left-over value
that had entered before t must have been popped by t. (Between two neighbouring pushes of left-over values, or what
others cover, the last instant demands least.) Deadlines can be met iff by each time no more values must be gone than
unanswered pops had been called (Hall). Trying the instants in turn, and going back where none will do, decides; so does
it for pops that found nothing. What has come off stays off: with sooner deadlines it is a bottom all the more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from ..history.history import NEVER
from ..history.operations import Operation
from .decision import VALID, Decision
from .pairs import SHRINK_S, Describe, Ints, Pairs, Values, columns, fewest, invalid, pair


@dataclass(frozen=True)
class _Flaw:
    """Values that have no bottom; or those around a pop that found nothing, which is ``empty`` of the empty ones."""

    values: Ints
    empty: int = -1


class _Late(Exception):
    """Past the deadline."""


def decide(
    operations: Sequence[Operation], rows: Sequence[int], describe: Describe, deadline: float
) -> Decision | None:
    """Whether the operations in these rows are those of one stack, empty in the beginning; None if this cannot tell."""
    pairs = pair(operations, rows, "push", describe)
    if pairs is None or isinstance(pairs, Decision):
        return pairs
    values = columns(operations, pairs)
    empty = np.array([[operations[row].invoked, operations[row].completed] for row in pairs.empty], np.int64)
    empty = empty.reshape(-1, 2)
    calls = np.array([operations[row].invoked for row in pairs.maybe], np.int64)
    left_over = (values.taken < 0) & bool(len(calls))
    soonest = replace(values, leave=np.where(left_over, calls.min(initial=NEVER), values.leave))
    now = monotonic()
    try:
        flaw = _find(soonest, empty, deadline)
        if flaw is not None:
            return _explain(operations, soonest, flaw, pairs, empty, describe)
        if not left_over.any() or _Giving(values, left_over, calls, empty).succeeds(now + (deadline - now) / 2):
            return VALID
    except _Late:
        return None
    return _explain_scarcity(operations, values, pairs, calls, empty, describe)


def _part(values: Values, chosen: Sequence[int] | Ints) -> Values:
    index = np.asarray(chosen, np.int64)
    return Values(**{name: getattr(values, name)[index] for name in Values.__dataclass_fields__})


def _components(begins: Ints, ends: Ints) -> NDArray[np.bool_]:
    """Where a component begins, of intervals sorted by their begin."""
    first = np.ones(len(begins), np.bool_)
    first[1:] = begins[1:] >= np.maximum.accumulate(ends)[:-1]
    return first


def _sorted(values: Values) -> Ints:
    """The values that are surely inside at some instant, by the answers of their pushes."""
    inside = np.flatnonzero(values.entered < values.leave)
    return inside[np.argsort(values.entered[inside], kind="stable")]


def _find(values: Values, empty: Ints, deadline: float) -> _Flaw | None:
    alive = _sorted(values)
    found = _surrounded(values, alive, empty)
    if found is None:
        stuck, _ = _peel(values, alive, deadline)
        found = _Flaw(stuck) if len(stuck) else None
    return found


def _peel(values: Values, alive: Ints, deadline: float) -> tuple[Ints, Ints]:
    """A component without a bottom, and what else had not come off when it was met; both empty if there is none."""
    times, ranks = np.unique(values.leave[alive], return_inverse=True)
    ranks = ranks.reshape(-1)
    while len(alive):
        if monotonic() > deadline:
            raise _Late
        first = _components(values.entered[alive], values.leave[alive])
        part = np.cumsum(first) - 1
        heads = np.flatnonzero(first)
        # The latest call of a pop from here to the end of the component: a running maximum of ranks from behind, in
        # which earlier components are lifted above later ones.
        lifted = ranks + (part[-1] - part) * len(times)
        latest = times[np.maximum.accumulate(lifted[::-1])[::-1] % len(times)]
        left = values.left[alive]
        stays = left < latest
        before = np.cumsum(stays) - stays
        run = before + stays == before[heads][part]
        bottom = run | ((values.enter[alive] <= values.entered[alive][heads][part]) & (left >= latest[heads][part]))
        without = np.bincount(part, weights=bottom) == 0
        if without.any():
            stuck = part == int(without.argmax())
            return alive[stuck], alive[~stuck & ~bottom]
        alive, ranks = alive[~bottom], ranks[~bottom]
    return alive, alive


def _surrounded(values: Values, alive: Ints, empty: Ints) -> _Flaw | None:
    """A pop that found nothing and lies inside a component."""
    if not len(alive) or not len(empty):
        return None
    first = _components(values.entered[alive], values.leave[alive])
    heads = np.flatnonzero(first)
    begins = values.entered[alive[heads]]
    ends = np.maximum.accumulate(values.leave[alive])[np.append(heads[1:], len(alive)) - 1]
    at = np.searchsorted(begins, empty[:, 0], side="left") - 1
    wrong = np.flatnonzero((at >= 0) & (empty[:, 1] < ends[np.maximum(at, 0)]))
    if not len(wrong):
        return None
    which = int(wrong[0])
    return _Flaw(alive[np.cumsum(first) - 1 == at[which]], which)


# --- pops without answer --------------------------------------------------------------------------------------------

_Work = tuple[Ints, "_Work | None"]
"""Values still to come off, as a list of lists: what other choices share of it is shared."""
_KEPT = 20_000_000
"""Numbers that the choices to come back to may hold, together."""


class _Giving:
    """The search for deadlines of left-over values: how late each is popped, by a pop without answer or never."""

    def __init__(self, values: Values, left_over: NDArray[np.bool_], calls: Ints, empty: Ints) -> None:
        self.values = replace(values, leave=values.leave.copy())
        self.left_over = left_over
        self.calls = calls
        self.empty = empty
        self.trail: list[tuple[Ints, Ints]] = []
        """(values, what their deadlines were), for going back."""

    def succeeds(self, deadline: float) -> bool:
        """Whether there are such deadlines.

        Raises:
            _Late: this takes too long, or too much memory.
        """
        work: _Work | None = None
        surrounded = True  # until no pop that found nothing is inside a component
        choices: list[tuple[list[int], _Flaw, _Work | None, bool, int]] = []
        kept = 0
        flaw: _Flaw | None
        while True:
            if surrounded:
                alive = _sorted(self.values)
                flaw = _surrounded(self.values, alive, self.empty)
                if flaw is None:
                    surrounded, work = False, (alive, None)
            else:
                flaw = None
            if not surrounded:
                if work is None:
                    return True
                alive, work = work
                alive = alive[self.values.entered[alive] < self.values.leave[alive]]
                stuck, rest = _peel(self.values, alive, deadline)
                if len(stuck):
                    flaw = _Flaw(stuck)
                    work = (rest, work) if len(rest) else work
            if flaw is None:
                continue
            instants = self._instants(flaw)
            while not self._try(instants, flaw):
                if not choices:
                    return False
                instants, flaw, work, surrounded, length = choices.pop()
                kept -= len(flaw.values)
                self._undo(length)
            if instants:
                choices.append((instants, flaw, work, surrounded, len(self.trail) - 1))
                kept += len(flaw.values)
                if kept > _KEPT:
                    raise _Late
            if flaw.empty < 0:
                work = (flaw.values, work)

    def _try(self, instants: list[int], flaw: _Flaw) -> bool:
        """Demand that one of the instants be empty, the last that can be; forget it and those before it."""
        leave = self.values.leave
        while instants:
            at = instants.pop()
            call = int(np.searchsorted(self.calls, at, side="right")) - 1
            if call < 0:
                continue
            some = flaw.values[self.left_over[flaw.values]]
            some = some[(self.values.entered[some] < at) & (leave[some] > at)]
            self.trail.append((some, leave[some]))
            leave[some] = self.calls[call]
            due = np.sort(leave[self.left_over])
            due = due[: np.searchsorted(due, NEVER)]
            if (np.searchsorted(self.calls, due, side="right") > np.arange(len(due))).all():
                return True
            self._undo(len(self.trail) - 1)
        return False

    def _undo(self, length: int) -> None:
        while len(self.trail) > length:
            some, was = self.trail.pop()
            self.values.leave[some] = was

    def _instants(self, flaw: _Flaw) -> list[int]:
        """Those in the component that only left-over values cover; one that few do is last."""
        values = self.values
        some = flaw.values
        free = self.left_over[some]
        fixed = some[~free]
        low, high = int(values.entered[some[0]]) + 1, int(values.leave[some].max()) - 1
        if flaw.empty >= 0:
            low, high = int(self.empty[flaw.empty, 0]), int(self.empty[flaw.empty, 1])
        begins, ends = values.entered[fixed], np.maximum.accumulate(values.leave[fixed])
        entered, leave = values.entered[some[free]], values.leave[some[free]]
        # Up to where another left-over value has been pushed, or another value is surely inside, waiting costs nothing.
        instants = np.unique(np.concatenate((begins, entered, [high])))
        instants = instants[(instants >= low) & (instants <= high)]
        if len(begins):
            at = np.searchsorted(begins, instants, side="left") - 1
            instants = instants[(at < 0) | (instants >= ends[np.maximum(at, 0)])]
        over = np.searchsorted(entered, instants, side="left") - np.searchsorted(np.sort(leave), instants, side="right")
        return [int(each) for each in instants[np.lexsort((instants, -over))]]


# --- words ----------------------------------------------------------------------------------------------------------


def _explain(
    operations: Sequence[Operation], values: Values, flaw: _Flaw, pairs: Pairs, empty: Ints, describe: Describe
) -> Decision:
    """Few values that show the flaw, and the sentence about it."""
    nothing = pairs.empty[flaw.empty : flaw.empty + 1] if flaw.empty >= 0 else []
    asked = empty[flaw.empty : flaw.empty + 1] if flaw.empty >= 0 else empty[:0]

    def violates(some: Sequence[int]) -> bool:
        found = _find(_part(values, some), asked, NEVER)
        return found is not None and (found.empty < 0) == (flaw.empty < 0)

    few = fewest(_cover(values, flaw.values), violates)
    puts = [int(values.put[each]) for each in few]
    rows = puts + [int(values.taken[each]) for each in few if values.taken[each] >= 0]
    end = max(operations[row].completed for row in (*rows, *nothing))
    # Each value nobody is known to have popped could be one of these; each of them can have popped but one.
    loose = [row for row in pairs.maybe if operations[row].invoked <= end]
    rows += loose[: sum(values.taken[each] < 0 for each in few)]
    for row in nothing:
        inner = " and ".join(map(describe, puts[:3]))
        return invalid(f"{describe(row)} found nothing, but what came by {inner} was inside all the while", row, *rows)
    if len(few) != 2:
        words = f"{len(few)} values were inside without a gap, and none of them can have been at the bottom all along"
        return invalid(words, *rows)
    below, above = sorted(few, key=lambda each: int(values.entered[each]))
    words = f"{describe(int(values.put[below]))} had ended before {describe(int(values.put[above]))} began, yet "
    words += f"{describe(int(values.taken[below]))} had ended before what lay upon it was popped"
    taken = int(values.taken[above])
    return invalid(f"{words}, by {describe(taken)}" if taken >= 0 else words, *rows)


def _explain_scarcity(
    operations: Sequence[Operation], values: Values, pairs: Pairs, calls: Ints, empty: Ints, describe: Describe
) -> Decision:
    """Few values, and pops that found nothing, that show that there are not enough unanswered pops to explain them."""

    def violates(some: Sequence[int]) -> bool:
        part = _part(values, [each for each in some if each < len(values.put)])
        asked = empty[[each - len(values.put) for each in some if each >= len(values.put)]]
        try:
            return not _Giving(part, part.taken < 0, calls, asked).succeeds(monotonic() + SHRINK_S / 4)
        except _Late:
            return False

    few = fewest(range(len(values.put) + len(empty)), violates)
    rows = [pairs.empty[each - len(values.put)] for each in few if each >= len(values.put)]
    few = [each for each in few if each < len(values.put)]
    rows += [int(values.put[each]) for each in few]
    rows += [int(values.taken[each]) for each in few if values.taken[each] >= 0]
    left = [describe(int(values.put[each])) for each in few if values.taken[each] < 0]
    end = max(operations[row].completed for row in rows if operations[row].completed < NEVER)
    takers = [row for row in pairs.maybe if operations[row].invoked <= end]
    words = f"what came by {' and '.join(left[:3])}{' ...' if len(left) > 3 else ''} is in the way of what was popped,"
    words += f" and {len(takers)} pop{'s' if len(takers) > 1 else ''} without answer cannot have removed it in time"
    return invalid(words, *rows, *takers)


def _cover(values: Values, component: Ints) -> list[int]:
    """Few values that join the ends of a component sorted by the answers of pushes: they have no bottom either."""
    chosen: list[int] = []
    best, now = -1, -NEVER
    for each in component.tolist():
        if best < 0:
            best, now = each, int(values.leave[each])
            chosen.append(best)
        if values.entered[each] >= now:  # the interval chosen last does not reach it: the longest one since does
            chosen.append(best)
            now = int(values.leave[best])
        if values.leave[each] > values.leave[best]:
            best = each
    if best != chosen[-1]:
        chosen.append(best)
    return chosen
