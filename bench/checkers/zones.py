"""Linearizability of all keys at once, where written values differ: whole columns instead of one operation at a time.

This decides the three conditions of :mod:`.unique`, whose proof is the proof of this: here they are only computed
otherwise. What is left out here is evidence. A key that fails any of them, or to which they do not apply (a failed
compare-and-set that does not say what it saw), is *undecided*: the per-key code looks at it again and has the last
word. So one thing must be shown: a key not returned is linearizable. That holds even where a value is left twice, or is
the initial one: who needs it is then put behind one of its givers, and if this works, it is a linearization. (If it
does not, nothing follows. Where values differ, something does: it is not linearizable.)

**The paragraph to be derived.** (Gibbons and Korach 1997, section 4; Golab, Li and Shah 2011.) Plain registers first.
A group is the write of v and the reads of v; the register holds v over one stretch, so in a linearization groups are
contiguous, the write first. Let f be the least end in a group, s the greatest start. Group A has to precede B iff some
member of A ended before some member of B began, i.e. f(A) < s(B). That is not an interval order, so acyclicity must be
proved: :mod:`.unique` shows that a cycle implies two groups that must precede each other, and that such a pair is two
forward groups (f < s) whose open intervals intersect or a backward one inside a forward one: [s, f] in (f', s'). Both
tests are strict, since what ends and what begins at the same instant are concurrent. The group of the initial value has
a write before all time: f = s = -infinity, and it is forward as soon as it has a reader, so it has to precede every
group that begins after... the least of which is all of them that any of its readers did not outlive. Nothing special.

Within a group: the write has to be before the reads, so no read may end before the write begins; that two reads, or the
write and a later read, are in order of time follows from sorting reads by start.

**Chains.** A compare-and-set that swapped u for v puts v's stretch right behind u's. So the groups of a chain form one
block that nothing may interrupt, and inside it the order of groups is fixed: the condition is on *all* pairs, no member
may end before a member of an earlier place began. (Merged groups alone miss it: W(a), CAS a->b, CAS b->c all over
[0,200], read c at [40,50], read a at [100,110]: one block with f = 50, s = 100, in conflict with no other.) All pairs
are one pass: every member against the greatest start at earlier places, which along a chain is a running maximum. Then
blocks take the place of groups above; at most one swap may have a value as its origin, and a chain must have a head.

**Unanswered operations** that nobody needs are dropped (:func:`.steps.without_unobserved` has the proof). One that is
kept counts as one that took effect and never ended. Keeping too many is no danger: a linearization with them is one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..history.history import CAS, FAIL, INFO, NEVER, NIL, NOTHING, OK, READ, WRITE, History

Ints = NDArray[np.int64]
_ROUNDS = 200
"""Longest chain of unanswered swaps that is followed here."""


def undecided(history: History) -> Ints:
    """The keys that this cannot say are linearizable, in order.

    Raises:
        ValueError: an operation ended before it began, or the function or outcome is not one of a register.
    """
    columns = _Columns(history)
    if not columns.keys:
        return np.empty(0, np.int64)
    _judge(columns)
    return columns.names_of(np.flatnonzero(columns.suspect))


class _Columns:
    """The operations that count, as givers (which leave a value) and readers (which need one and leave it)."""

    def __init__(self, history: History) -> None:
        function, outcome = history.function, history.outcome
        ok, info = outcome == OK, outcome == INFO
        _refuse(history, ok, outcome)
        swaps = function == CAS
        known = history.result != NOTHING
        self.first_key, self.key_names = 0, np.empty(0, np.int64)
        self.key_column, self.keys = history.key, 0
        if len(history):
            self.first_key = int(history.key.min())
            self.keys = int(history.key.max()) - self.first_key + 1
            if self.keys > 4 * len(history) + 1024:
                self.key_names, numbers = np.unique(history.key, return_inverse=True)
                self.first_key, self.key_column, self.keys = 0, numbers.reshape(-1), len(self.key_names)
        self.suspect = np.zeros(self.keys, np.bool_)
        changes = (swaps & (info | (ok & known & (history.result == history.expected)))) & (
            history.argument != history.expected
        )
        self.givers = np.flatnonzero(changes | ((function == WRITE) & (outcome != FAIL)))
        self.readers = np.flatnonzero(ok & known & ((function == READ) | (swaps & ~changes)))
        self.doubt(np.flatnonzero(ok & swaps & ~known))
        self.given = history.argument[self.givers]
        self.needed = np.where(changes[self.givers], history.expected[self.givers], NOTHING)
        self.swaps = changes[self.givers]
        self.seen = history.result[self.readers]
        self.optional = info[self.givers]
        self.start = history.invoked[self.givers]
        self.end = np.where(self.optional, NEVER, history.completed[self.givers])
        self.reader_start = history.invoked[self.readers]
        self.reader_end = history.completed[self.readers]
        self.giver_key = self._index(self.givers)
        self.reader_key = self._index(self.readers)

    def _index(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        return self.key_column[rows].astype(np.int64) - self.first_key

    def names_of(self, numbers: NDArray[np.intp]) -> Ints:
        """The keys with these numbers, as the history has them."""
        return self.key_names[numbers] if len(self.key_names) else numbers + self.first_key

    def doubt(self, rows: NDArray[np.intp]) -> None:
        self.suspect[self._index(rows)] = True

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Forget the other givers."""
        for name in ("givers", "given", "needed", "swaps", "optional", "start", "end", "giver_key"):
            setattr(self, name, getattr(self, name)[kept])


def _refuse(history: History, ok: NDArray[np.bool_], outcome: NDArray[np.signedinteger]) -> None:
    backwards = ok & (history.completed < history.invoked)
    if backwards.any():
        row = int(backwards.argmax())
        late = int(history.invoked[row]) - int(history.completed[row])
        raise ValueError(f"row {row} ended {late / 1e6:g} ms before it began")
    odd = (outcome != FAIL) & ((history.function < READ) | (history.function > CAS))
    if odd.any():
        row = int(odd.argmax())
        raise ValueError(f"row {row} has function {int(history.function[row])}, which is not one of a register")


# --- who left what was needed ---------------------------------------------------------------------------------------


@dataclass
class _Names:
    """Values as small numbers: of what givers leave, of what they need, of what readers saw. -1: the initial value."""

    given: Ints
    needed: Ints
    seen: Ints
    count: int


def _small(values: Ints, room: int) -> tuple[Ints, int]:
    """The same values as numbers from 0, below some bound of the order of ``room``."""
    if not len(values):
        return values, 0
    low, high = int(values.min()), int(values.max())
    if high - low < room:
        return values - low, high - low + 1
    distinct, numbers = np.unique(values, return_inverse=True)
    return numbers.reshape(-1), len(distinct)


def _names(columns: _Columns) -> _Names:
    """One number for each (key, value), or for each value where no value is written to two keys."""
    parts = (columns.given, columns.needed, columns.seen)
    values = np.concatenate(parts)
    room = 4 * len(values) + 1024
    numbers, count = _small(values, room)
    mine = numbers[: len(columns.given)]
    if len(mine) and np.bincount(mine, minlength=1).max() > 1:
        keys = np.concatenate((columns.giver_key, columns.giver_key, columns.reader_key))
        numbers, count = _small(keys * count + numbers, room)
    cuts = np.cumsum([len(part) for part in parts])
    given, needed, seen, _ = np.split(numbers, cuts)
    return _Names(given, np.where(columns.needed == NIL, -1, needed), np.where(columns.seen == NIL, -1, seen), count)


def _drop_unobserved(columns: _Columns, names: _Names) -> None:
    """Forget the unanswered givers whose values nobody needs, in ``columns`` and ``names``."""
    if not columns.optional.any():
        return
    wanted = np.zeros(names.count + 1, np.bool_)  # the last one stands for the initial value
    wanted[names.seen] = True
    wanted[names.needed[columns.swaps & ~columns.optional]] = True
    chance = np.flatnonzero(columns.swaps & columns.optional)
    for _ in range(_ROUNDS):
        taken = wanted[names.given[chance]]
        if not taken.any():
            break
        wanted[names.needed[chance[taken]]] = True
        chance = chance[~taken]
    else:
        columns.doubt(columns.givers[chance])
    kept = ~columns.optional | wanted[names.given]
    names.given, names.needed = names.given[kept], names.needed[kept]
    columns.keep(kept)


# --- groups, chains, blocks -----------------------------------------------------------------------------------------


def _judge(columns: _Columns) -> None:
    suspect = columns.suspect
    names = _names(columns)
    _drop_unobserved(columns, names)
    givers = len(columns.givers)

    # Places: one for each giver, then one for the initial value of each key.
    place_of = np.full(names.count + 1, -1, np.int64)
    place_of[names.given] = np.arange(givers)  # of several that leave one value, any will do
    key_of = np.concatenate((columns.giver_key, np.arange(columns.keys)))
    start = np.concatenate((columns.start, np.full(columns.keys, -NEVER)))
    end = np.concatenate((columns.end, np.full(columns.keys, -NEVER)))

    def places(needed: Ints, keys: Ints) -> Ints:
        """Where each of these values is; a value that nobody left on that key makes the key suspect."""
        found = np.where(needed < 0, givers + keys, place_of[needed])
        lost = (found < 0) | (key_of[found] != keys)
        suspect[keys[lost]] = True
        return np.where(lost, givers + keys, found)

    read_at = places(names.seen, columns.reader_key)
    last_start = start.copy()
    np.maximum.at(last_start, read_at, columns.reader_start)
    first_end = np.full(len(end), NEVER)
    np.minimum.at(first_end, read_at, columns.reader_end)
    suspect[key_of[first_end < start]] = True  # a read ended before its value's giver began
    np.minimum(first_end, end, out=first_end)

    heads = np.concatenate((~columns.swaps, np.ones(columns.keys, np.bool_)))
    swaps = np.flatnonzero(columns.swaps)
    if len(swaps):
        before = places(names.needed[swaps], columns.giver_key[swaps])
        _judge_chains(swaps, before, key_of, first_end, last_start, suspect)
    _judge_blocks(key_of[heads], first_end[heads], last_start[heads], suspect)


def _judge_chains(
    swaps: NDArray[np.intp], before: Ints, key_of: Ints, first_end: Ints, last_start: Ints, suspect: NDArray[np.bool_]
) -> None:
    """The order inside each chain; then widen the head's ``first_end`` and ``last_start`` to those of the chain."""
    suspect[key_of[before[np.bincount(before)[before] > 1]]] = True  # a value swapped twice
    # The head of each chain and the distance from it, by pointer doubling (Wyllie 1979): log2(longest chain) rounds.
    ahead = np.arange(len(key_of))
    ahead[swaps] = before
    depth = np.zeros(len(key_of), np.int64)
    depth[swaps] = 1
    for _ in range(len(swaps).bit_length() + 1):
        beyond = ahead[swaps]
        farther = ahead[beyond]
        if np.array_equal(beyond, farther):
            break
        depth[swaps] += depth[beyond]
        ahead[swaps] = farther
    suspect[key_of[swaps[depth[ahead[swaps]] > 0]]] = True  # a circle has no head
    head = ahead[swaps]
    members = np.concatenate((np.unique(head), swaps))
    order = members[np.lexsort((depth[members], ahead[members]))]
    chain = ahead[order]
    first = np.ones(len(order), np.bool_)
    first[1:] = chain[1:] != chain[:-1]

    # The greatest start at earlier places of the chain: a running maximum of ranks, lifted by the chain's number.
    starts, ranks = np.unique(last_start[order], return_inverse=True)
    lifted = ranks.reshape(-1) + np.cumsum(first) * len(starts)
    highest = starts[np.maximum.accumulate(lifted) % len(starts)]
    late = ~first
    late[1:] &= first_end[order[1:]] < highest[:-1]
    suspect[key_of[order[late]]] = True

    np.minimum.at(first_end, head, first_end[swaps])
    np.maximum.at(last_start, head, last_start[swaps])


def _judge_blocks(key_of: Ints, first_end: Ints, last_start: Ints, suspect: NDArray[np.bool_]) -> None:
    """No two blocks have to precede each other."""
    # Times of all keys on one line, key after key. Ends are only compared with starts, so those past the last are one.
    low = int(min(first_end[first_end > -NEVER].min(initial=NEVER), last_start[last_start > -NEVER].min(initial=NEVER)))
    high = int(last_start.max(initial=low))
    length = high - low + 4
    if length * (int(key_of.max(initial=0)) + 1) < 2**62:
        ends = np.clip(first_end, low - 1, high + 1) - (low - 1)
        starts = np.clip(last_start, low - 1, high + 1) - (low - 1)
    else:
        times, ranks = np.unique(np.concatenate((first_end, last_start)), return_inverse=True)
        ends, starts = np.split(ranks.reshape(-1), 2)
        length = len(times) + 1
    ends = ends + key_of * length
    starts = starts + key_of * length

    forward = np.flatnonzero(ends < starts)
    forward = forward[np.argsort(ends[forward])]
    begins, stops = ends[forward], starts[forward]
    suspect[key_of[forward[1:][begins[1:] < stops[:-1]]]] = True
    if not len(forward):
        return
    backward = np.flatnonzero(ends >= starts)
    at = np.searchsorted(begins, starts[backward]) - 1
    inside = (at >= 0) & (ends[backward] < stops[np.maximum(at, 0)])
    suspect[key_of[backward[inside]]] = True
