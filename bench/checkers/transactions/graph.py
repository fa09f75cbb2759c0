"""The dependency graph: typed edges between transactions, in columns, and its strongly connected components.

**Real time without n^2 edges.** ``completed(a) < invoked(b)`` relates up to n^2 / 2 pairs. Sort the completions; give
each rank *i* a node C_i with C_i -> C_(i+1); let the transaction of rank *i* point to C_i, and C_i to each transaction
for which *i* is the last completion before its invocation. There is a path from a to b through these nodes alone iff a
completed before b was invoked, and there are 3 n edges. The same trick (:meth:`Edges.cross`) carries the
anti-dependencies from many readers of a version to many writers of unordered later ones. Nodes that stand for no
transaction are left through edges of kind :data:`PASS`, which cost nothing in a cycle.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import rustworkx
from numpy.typing import NDArray

from ...history.history import INFO, NEVER
from ...history.transactions import Transactions

WW, WR, RW, PROCESS, REALTIME, PASS = 1, 2, 4, 8, 16, 32
DATA = WW | WR | RW
KIND_NAMES = {WW: "ww", WR: "wr", RW: "rw", PROCESS: "process", REALTIME: "realtime"}

Ints = NDArray[np.int64]

DIRECT = 1024
"""Anti-dependencies of one version that are still written out one by one."""


def ints(values: object) -> Ints:
    """As a column of int64."""
    return np.asarray(values, dtype=np.int64)


@dataclass(frozen=True)
class Graph:
    """Edges in columns. Nodes from ``transactions`` on stand for no transaction.

    Attributes:
        transactions: how many nodes are transactions.
        nodes: how many there are.
        source, target, kind: of each edge.
        key, before, after: what the edge rests on: the key; the value its source wrote or read; the value its target
            wrote or read (codes). -1 where there is none.
    """

    transactions: int
    nodes: int
    source: Ints
    target: Ints
    kind: Ints
    key: Ints
    before: Ints
    after: Ints

    def __len__(self) -> int:
        return len(self.source)

    def chosen(self, mask: NDArray[np.bool_]) -> Graph:
        """The same nodes with some of the edges."""
        columns = (self.source, self.target, self.kind, self.key, self.before, self.after)
        return Graph(self.transactions, self.nodes, *(column[mask] for column in columns))

    def of_kinds(self, kinds: int) -> Graph:
        """Only the edges of these kinds, and those that cost nothing."""
        return self.chosen((self.kind & (kinds | PASS)) != 0)

    def between(self, inside: NDArray[np.bool_]) -> Graph:
        """Only the edges whose ends are both marked."""
        return self.chosen(inside[self.source] & inside[self.target])


@dataclass
class Edges:
    """Collects edges."""

    transactions: int
    nodes: int = -1
    _parts: list[tuple[Ints, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.nodes = max(self.nodes, self.transactions)

    def add(
        self, source: object, target: object, kind: int, key: object = -1, before: object = -1, after: object = -1
    ) -> None:
        """Columns, or one value for all."""
        columns = np.broadcast_arrays(
            *(np.atleast_1d(ints(each)) for each in (source, target, kind, key, before, after))
        )
        self._parts.append(tuple(columns))

    def cross(self, reader_key: Ints, readers: Ints, saw: Ints, writer_key: Ints, writers: Ints, wrote: Ints) -> None:
        """An anti-dependency from each reader of a key to each writer of it, itself excepted; in linear space.

        ``saw`` is the value each reader read, ``wrote`` what each writer wrote; the writers are sorted by key.
        """
        keys, first, counts = np.unique(writer_key, return_index=True, return_counts=True)
        if not len(keys) or not len(readers):
            return
        order = np.lexsort((readers, reader_key))
        reader_key, readers, saw = reader_key[order], readers[order], saw[order]
        once = np.ones(len(readers), bool)
        once[1:] = (readers[1:] != readers[:-1]) | (reader_key[1:] != reader_key[:-1])
        reader_key, readers, saw = reader_key[once], readers[once], saw[once]
        place = np.minimum(np.searchsorted(keys, reader_key), len(keys) - 1)
        has = keys[place] == reader_key
        reader_key, readers, saw, place = reader_key[has], readers[has], saw[has], place[has]
        many = np.bincount(place, minlength=len(keys)) * counts > DIRECT
        few = ~many[place]
        times = counts[place[few]]
        before = np.cumsum(times) - times
        which = np.repeat(first[place[few]] - before, times) + np.arange(int(times.sum()))
        self.add(
            np.repeat(readers[few], times),
            writers[which],
            RW,
            np.repeat(reader_key[few], times),
            np.repeat(saw[few], times),
            wrote[which],
        )
        for index in np.flatnonzero(many).tolist():
            chosen = place == index
            span = slice(int(first[index]), int(first[index] + counts[index]))
            self._hub(readers[chosen], writers[span], int(keys[index]), saw[chosen], wrote[span])

    def _hub(self, readers: Ints, writers: Ints, key: int, saw: Ints, wrote: Ints) -> None:
        """The same through nodes between.

        Prefix nodes P_i -> writer i and P_(i-1); suffix nodes S_i -> writer i and S_(i+1). A reader that is itself
        writer i points to P_(i-1) and S_(i+1), another one to the last P.
        """
        count = len(writers)
        prefix = np.arange(count) + self.nodes
        suffix = prefix + count
        self.nodes += 2 * count
        for hub in (prefix, suffix):
            self.add(hub, writers, PASS, key, -1, wrote)
        self.add(prefix[1:], prefix[:-1], PASS)
        self.add(suffix[:-1], suffix[1:], PASS)
        place = {writer: index for index, writer in enumerate(writers.tolist())}
        own = ints([place.get(reader, -1) for reader in readers.tolist()])
        for chosen, target in (
            (own < 0, np.full(len(own), prefix[-1])),
            (own > 0, prefix[np.maximum(own - 1, 0)]),
            ((own >= 0) & (own < count - 1), suffix[np.minimum(own + 1, count - 1)]),
        ):
            self.add(readers[chosen], target[chosen], RW, key, saw[chosen])

    def processes(self, transactions: Transactions, present: NDArray[np.bool_]) -> None:
        """What a process did, in its order. ``present``: the transactions that took place."""
        rows = np.flatnonzero(present)
        rows = rows[np.lexsort((rows, ints(transactions.invoked)[rows], ints(transactions.process)[rows]))]
        same = ints(transactions.process)[rows][1:] == ints(transactions.process)[rows][:-1]
        self.add(rows[:-1][same], rows[1:][same], PROCESS)

    def realtime(self, transactions: Transactions, present: NDArray[np.bool_]) -> None:
        """Whatever completed before another was invoked; equal times are concurrent."""
        invoked, completed = ints(transactions.invoked), ints(transactions.completed)
        ended = np.flatnonzero(present & (ints(transactions.outcome) != INFO) & (completed < NEVER))
        if not len(ended):
            return
        ended = ended[np.argsort(completed[ended], kind="stable")]
        clock = np.arange(len(ended)) + self.nodes
        self.nodes += len(ended)
        self.add(ended, clock, REALTIME)
        self.add(clock[:-1], clock[1:], PASS)
        rows = np.flatnonzero(present)
        rank = np.searchsorted(completed[ended], invoked[rows], side="left") - 1
        self.add(clock[rank[rank >= 0]], rows[rank >= 0], PASS)

    def build(self) -> Graph:
        """Each edge once; no edge from a transaction to itself; no anti-dependency where a dependency says more."""
        if not self._parts:
            return Graph(self.transactions, self.nodes, *(np.empty(0, np.int64) for _ in range(6)))
        source, target, kind, key, before, after = (
            np.concatenate([part[column] for part in self._parts]) for column in range(6)
        )
        pair = source * self.nodes + target
        keep = source != target
        depends = np.unique(pair[(kind & (WW | WR)) != 0])
        anti = kind == RW
        if len(depends) and anti.any():
            place = np.minimum(np.searchsorted(depends, pair[anti]), len(depends) - 1)
            keep[np.flatnonzero(anti)[depends[place] == pair[anti]]] = False
        keep = np.flatnonzero(keep)
        keep = keep[np.unique(pair[keep] * 64 + kind[keep], return_index=True)[1]]
        columns = (each[keep] for each in (source, target, kind, key, before, after))
        return Graph(self.transactions, self.nodes, *columns)


def components(nodes: int, source: Ints, target: Ints) -> list[list[int]]:
    """The strongly connected components of more than one node, smallest first.

    Nodes without an edge in or out are on no cycle: peeling them off first leaves little or nothing of a history
    without anomalies, and is done on whole columns.
    """
    for _ in range(4):
        if not len(source):
            return []
        enters, leaves = np.zeros(nodes, bool), np.zeros(nodes, bool)
        enters[target] = True
        leaves[source] = True
        keep = enters[source] & leaves[target]
        if keep.all():
            break
        source, target = source[keep], target[keep]
    there = np.zeros(nodes, bool)
    there[source] = there[target] = True
    names = np.flatnonzero(there)
    packed = np.cumsum(there) - 1
    graph = rustworkx.PyDiGraph(multigraph=True)
    graph.add_nodes_from(range(len(names)))
    graph.add_edges_from_no_data(list(zip(packed[source].tolist(), packed[target].tolist(), strict=True)))
    if rustworkx.is_directed_acyclic_graph(graph):
        return []
    found = [part for part in rustworkx.strongly_connected_components(graph) if len(part) > 1]
    return sorted((names[part].tolist() for part in found), key=len)


def on_cycles(graph: Graph) -> tuple[NDArray[np.int64], list[list[int]]]:
    """(number of its component for each node, -1 for none; the components)."""
    parts = components(graph.nodes, graph.source, graph.target)
    label = np.full(graph.nodes, -1, np.int64)
    for index, part in enumerate(parts):
        label[part] = index
    return label, parts


def without_adjacent(graph: Graph) -> Graph:
    """Twice the nodes, whose cycles are the closed walks of ``graph`` without two anti-dependencies in a row.

    Node ``v`` was entered by a dependency, ``nodes + v`` by an anti-dependency. Edges that cost nothing keep the state.
    """
    n = graph.nodes
    anti, free = graph.kind == RW, graph.kind == PASS
    normal = ~anti & ~free
    source = np.concatenate(
        (graph.source[normal], graph.source[normal] + n, graph.source[anti], graph.source[free], graph.source[free] + n)
    )
    target = np.concatenate(
        (graph.target[normal], graph.target[normal], graph.target[anti] + n, graph.target[free], graph.target[free] + n)
    )
    blank = np.full(len(source), -1, np.int64)
    return Graph(graph.transactions, 2 * n, source, target, blank, blank, blank, blank)
