"""Isolation levels by their definitions, by trying everything. Shares nothing with the checkers but what columns mean.

- ``serial``: some order of the transactions (and of any of the unanswered ones) that explains every read, and agrees
  with the order of processes, or real time.
- ``snapshot``: some order of commits, and for each transaction a snapshot of some first commits, that explain every
  read, so that nobody whose commit lies between a transaction's snapshot and its own wrote one of its keys (the axioms
  of Cerone, Bernardi, Gotsman 2015, in operational form).
- ``graphs``: some order of the versions of each key, and the cycles of the graph that it gives (Adya 1999).
"""

from __future__ import annotations

from itertools import chain, combinations, pairwise, permutations, product
from typing import Any

from bench.history.transactions import APPEND, LIST, NIL, READ, UNKNOWN, Transactions

Mop = tuple[str, int, Any]


class History:
    """The history as tuples."""

    def __init__(self, t: Transactions) -> None:
        self.lists = bool((t.kind == APPEND).any() or (t.value == LIST).any())
        self.mops: list[list[Mop]] = []
        for row in range(len(t)):
            mops: list[Mop] = []
            for m in range(int(t.first[row]), int(t.first[row + 1])):
                key, value = int(t.key[m]), int(t.value[m])
                if t.kind[m] != READ:
                    mops.append(("w", key, value))
                elif value == UNKNOWN or t.outcome[row] != 0:
                    mops.append(("r", key, None))
                elif self.lists:
                    mops.append(("r", key, tuple(t.elements[t.start[m] : t.end[m]].tolist()) if value == LIST else ()))
                else:
                    mops.append(("r", key, value))
            self.mops.append(mops)
        self.invoked, self.completed = t.invoked.tolist(), t.completed.tolist()
        self.process, self.outcome = t.process.tolist(), t.outcome.tolist()
        self.nothing: Any = () if self.lists else NIL

    def subsets(self) -> list[tuple[int, ...]]:
        """The transactions that may have taken place together."""
        sure = [row for row, end in enumerate(self.outcome) if end == 0]
        open_ = [row for row, end in enumerate(self.outcome) if end == 2 and any(m[0] == "w" for m in self.mops[row])]
        some = chain.from_iterable(combinations(open_, size) for size in range(len(open_) + 1))
        return [(*sure, *each) for each in some]

    def before(self, a: int, b: int, order: str) -> bool:
        """Whether a has to come before b."""
        session = self.process[a] == self.process[b] and self.invoked[a] < self.invoked[b]
        if order == "session":
            return session
        return order == "realtime" and (session or (self.outcome[a] != 2 and self.completed[a] < self.invoked[b]))

    def run(self, row: int, state: dict[int, Any]) -> dict[int, Any] | None:
        """What the transaction leaves of a state, or None if it did not see this."""
        mine: dict[int, Any] = {}
        for kind, key, value in self.mops[row]:
            now = mine.get(key, state.get(key, self.nothing))
            if kind == "w":
                mine[key] = (*now, value) if self.lists else value
            elif value is not None and value != now:
                return None
        return mine


def serial(t: Transactions, order: str) -> bool:
    """Serializable; ``order``: ``none``, ``session`` or ``realtime``."""
    h = History(t)

    def extend(rest: frozenset[int], state: dict[int, Any]) -> bool:
        if not rest:
            return True
        for row in rest:
            if any(h.before(other, row, order) for other in rest if other != row):
                continue
            mine = h.run(row, state)
            if mine is not None and extend(rest - {row}, {**state, **mine}):
                return True
        return False

    return any(extend(frozenset(rows), {}) for rows in h.subsets())


def snapshot(t: Transactions, order: str) -> bool:
    """Snapshot isolation, with the order of sessions or real time in what a snapshot must hold."""
    h = History(t)
    return any(_snapshots(h, rows, order) for rows in h.subsets())


def _snapshots(h: History, rows: tuple[int, ...], order: str) -> bool:
    written = {row: {key for kind, key, _ in h.mops[row] if kind == "w"} for row in rows}

    def extend(done: list[int], states: list[dict[int, Any]]) -> bool:
        if len(done) == len(rows):
            return True
        for row in rows:
            if row in done:
                continue
            # Nothing that has to be in this one's snapshot may commit later.
            if any(h.before(other, row, order) for other in rows if other not in done and other != row):
                continue
            least = max(
                (
                    place + 1
                    for place, other in enumerate(done)
                    if h.before(other, row, order) or written[other] & written[row]
                ),
                default=0,
            )
            for start in range(least, len(done) + 1):
                mine = h.run(row, states[start])
                if mine is not None and extend([*done, row], [*states, {**states[-1], **mine}]):
                    return True
        return False

    return extend([], [{}])


def graphs(t: Transactions) -> dict[str, bool]:
    """Levels that only forbid cycles, for histories whose transactions read no key twice, nor after writing it."""
    h = History(t)
    levels = {
        "read-committed": False,
        "cursor-stability": False,
        "consistent-view": False,
        "snapshot-isolation": False,
        "serializable": False,
        "strong-session-read-committed": False,
        "strong-read-committed": False,
    }
    for rows in h.subsets():
        writers: dict[int, list[int]] = {}
        last: dict[tuple[int, int], Any] = {}
        for row in rows:
            for kind, key, value in h.mops[row]:
                if kind == "w":
                    if row not in writers.setdefault(key, []):
                        writers[key].append(row)
                    last[row, key] = (*last.get((row, key), ()), value) if h.lists else value
        keys = list(writers)
        for orders in product(*(permutations(writers[key]) for key in keys)):
            for level, holds in _levels(h, rows, dict(zip(keys, orders, strict=True)), last).items():
                levels[level] |= holds
    return levels


def _levels(
    h: History, rows: tuple[int, ...], orders: dict[int, tuple[int, ...]], last: dict[Any, Any]
) -> dict[str, bool]:
    ww, wr, rw = set(), set(), set()
    cursor = True
    for order in orders.values():
        ww |= set(pairwise(order))
    for row in rows:
        for kind, key, value in h.mops[row]:
            if kind != "r" or value is None:
                continue
            order = orders.get(key, ())
            states: list[Any] = [h.nothing]
            for writer in order:
                states.append((*states[-1], *last[writer, key]) if h.lists else last[writer, key])
            if value not in states:
                return {}
            place = states.index(value)
            if place and order[place - 1] != row:
                wr.add((order[place - 1], row))
            elif place:
                return {}  # it read its own write of later on
            if place < len(order) and order[place] != row:
                rw.add((row, order[place]))
                cursor &= row not in order[place:]
    process = {(a, b) for a in rows for b in rows if a != b and h.before(a, b, "session")}
    real = {(a, b) for a in rows for b in rows if a != b and h.before(a, b, "realtime")}
    depends = ww | wr
    composed = depends | {(a, d) for a, b in depends for c, d in rw if b == c}
    committed = _acyclic(depends)
    closure = _closure(depends)
    view = committed and not any((b, a) in closure for a, b in rw)
    return {
        "read-committed": committed,
        "cursor-stability": committed and cursor,
        "consistent-view": view,
        "snapshot-isolation": _acyclic(composed),
        "serializable": _acyclic(depends | rw),
        "strong-session-read-committed": _acyclic(depends | process),
        "strong-read-committed": _acyclic(depends | real),
    }


def _closure(edges: set[tuple[int, int]]) -> set[tuple[int, int]]:
    closed = set(edges)
    while True:
        more = {(a, d) for a, b in closed for c, d in closed if b == c} - closed
        if not more:
            return closed
        closed |= more


def _acyclic(edges: set[tuple[int, int]]) -> bool:
    return all(a != b for a, b in _closure(edges))
