"""Sequential consistency, and consistent prefix: one order of all transactions that explains every read.

Deciding either is NP-complete (Gibbons and Korach 1997, theorem 3.1; Biswas and Enea 2019), so ``unknown`` exists.
First the order that every witness contains is closed under two rules: if *r* read *x* from *w*, then another writer *v*
of *x* that comes before *r* comes before *w*, and one that comes after *w* comes after *r*. A circle is a violation.
Otherwise a witness is searched, transaction by transaction, within that order:

- a transaction that only reads runs as soon as the current versions are those it read: in any witness it may be moved
  up to here, since it changes nothing and its session's order is kept;
- a write must wait for all readers of the version that it overwrites, which never comes back;
- what has been reached before (the same transactions done, the same versions current) is not tried again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .causal import circular, reasons
from .deciding import VALID, Found, circle, stale
from .order import BLOCK_CELLS, Order, causal_order
from .overwritten import latest, overwritten
from .sessions import Ints, Sessions
from .staleness import measure
from .trying import Search, as_seen, at_once


def sequential(s: Sessions, deadline: float) -> Found:
    """Sequential consistency: one order of everything that contains the order of each session (Lamport 1979).

    Of transactions: strong session serializability (Daudjee and Salem 2006).
    """
    return _decide(s, deadline, "everything happens in one order, the same for all")


def prefix(s: Sessions, deadline: float) -> Found:
    """Consistent prefix: there is one order of all writes, and what is read at once is the state after a prefix of it.

    Prefix sequential consistency (Viotti and Vukolić 2016, section 3.6: *single order* and *monotonic writes*): one
    order of all transactions explains every read, and contains each session's order of transactions *that write*; those
    that only read may be anywhere, so that they may be stale, or go back. Hence single reads are nearly always
    explained, and only reads of several keys at once tell something.
    """
    some, back = _writers_in_order(s)
    what = "what is read at once is the state after some prefix of the writes"
    found = _decide(some, deadline, what)
    return replace(found, nodes=tuple(int(back[node]) for node in found.nodes))


def _writers_in_order(s: Sessions) -> tuple[Sessions, Ints]:
    """The history in which each transaction that only reads is a session by itself, and the old number of each.

    Reads of a single version may be placed next to it, and are left out.
    """
    writes = np.zeros(len(s), bool)
    writes[s.write] = True
    width = len(s) + 1
    pairs = np.unique(s.read * width + s.read_from + 1)
    several = np.bincount(pairs // width, minlength=len(s)) > 1
    back = np.flatnonzero(writes | several)
    group = np.where(writes, s.session, s.count + np.arange(len(s)))[back]
    back = back[np.argsort(group, kind="stable")]
    old = s.session[back]
    alone = ~writes[back]
    starts = np.ones(len(back), bool)
    starts[1:] = (old[1:] != old[:-1]) | alone[1:] | alone[:-1]
    first = np.append(np.flatnonzero(starts), len(back))
    number = np.full(width, -1)
    number[back] = np.arange(len(back))
    session = np.cumsum(starts) - 1
    before = np.arange(len(back), dtype=np.int64) - 1
    before[starts] = -1
    for node in np.flatnonzero(starts & ~alone).tolist():  # an ``info`` by itself follows writes of another session
        parent = int(s.before[s.first[old[node]]])
        while parent >= 0 and not writes[parent]:
            parent = int(s.before[parent])
        before[node] = number[parent] if parent >= 0 else -1
    kept = number[s.read] >= 0
    written = np.argsort(s.write_key * width + number[s.write], kind="stable")
    return (
        replace(
            s,
            row=s.row[back],
            session=session,
            position=np.arange(len(back)) - first[session],
            first=first,
            before=before,
            read=number[s.read[kept]],
            read_key=s.read_key[kept],
            read_from=number[s.read_from[kept]],
            write=number[s.write[written]],
            write_key=s.write_key[written],
            answered=s.answered[back],
            invoked=s.invoked[back],
            completed=s.completed[back],
            memory={},
        ),
        back,
    )


def _decide(s: Sessions, deadline: float, what: str) -> Found:
    if not len(s):
        return VALID
    versions = _Versions.of(s)
    if (len(s) + versions.count) * s.count > BLOCK_CELLS:
        return Found("unknown", f"{len(s)} transactions in {s.count} sessions need too much memory.")
    base = causal_order(s, deadline)
    bad = circular(base)
    if bad:
        return bad
    # A history of a store that is better than this has a witness that needs no search: try it as real time suggests.
    for points in (at_once, as_seen) if (measure(s).ns > 0).any() else (as_seen, at_once):
        if Search(s, base, deadline, points).run(2 * len(s) + 50).word == "valid":
            return VALID
    found = _saturated(s, base, versions, what)
    return found if isinstance(found, Found) else Search(s, found, deadline).run()


@dataclass(frozen=True)
class _Versions:
    """Versions that were read: (key, writer), writer -1 for the initial one; readers that write the key, and others.

    Attributes:
        code: key * (n + 1) + writer + 1, sorted.
        of_read: the version of each read.
        updates: whether that reader writes the key itself.
        update: who reads and writes it; -1: nobody.
        lost: two that both do, if there are such.
    """

    code: Ints
    of_read: Ints
    updates: NDArray[np.bool_]
    update: Ints
    lost: tuple[int, int, int] | None

    @property
    def count(self) -> int:
        return len(self.code)

    @classmethod
    def of(cls, s: Sessions) -> _Versions:
        width = len(s) + 1
        code, of_read = np.unique(s.read_key * width + s.read_from + 1, return_inverse=True)
        written = s.write_key * width + s.write
        updates = np.isin(s.read_key * width + s.read, written)
        update = np.full(len(code), -1)
        lost = None
        for at in np.flatnonzero(updates).tolist():
            version, reader = int(of_read[at]), int(s.read[at])
            if update[version] >= 0 and update[version] != reader:
                lost = int(update[version]), reader, at
            update[version] = reader
        return cls(code, of_read.astype(np.int64), updates, update, lost)


def _saturated(s: Sessions, base: Order, versions: _Versions, what: str) -> Found | Order:
    """The closure, with one more node a version: after all that read it and do not overwrite it."""
    if versions.lost:
        one, two, read = versions.lost
        key = s.key_name(int(s.read_key[read]))
        line = (
            f"{s.words(int(s.row[one]))} and {s.words(int(s.row[two]))} both overwrote the same version of key {key}, "
            "having read it"
        )
        from_ = int(s.read_from[read])
        return Found("invalid", f"{line}.", (one, two, *([from_] if from_ >= 0 else [])), "lost-update", (line,))
    plain = np.flatnonzero(~versions.updates)
    read_by = s.read[plain], len(s) + versions.of_read[plain]
    updated = np.flatnonzero(versions.update >= 0)
    width = len(s) + 1
    initial = np.flatnonzero(versions.code % width == 0)
    order = base.with_edges(
        np.concatenate([read_by[0], len(s) + updated]),
        np.concatenate([read_by[1], versions.update[updated]]),
        len(s) + versions.count,
    )
    # The initial versions come before all others.
    keys = versions.code[initial] // width
    left, right = np.searchsorted(s.write_key, keys), np.searchsorted(s.write_key, keys, "right")
    which = np.repeat(initial, right - left)
    writers = s.write[np.concatenate([np.empty(0, np.int64), *map(np.arange, left, right)]).astype(np.int64)]
    order = order.with_edges(*_after(s, versions, which, writers))
    why: dict[tuple[int, int], int] = {}
    while True:
        if order.sequence is None:
            return _circle(order, why, base, what)
        found = overwritten(order, np.arange(len(s.read)))
        if found.initial:
            return stale(base, "write-hb-init-read", *found.initial[0], "had come before")
        why |= reasons(found)
        sources, targets = _successors(s, order, versions)
        if not len(found.earlier) and not len(sources):
            return order
        order = order.with_edges(np.concatenate([found.earlier, sources]), np.concatenate([found.later, targets]))


def _after(s: Sessions, versions: _Versions, which: Ints, writers: Ints) -> tuple[Ints, Ints]:
    """Edges from all readers of these versions to writers that come after the version."""
    update = versions.update[which]
    other = (update >= 0) & (update != writers)
    return np.concatenate([len(s) + which, update[other]]), np.concatenate([writers, writers[other]])


def _successors(s: Sessions, order: Order, versions: _Versions) -> tuple[Ints, Ints]:
    """What comes after a version comes after its readers: edges that the order does not have."""
    width = len(s) + 1
    out: list[tuple[Ints, Ints]] = [(np.empty(0, np.int64), np.empty(0, np.int64))]
    clocks = next(order.blocks())[2]
    for index, earlier in latest(order, s.write, s.write_key):
        code = s.write_key[index] * width + earlier + 1
        place = np.minimum(np.searchsorted(versions.code, code), max(versions.count - 1, 0))
        known = versions.code[place] == code if versions.count else np.zeros(len(code), bool)
        source, target = _after(s, versions, place[known], s.write[index[known]])
        step = max(1, BLOCK_CELLS // 4 // max(1, s.count))
        for begin in range(0, len(source), step):
            one, two = source[begin : begin + step], target[begin : begin + step]
            new = ~(clocks[one] <= clocks[two]).all(axis=1)
            pairs = np.unique(one[new] * width + two[new])
            out.append((pairs // width, pairs % width))
    return np.concatenate([pair[0] for pair in out]), np.concatenate([pair[1] for pair in out])


def _circle(order: Order, why: dict[tuple[int, int], int], base: Order, what: str) -> Found:
    return circle(order, why, base, "cyclic-order", what)
