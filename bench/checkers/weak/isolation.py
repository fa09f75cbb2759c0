"""Read committed and read atomic, by the axioms of Biswas and Enea (2019), decided as AWDIT does.

Møldrup and Pavlogiannis, "AWDIT: An Optimal Weak Database Isolation Tester" (PLDI 2025), sections 2 and 4: a history
satisfies one of these levels iff there is a total *commit order* of the transactions that contains session order and
reads-from, such that whenever *r* read *x* from *w*, and another writer *v* of *x* was visible to *r*, *v* commits
before *w*. What is visible differs:

- *read committed*: what *r* read from earlier in the program;
- *read atomic*: what *r* read from at all, and what came before it in its session;
- *causal*: what is in its causal past (:mod:`.causal`).

So only the edges have to be found that these force, and a circle among them. They are as few as possible: a source's
writes are intersected with a reader's keys over the smaller of the two, which over all is O(n^1.5).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from time import monotonic

import numpy as np

from .causal import circular
from .deciding import VALID, Found, circle, stale
from .order import OutOfTime, causal_order
from .sessions import Ints, Sessions

_Edges = dict[tuple[int, int], int]


def read_committed(s: Sessions, deadline: float) -> Found:
    """Read committed: what a transaction has read from is not undone for what it reads later."""
    return _decide(s, deadline, _committed, "what a transaction once read from stays committed for it")


def read_atomic(s: Sessions, deadline: float) -> Found:
    """Read atomic: a transaction sees all or nothing of another one, and all that its session did before."""
    return _decide(s, deadline, _atomic, "a transaction is seen as a whole, as is what its session did before")


def _decide(s: Sessions, deadline: float, rule: Callable[..., tuple[int, int] | None], what: str) -> Found:
    order = causal_order(s, deadline)
    bad = circular(order)
    if bad:
        return bad
    edges: _Edges = {}
    unborn = rule(s, deadline, edges)
    if unborn:
        return stale(order, "write-init-read", *unborn, "was visible to it")
    pairs = np.array(list(edges), np.int64).reshape(-1, 2)
    whole = order.with_edges(pairs[:, 0], pairs[:, 1])
    return VALID if whole.sequence is not None else circle(whole, edges, order, "cyclic-commit-order", what)


def _committed(s: Sessions, deadline: float, edges: _Edges) -> tuple[int, int] | None:
    written = _keys_of(s)
    for begin, end in _several(s):
        if monotonic() > deadline:
            raise OutOfTime
        places: dict[int, list[int]] = {}
        for at in range(begin, end):
            places.setdefault(int(s.read_key[at]), []).append(at)
        met: set[int] = set()
        for at in range(begin, end):
            source = int(s.read_from[at])
            if source < 0 or source in met:
                continue
            met.add(source)
            for key in _both(written[source], places):
                later = places[key]
                # The first of another version is enough: that version was read before those that follow.
                for other in later[bisect_right(later, at) :]:
                    version = int(s.read_from[other])
                    if version < 0:
                        return source, other
                    if version != source:
                        edges.setdefault((source, version), other)
                        break
    return None


def _atomic(s: Sessions, deadline: float, edges: _Edges) -> tuple[int, int] | None:
    written = _keys_of(s)
    for begin, end in _several(s):
        if monotonic() > deadline:
            raise OutOfTime
        places: dict[int, list[int]] = {}
        for at in range(begin, end):
            places.setdefault(int(s.read_key[at]), []).append(at)
        for source in {int(each) for each in s.read_from[begin:end].tolist()} - {-1}:
            for key in _both(written[source], places):
                for other in places[key]:
                    version = int(s.read_from[other])
                    if version < 0:
                        return source, other
                    if version != source:
                        edges.setdefault((source, version), other)
    return own_writes(s, edges)


def own_writes(s: Sessions, edges: _Edges) -> tuple[int, int] | None:
    """The last write of the key in the session before each read comes before the version read (adds to ``edges``).

    Returns:
        A write, and a read after it in its session that saw the initial value, if there are such.
    """
    earlier = last_in_session(s)
    seen = s.read_from
    for at in np.flatnonzero((earlier >= 0) & (earlier != seen)).tolist():
        if seen[at] < 0:
            return int(earlier[at]), at
        edges.setdefault((int(earlier[at]), int(seen[at])), at)
    return None


def last_in_session(s: Sessions) -> Ints:
    """For each read, the last transaction before it in its session that wrote the key; -1 for none."""
    own = s.session[s.read]
    at_once = (s.position[s.read] == 0) & (
        s.before[s.read] >= 0
    )  # an ``info`` by itself: after part of another session
    parent = np.maximum(s.before[s.read], 0)
    own = np.where(at_once, s.session[parent], own)
    limit = np.where(at_once, s.position[parent] + 1, s.position[s.read])
    width = len(s) + 1
    ordered = s.write_key * width + s.write
    place = np.searchsorted(ordered, s.read_key * width + s.first[own] + limit, "left") - 1
    found = (place >= 0) & (ordered[np.maximum(place, 0)] >= s.read_key * width + s.first[own]) if len(ordered) \
        else np.zeros(len(own), bool)  # fmt: skip
    return np.where(found, s.write[np.maximum(place, 0)] if len(ordered) else -1, -1)


def _keys_of(s: Sessions) -> list[set[int]]:
    out: list[set[int]] = [set() for _ in range(len(s))]
    for node, key in zip(s.write.tolist(), s.write_key.tolist(), strict=True):
        out[node].add(key)
    return out


def _several(s: Sessions) -> list[tuple[int, int]]:
    """The reads (from, to) of each transaction that has more than one."""
    if not len(s.read):
        return []
    bounds = np.flatnonzero(np.append(True, s.read[1:] != s.read[:-1]))
    ends = np.append(bounds[1:], len(s.read))
    many = ends - bounds > 1
    return list(zip(bounds[many].tolist(), ends[many].tolist(), strict=True))


def _both(written: set[int], read: dict[int, list[int]]) -> list[int]:
    if len(written) <= len(read):
        return [key for key in written if key in read]
    return [key for key in read if key in written]
