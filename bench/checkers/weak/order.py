"""Orders of transactions: a graph, whether it is acyclic, and vector clocks with one entry a session.

Every order used here contains the session order, so that the past of a transaction within a session is a prefix of
that session, and one number says which (Møldrup and Pavlogiannis 2025, section 4.3: O(n k) for n transactions in k
sessions).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from .sessions import Ints, Sessions

BLOCK_CELLS = 60_000_000
"""Entries of clocks (4 bytes each) that are kept at once; more sessions are dealt with in several passes."""
PAIR_CELLS = 4_000_000
"""Pairs of a read and a session that are looked up at once."""

_SMALL = 300
"""Nodes up to which plain Python is quicker than making a sparse matrix."""


class OutOfTime(Exception):
    """The budget of time is used up."""


def components(size: int, source: Ints, target: Ints) -> Ints:
    """The strongly connected component of each node."""
    graph = csr_matrix((np.ones(len(source), np.int8), (source, target)), shape=(size, size))
    return np.asarray(connected_components(graph, directed=True, connection="strong")[1], np.int64)


def topological(size: int, source: Ints, target: Ints) -> Ints | None:
    """The nodes in an order that all edges follow, or None if there is a cycle."""
    if not len(source):
        return np.arange(size)
    if size <= _SMALL:
        order = _kahn(size, source, target)
        return order if len(order) == size else None
    label = components(size, source, target)
    if label.max() + 1 < size or (source == target).any():
        return None
    # Every node is a component of its own. scipy numbers components in reverse topological order, which it does not
    # promise; so look.
    if (label[source] > label[target]).all():
        return np.argsort(-label)
    if (label[source] < label[target]).all():
        return np.argsort(label)
    return _kahn(size, source, target)


def _kahn(size: int, source: Ints, target: Ints) -> Ints:
    degree = np.bincount(target, minlength=size).tolist()
    order = np.argsort(source, kind="stable")
    start = np.searchsorted(source[order], np.arange(size + 1)).tolist()
    after = target[order].tolist()
    ready = [node for node in range(size) if not degree[node]]
    for node in ready:
        for each in after[start[node] : start[node + 1]]:
            degree[each] -= 1
            if not degree[each]:
                ready.append(each)
    return np.array(ready, np.int64)


@dataclass
class Order:
    """Session order and other edges between transactions; nodes past ``len(sessions)`` are auxiliary.

    Attributes:
        sessions: the transactions.
        size: number of nodes.
        source, target: the edges.
        sequence: the nodes in an order that all edges follow, None if there is a cycle.
    """

    sessions: Sessions
    size: int
    source: Ints
    target: Ints
    deadline: float

    def __post_init__(self) -> None:
        self.sequence = topological(self.size, self.source, self.target)
        self._clocks: NDArray[np.int32] | None = None

    def blocks(self) -> Iterator[tuple[int, int, NDArray[np.int32]]]:
        """(from, to, clocks): for each node and session in [from, to), how many of it come before it or are it.

        Raises:
            OutOfTime: past the deadline.
        """
        count = self.sessions.count
        width = max(1, BLOCK_CELLS // max(1, self.size))
        if self._clocks is not None:
            yield 0, count, self._clocks
            return
        for low in range(0, count, width):
            high = min(count, low + width)
            clocks = self._pass(low, high)
            if low == 0 and high == count:
                self._clocks = clocks
            yield low, high, clocks

    def _pass(self, low: int, high: int) -> NDArray[np.int32]:
        s = self.sessions
        assert self.sequence is not None
        arranged = np.argsort(self.target, kind="stable")
        start = np.searchsorted(self.target[arranged], np.arange(self.size + 1)).tolist()
        past = self.source[arranged].tolist()
        own = np.full(self.size, -1)
        inside = (s.session >= low) & (s.session < high)
        own[: len(s)][inside] = s.session[inside] - low
        columns, places = own.tolist(), (s.position + 1).tolist()
        clocks = np.zeros((self.size, high - low), np.int32)
        rows = list(clocks)  # views: cheaper than indexing again and again
        maximum = np.maximum
        for count, node in enumerate(self.sequence.tolist()):
            begin, end = start[node], start[node + 1]
            mine = rows[node]
            if end - begin == 1:
                mine[:] = rows[past[begin]]
            elif end - begin == 2:
                maximum(rows[past[begin]], rows[past[begin + 1]], out=mine)
            elif end > begin:
                clocks[past[begin:end]].max(axis=0, out=mine)
            if columns[node] >= 0:
                mine[columns[node]] = places[node]
            if not count & 8191 and monotonic() > self.deadline:
                raise OutOfTime
        return clocks

    def precedes(self, earlier: Ints, later: Ints) -> NDArray[np.bool_]:
        """Whether each of these transactions comes before, or is, the other (of any node)."""
        s = self.sessions
        out = np.zeros(len(earlier), bool)
        for low, high, clocks in self.blocks():
            at = np.flatnonzero((s.session[earlier] >= low) & (s.session[earlier] < high))
            column = s.session[earlier[at]] - low
            out[at] = clocks[later[at], column] > s.position[earlier[at]]
        return out

    def with_edges(self, source: Ints, target: Ints, size: int | None = None) -> Order:
        """The order with more edges, perhaps with more nodes."""
        return Order(
            self.sessions,
            self.size if size is None else size,
            np.concatenate([self.source, source]),
            np.concatenate([self.target, target]),
            self.deadline,
        )


def session_edges(s: Sessions) -> tuple[Ints, Ints]:
    """Each transaction after the one before it in its session."""
    target = np.flatnonzero(s.before >= 0)
    return s.before[target], target


def read_edges(s: Sessions) -> tuple[Ints, Ints]:
    """Each transaction after those it read from, each pair once."""
    some = s.read_from >= 0
    pairs = np.unique(s.read_from[some] * len(s) + s.read[some]) if len(s) else np.empty(0, np.int64)
    return pairs // max(1, len(s)), pairs % max(1, len(s))


def causal_order(s: Sessions, deadline: float) -> Order:
    """Session order and reads-from: causality. Made once for each history."""
    known = s.memory.get("causal")
    if isinstance(known, Order):
        known.deadline = deadline
        return known
    one, two = session_edges(s), read_edges(s)
    order = Order(s, len(s), np.concatenate([one[0], two[0]]), np.concatenate([one[1], two[1]]), deadline)
    s.memory["causal"] = order
    return order


Graph = dict[int, list[tuple[int, int]]]
"""node -> (next node, what the step costs: 0 within a session, 1 else)."""


def graph(source: Ints, target: Ints, session: Ints) -> Graph:
    """The edges as lists; edges within a session cost nothing."""
    after: Graph = {}
    same = np.append(session, np.full(max(0, int(max(source.max(initial=0), target.max(initial=0))) + 1 - len(session)),
                                      -1))  # fmt: skip
    cost = ((same[source] != same[target]) | (same[source] < 0)).astype(np.int64)
    for one, two, price in zip(source.tolist(), target.tolist(), cost.tolist(), strict=True):
        after.setdefault(one, []).append((two, price))
    return after


def cycle(order: Order) -> list[int]:
    """The nodes of a short cycle of an order that has one: the shortest through some of its nodes."""
    source, target = order.source, order.target
    loops = np.flatnonzero(source == target)
    if len(loops):
        return [int(source[loops[0]])]
    label = components(order.size, source, target)
    inner = label[source] == label[target]
    source, target = source[inner], target[inner]
    nodes = np.unique(source)
    sizes = np.bincount(label[nodes])
    nodes = nodes[np.argsort(sizes[label[nodes]], kind="stable")]
    after = graph(source, target, order.sessions.session)
    best: list[int] = []
    cheapest = order.size + 1
    for count, node in enumerate(nodes.tolist()):
        if best and (cheapest <= 2 or count > 64 or monotonic() > order.deadline):
            break
        found, cost = path(after, node, node, cheapest)
        if found:
            best, cheapest = found[:-1], cost
    return best


def path(after: Graph, start: int, goal: int, below: int) -> tuple[list[int], int]:
    """A cheapest way of at least one step from start to goal that costs less than ``below``, and its cost."""
    came: dict[int, int] = {}
    costs: dict[int, int] = {}
    done: set[int] = set()
    queue = deque([(0, start, -1)])
    while queue:
        cost, node, previous = queue.popleft()
        if cost >= below:
            break
        if node == goal and previous >= 0:
            way = [goal, previous]
            while way[-1] != start:
                way.append(came[way[-1]])
            return way[::-1], cost
        if node in done:
            continue
        done.add(node)
        if previous >= 0:
            came[node] = previous
        for each, price in after.get(node, ()):
            if each not in done or each == goal:
                total = cost + price
                if total < costs.get(each, below):
                    costs[each] = total
                    (queue.appendleft if price == 0 else queue.append)((total, each, node))
    return [], 0
