"""The one rule behind most models: a version that was visible to a reader came before the version that it read.

If *r* read key *x* from *w*, and another writer *v* of *x* was visible to *r*, then *v* before *w*. Of the writers of
*x* in one session only the last visible one is needed: the others come before it in session order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .order import PAIR_CELLS, Order
from .sessions import Ints, Sessions


@dataclass(frozen=True)
class Overwritten:
    """Pairs (v, w), each once, and a read that says so.

    Attributes:
        earlier, later: v and w.
        read: index into ``Sessions.read``.
        initial: (v, read) where the read saw the initial value although v was visible.
    """

    earlier: Ints
    later: Ints
    read: Ints
    initial: list[tuple[int, int]]


class Writers:
    """Looks up the last writer of a key within a prefix of a session, for many at once."""

    def __init__(self, s: Sessions) -> None:
        self.s = s
        self.width = len(s) + 1
        self.sorted = s.write_key * self.width + s.write
        owner = s.session[s.write]
        new = np.ones(len(owner), bool)
        new[1:] = (owner[1:] != owner[:-1]) | (s.write_key[1:] != s.write_key[:-1])
        self.begin = np.flatnonzero(new)  # of the writes of one key in one session
        self.key = s.write_key[self.begin]
        self.session = owner[self.begin]

    @classmethod
    def of(cls, s: Sessions) -> Writers:
        """Made once for each history."""
        known = s.memory.get("writers")
        if not isinstance(known, Writers):
            known = s.memory["writers"] = cls(s)
        assert isinstance(known, Writers)
        return known

    def spread(self, keys: Ints, low: int, high: int) -> tuple[Ints, Ints]:
        """(index into keys, segment): each key with each session in [low, high) that writes it."""
        inside = np.flatnonzero((self.session >= low) & (self.session < high))
        key = self.key[inside]
        left = np.searchsorted(key, keys, "left")
        many = np.searchsorted(key, keys, "right") - left
        index = np.repeat(np.arange(len(keys)), many)
        offset = np.arange(len(index)) - np.repeat(np.cumsum(many) - many, many)
        return index, inside[np.repeat(left, many) + offset]

    def last(self, keys: Ints, segment: Ints, limit: Ints) -> Ints:
        """The last writer of the key among the first ``limit`` of the segment's session; -1 for none."""
        s = self.s
        place = np.searchsorted(self.sorted, keys * self.width + s.first[self.session[segment]] + limit, "left") - 1
        return np.where(place >= self.begin[segment], s.write[np.maximum(place, 0)], -1)


def latest(order: Order, nodes: Ints, keys: Ints) -> Iterator[tuple[Ints, Ints]]:
    """(indices, writers): of each key, the last writer in each session that comes before the node, but not the node.

    Raises:
        OutOfTime: past the deadline of the order.
    """
    s = order.sessions
    writers = Writers.of(s)
    most = int(np.unique(writers.key, return_counts=True)[1].max(initial=1))
    for low, high, clocks in order.blocks():
        step = max(1, PAIR_CELLS // max(1, min(high - low, most)))
        for begin in range(0, len(nodes), step):
            some = np.arange(begin, min(len(nodes), begin + step))
            index, segment = writers.spread(keys[some], low, high)
            which = some[index]
            node, session = nodes[which], writers.session[segment]
            limit = clocks[node, session - low] - (s.session[node] == session)
            earlier = writers.last(keys[which], segment, limit)
            found = earlier >= 0
            yield which[found], earlier[found]


def overwritten(order: Order, reads: Ints, new_only: bool = True) -> Overwritten:
    """What the reads (indices) say of the order of versions, if what is visible to a read is its past in the order.

    Args:
        order: acyclic.
        reads: which.
        new_only: leave out pairs that the order has already.

    Raises:
        OutOfTime: past the deadline of the order.
    """
    s = order.sessions
    initial: list[tuple[int, int]] = []
    pairs: list[Ints] = [np.empty(0, np.int64)]
    causes: list[Ints] = [np.empty(0, np.int64)]
    for index, earlier in latest(order, s.read[reads], s.read_key[reads]):
        which = reads[index]
        later = s.read_from[which]
        initial += [(int(earlier[at]), int(which[at])) for at in np.flatnonzero(later < 0)[:8]]
        good = (later >= 0) & (earlier != later)
        pair, first = np.unique(earlier[good] * len(s) + later[good], return_index=True)
        pairs.append(pair)
        causes.append(which[good][first])
    pair, first = np.unique(np.concatenate(pairs), return_index=True)
    read = np.concatenate(causes)[first]
    earlier, later = pair // max(1, len(s)), pair % max(1, len(s))
    if new_only:
        new = ~order.precedes(earlier, later)
        earlier, later, read = earlier[new], later[new], read[new]
    return Overwritten(earlier, later, read, initial)
