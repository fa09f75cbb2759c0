"""A serial order of transactions on registers, by simulation: quick, and a proof where it succeeds.

Searching an order of versions (:mod:`.orders`) needs reachability between all transactions; a history of a database
that works has a serial order close to the order of its times. So: run the transactions again, one at a time, each once
all that is certain to precede it has run; let it overwrite a version only when nobody is left who has to read that; of
those that can run, take the one that ended first. If all get to run, every read saw the version that was current, which
is what serializability asks for, whatever the choices rested on. If not, it is learned which versions should have come
first, and they are run again; if that does not help, nothing is known.

Two kinds of certain orders are added first, because a wrong choice between blind writers is what blocks most: whoever
read version u of a key, and also something that w wrote, or began after w had ended, where w wrote that key too, shows
that w's version came before u's (else the read would have missed it).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from heapq import heapify, heappop, heappush
from time import monotonic

import numpy as np

from ...history.history import OK
from ...history.transactions import Transactions
from .graph import REALTIME, Graph

_INITIAL = -1
_LATE = 1 << 62
_PASSES = 40
_FAR = 2000
"""Transactions looked at for why one waits."""


def serial_order(
    t: Transactions,
    graph: Graph,
    unordered: dict[int, list[int]],
    readers: dict[tuple[int, int], list[int]],
    deadline: float,
) -> list[int] | None:
    """An order of the transactions that explains every read, or None if none was found.

    Args:
        t: the history.
        graph: what is certain.
        unordered: the writers of each key that has several.
        readers: who read the version that (writer, key) left; writer -1: the initial version.
        deadline: monotonic seconds.
    """
    written: dict[int, list[int]] = defaultdict(list)
    for key, writers in unordered.items():
        for writer in writers:
            written[writer].append(key)
    hints = _hints(t, graph, unordered, readers, written)
    for _ in range(_PASSES):
        run = _Run(t, graph, hints, unordered, readers, written)
        if not run.all(deadline):
            return None
        more = run.learned - hints
        if not run.learned:
            return run.order
        if not more or monotonic() > deadline:
            return None
        hints |= more
    return None


class _Run:
    """The transactions, run again once. Where nothing can run any more, one that waits for the readers of a version is
    let through, and it is learned that its own version should have come first."""

    def __init__(
        self,
        t: Transactions,
        graph: Graph,
        hints: set[tuple[int, int]],
        unordered: dict[int, list[int]],
        readers: dict[tuple[int, int], list[int]],
        written: dict[int, list[int]],
    ) -> None:
        more = np.asarray(sorted(hints), np.int64).reshape(-1, 2)
        source = np.concatenate((graph.source, more[:, 0]))
        target = np.concatenate((graph.target, more[:, 1]))
        self.left: list[int] = np.bincount(target, minlength=graph.nodes).tolist()
        by_source = np.argsort(source, kind="stable")
        self.targets: list[int] = target[by_source].tolist()
        self.first: list[int] = np.searchsorted(source[by_source], np.arange(graph.nodes + 1)).tolist()
        by_target = np.argsort(target, kind="stable")
        self.sources: list[int] = source[by_target].tolist()
        self.into: list[int] = np.searchsorted(target[by_target], np.arange(graph.nodes + 1)).tolist()
        self.count, self.nodes = graph.transactions, graph.nodes
        self.when: list[int] = [-1] * graph.nodes
        self.when[: self.count] = np.where(t.outcome == OK, t.completed, t.invoked).tolist()
        self.invoked: list[int] = t.invoked.tolist()
        self.readers, self.written = readers, written
        self.current = dict.fromkeys(unordered, _INITIAL)
        self.pending = {key: set(readers.get((_INITIAL, key), ())) for key in unordered}
        self.blocked: dict[int, list[int]] = defaultdict(list)
        self.reads: dict[int, list[tuple[int, int]]] = defaultdict(list)  # transaction -> (writer, key)
        for (writer, key), some in readers.items():
            if key in self.current:
                for reader in some:
                    self.reads[reader].append((writer, key))
        self.heap = [(self.when[node], node) for node in range(graph.nodes) if not self.left[node]]
        heapify(self.heap)
        self.done = bytearray(graph.nodes)
        self.order: list[int] = []
        self.learned: set[tuple[int, int]] = set()

    def all(self, deadline: float) -> bool:
        """Runs them; whether it got to the end."""
        ran = 0
        while ran < self.nodes:
            if not self.heap and not self._let_through():
                return False
            _, node = heappop(self.heap)
            if node < self.count and not self._run(node):
                continue
            self.done[node] = 1
            ran += 1
            if not ran & 4095 and monotonic() > deadline:
                return False
            for each in self.targets[self.first[node] : self.first[node + 1]]:
                self.left[each] -= 1
                if not self.left[each]:
                    heappush(self.heap, (self.when[each], each))
        return True

    def _run(self, node: int) -> bool:
        for key in self.written.get(node, ()):
            if self.pending[key] - {node}:
                self.blocked[key].append(node)
                return False
        self.order.append(node)
        for writer, key in self.reads.get(node, ()):
            if self.current[key] != writer:
                self.learned.add((writer, node))  # overwritten when one was let through
            self.pending[key].discard(node)
            if len(self.pending[key]) <= 1:
                self._wake(key)
        for key in self.written.get(node, ()):
            self.current[key] = node
            self.pending[key] = set(self.readers.get((node, key), ())) - {node}
            self._wake(key)
        return True

    def _wake(self, key: int) -> None:
        for each in self.blocked.pop(key, ()):
            heappush(self.heap, (self.when[each], each))

    def _let_through(self) -> bool:
        """Learns from what blocks; prefers a writer that what it waits for waits for in turn."""
        waits = {node: key for key, nodes in self.blocked.items() for node in nodes}
        best: tuple[bool, int, int] | None = None
        for node, key in waits.items():
            if self.current[key] == _INITIAL:
                continue  # nothing comes before the initial version
            seen = {each for each in self.pending[key] if not self.done[each]} - {node}
            stack = list(seen)
            while stack and node not in seen and len(seen) < _FAR:
                each = stack.pop()
                behind = [one for one in self.sources[self.into[each] : self.into[each + 1]] if not self.done[one]]
                for one in behind:
                    if one not in seen:
                        seen.add(one)
                        stack.append(one)
            candidate = (node not in seen, self.invoked[node], node)
            if best is None or candidate < best:
                best = candidate
        if best is None:
            return False
        node = best[2]
        key = waits[node]
        self.learned.add((node, self.current[key]))
        self.pending[key] = set()
        self._wake(key)
        return True


def _hints(
    t: Transactions,
    graph: Graph,
    unordered: dict[int, list[int]],
    readers: dict[tuple[int, int], list[int]],
    written: dict[int, list[int]],
) -> set[tuple[int, int]]:
    """(w, u): w's version of some key came before u's."""
    found: set[tuple[int, int]] = set()
    saw: dict[int, dict[int, int]] = defaultdict(dict)  # transaction -> key -> writer
    for (writer, key), some in readers.items():
        if writer != _INITIAL:
            for reader in some:
                saw[reader][key] = writer
    for reader, versions in saw.items():
        sources = set(versions.values()) - {reader}
        for key, u in versions.items():
            if key in unordered:
                found.update((w, u) for w in sources if w != u and key in written.get(w, ()))
    if bool((graph.kind == REALTIME).any()):
        invoked, completed = t.invoked.tolist(), np.where(t.outcome == OK, t.completed, _LATE).tolist()
        for key, writers in unordered.items():
            by_end = sorted(writers, key=completed.__getitem__)
            ends = [completed[row] for row in by_end]
            for u in writers:
                began = max((invoked[reader] for reader in readers.get((u, key), ())), default=-1)
                for place in range(bisect_left(ends, invoked[u]), bisect_left(ends, began)):
                    if by_end[place] != u:
                        found.add((by_end[place], u))
    return found
