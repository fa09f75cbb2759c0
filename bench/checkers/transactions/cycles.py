"""Cycles of the dependency graph: which levels they rule out, exactly, and a shortest cycle for each anomaly.

**Levels.** With D the dependencies (ww, wr; plus the order of processes, or real time, in the stronger forms) and rw
the anti-dependencies, a level is violated iff there is a cycle of ww (read uncommitted), D (read committed), D with
exactly one rw (consistent view, parallel snapshot isolation), D with rws no two of which are adjacent (snapshot
isolation: ``D ; rw?`` must be acyclic), or anything (serializable). Adya (1999) sections 3.1 to 4.3; Cerone and
Gotsman (2016) theorems 9 and 21. All but the third are strongly connected components, of the graph or of its product
with "was the last edge an rw"; the third is reachability in D from the head of an rw to its tail, by bitsets over D in
reverse topological order.

**Evidence.** For each anomaly the shortest cycle found by breadth-first search from the edges that it must contain; in
a huge component from a sample of them, so that "shortest" is then "shortest found".

"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

import numpy as np

from .graph import DATA, PASS, PROCESS, REALTIME, RW, WR, WW, Graph, Ints, components, on_cycles, without_adjacent

SAMPLE = 64
"""Edges from which a shortest cycle is looked for."""
VARIANTS = (("", 0), ("-process", PROCESS), ("-realtime", PROCESS | REALTIME))


@dataclass(frozen=True)
class Cycle:
    """A cycle of edges: ``edges[i]`` leads from ``rows[i]`` to ``rows[i + 1]``, the last to the first.

    Attributes:
        anomaly: its name, by the edges it has.
        rows: the transactions.
        edges: (kind, key, before, after) of each step.
    """

    anomaly: str
    rows: tuple[int, ...]
    edges: tuple[tuple[int, int, int, int], ...]


def classify(kinds: list[int]) -> str:
    """The name of the anomaly that a cycle of these edges is."""
    suffix = "-realtime" if REALTIME in kinds else "-process" if PROCESS in kinds else ""
    rw = kinds.count(RW)
    adjacent = any(one == RW == two for one, two in zip(kinds, [*kinds[1:], kinds[0]], strict=True))
    if rw == 1:
        return f"G-single{suffix}"
    if rw:
        return f"{'G2-item' if adjacent else 'G-nonadjacent'}{suffix}"
    return f"{'G1c' if WR in kinds else 'G0'}{suffix}"


class Late(Exception):
    """Out of time."""


class Cycles:
    """All questions about the cycles of one graph. Looks only at what lies on a cycle of all its edges."""

    def __init__(self, graph: Graph, deadline: float) -> None:
        self.deadline = deadline
        label, self.parts = on_cycles(graph)
        keep = (label[graph.source] >= 0) & (label[graph.source] == label[graph.target])
        self.graph = graph.chosen(keep)
        self.any = bool(self.parts)
        if self.any:
            self._rename()

    def _rename(self) -> None:
        """Numbers the nodes on cycles anew, transactions first, so that what follows is as large as the components."""
        graph = self.graph
        names = np.unique(np.concatenate((graph.source, graph.target)))
        self.names = names
        count = int((names < graph.transactions).sum())
        self.graph = Graph(
            count,
            len(names),
            np.searchsorted(names, graph.source),
            np.searchsorted(names, graph.target),
            graph.kind,
            graph.key,
            graph.before,
            graph.after,
        )

    # Levels.

    def violated(self, realtime: bool) -> set[str]:
        """The weakest levels that the cycles rule out; also their stronger ones where that costs nothing.

        Raises:
            Late: past the deadline.
        """
        found: set[str] = set()
        if not self.any:
            return found
        base = ("read-uncommitted", "read-committed", "snapshot-isolation", "serializable")
        names = (
            base,
            tuple(f"strong-session-{each}" for each in base),
            ("strong-read-uncommitted", "strong-read-committed", "strong-snapshot-isolation", "strict-serializable"),
        )
        for (_, extra), (uncommitted, committed, snapshot, serializable) in zip(VARIANTS, names, strict=True):
            if extra & REALTIME and not realtime:
                continue
            self._in_time()
            if self._cyclic(self.graph.of_kinds(DATA | extra)):
                found.add(serializable)
                if extra == 0:
                    found.add("repeatable-read")
                if self._cyclic(without_adjacent(self.graph.of_kinds(DATA | extra))):
                    found.add(snapshot)
                    if self._cyclic(self.graph.of_kinds(WW | WR | extra)):
                        found.add(committed)
                        if self._cyclic(self.graph.of_kinds(WW | extra)):
                            found.add(uncommitted)
        if "snapshot-isolation" in found and "read-committed" not in found and self.single(0):
            found.update(("consistent-view", "parallel-snapshot-isolation"))
        return found

    @staticmethod
    def _cyclic(graph: Graph) -> bool:
        return bool(components(graph.nodes, graph.source, graph.target))

    def _in_time(self) -> None:
        if monotonic() > self.deadline:
            raise Late

    def single(self, extra: int) -> list[int]:
        """The anti-dependencies (edges, by number) whose head reaches their tail through dependencies."""
        graph = self.graph
        depends = graph.of_kinds(WW | WR | extra)
        tails = graph.kind == RW
        parts = components(depends.nodes, depends.source, depends.target)
        # Components of D first: within one, everything reaches everything. Then bitsets over their DAG.
        part = np.arange(graph.nodes)
        for members in parts:
            part[members] = members[0]
        source, target = part[depends.source], part[depends.target]
        pairs = np.unique(np.stack((source, target))[:, source != target], axis=1)
        following: list[list[int]] = [[] for _ in range(graph.nodes)]
        degree = [0] * graph.nodes
        for one, two in pairs.T.tolist():
            following[two].append(one)  # backwards
            degree[one] += 1
        order = [node for node in range(graph.nodes) if not degree[node]]
        for node in order:
            for each in following[node]:
                degree[each] -= 1
                if not degree[each]:
                    order.append(each)
        ahead: list[list[int]] = [[] for _ in range(graph.nodes)]
        for one, two in pairs.T.tolist():
            ahead[one].append(two)
        # Anti-dependencies may lead through nodes that cost nothing; follow these to transactions first.
        heads = self._heads(np.flatnonzero(tails))
        wanted = sorted({int(part[graph.source[edge]]) for edge in heads})
        found: set[int] = set()
        for first in range(0, len(wanted), 8192):
            self._in_time()
            bit = {node: 1 << place for place, node in enumerate(wanted[first : first + 8192])}
            reach = [0] * graph.nodes
            for number, node in enumerate(order):
                bits = bit.get(node, 0)
                for each in ahead[node]:
                    bits |= reach[each]
                reach[node] = bits
                if not number % 4096:
                    self._in_time()
            for edge, targets in heads.items():
                mine = bit.get(int(part[graph.source[edge]]), 0)
                if mine and any(reach[int(part[each])] & mine for each in targets):
                    found.add(edge)
        return sorted(found)

    def _heads(self, edges: Ints) -> dict[int, list[int]]:
        graph = self.graph
        heads: dict[int, list[int]] = {}
        for edge in edges.tolist():
            if graph.source[edge] >= graph.transactions:
                continue
            target = int(graph.target[edge])
            heads[edge] = [target]
            if target >= graph.transactions:  # of a hub: every writer behind it
                seen, stack = {target}, [target]
                while stack:
                    more = [each for each in self._free(stack.pop()) if each not in seen]
                    seen.update(more)
                    stack.extend(more)
                heads[edge] = [node for node in seen if node < graph.transactions]
        return heads

    def _free(self, node: int) -> list[int]:
        return [self.target[edge] for edge in self.leaving(node) if self.kind[edge] == PASS]

    # Search.

    def leaving(self, node: int) -> list[int]:
        """The edges that leave a node, by number."""
        if not hasattr(self, "_leaving"):
            self.source, self.target = self.graph.source.tolist(), self.graph.target.tolist()
            self.kind = self.graph.kind.tolist()
            self._leaving: list[list[int]] = [[] for _ in range(self.graph.nodes)]
            for edge, source in enumerate(self.source):
                self._leaving[source].append(edge)
        return self._leaving[node]

    def path(
        self,
        start: int,
        goal: int,
        allowed: int,
        limit: int,
        *,
        last_rw: bool = False,
        nonadjacent: bool = False,
        rw_first: bool = False,
        avoid: int = -1,
    ) -> list[int] | None:
        """The fewest edges from start to goal (edges that cost nothing are not counted), fewer than ``limit``.

        Args:
            allowed: kinds of edges.
            last_rw: the edge before was an anti-dependency.
            nonadjacent: no two anti-dependencies in a row, round the goal too (the edge after it is one).
            rw_first: the first edge that counts has to be an anti-dependency.
            avoid: a node not to pass.
        """
        self.leaving(start)
        state = 2 if rw_first else int(last_rw and nonadjacent)
        parent: dict[tuple[int, int], tuple[tuple[int, int], int]] = {}
        distance = {(start, state): 0}
        queue: deque[tuple[tuple[int, int], int]] = deque([((start, state), 0)])
        done: set[tuple[int, int]] = set()
        while queue:
            here, length = queue.popleft()
            if here in done:
                continue
            done.add(here)
            node, state = here
            if node == goal and state != 2 and not (nonadjacent and state == 1) and here in parent:
                edges = []
                while here in parent:
                    here, edge = parent[here]
                    edges.append(edge)
                return edges[::-1]
            if not len(done) & 1023:
                self._in_time()
            for edge in self._leaving[node]:
                kind = self.kind[edge]
                if kind == PASS:
                    following, cost = (self.target[edge], state), 0
                else:
                    if not kind & allowed or length + 1 >= limit:
                        continue
                    if kind == RW:
                        if state == 1:
                            continue
                        following = (self.target[edge], int(nonadjacent))
                    elif state == 2:
                        continue
                    else:
                        following = (self.target[edge], 0)
                    cost = 1
                if following[0] == avoid:
                    continue
                if distance.get(following, 1 << 60) > length + cost:
                    distance[following] = length + cost
                    parent[following] = (here, edge)
                    if cost:
                        queue.append((following, length + 1))
                    else:
                        queue.appendleft((following, length))
        return None

    def cycle(self, edges: list[int]) -> Cycle:
        """That walk, without the nodes that stand for no transaction."""
        graph = self.graph
        rows: list[int] = []
        steps: list[list[int]] = []
        for edge in edges:
            source, kind = int(graph.source[edge]), int(graph.kind[edge])
            if kind != PASS:
                if source < graph.transactions:
                    rows.append(int(self.names[source]))
                steps.append([kind, int(graph.key[edge]), int(graph.before[edge]), int(graph.after[edge])])
            elif int(graph.target[edge]) < graph.transactions and steps and steps[-1][0] == RW:
                steps[-1][3] = int(graph.after[edge])
        kinds = [step[0] for step in steps]
        return Cycle(classify(kinds), tuple(rows), tuple((a, b, c, d) for a, b, c, d in steps))

    def find(self, by: int, until: float) -> dict[str, Cycle]:
        """A cycle for each kind of anomaly there is, with edges of the kinds ``by`` (process, real time) besides data.

        Past ``until``, what was found by then.
        """
        found: dict[str, Cycle] = {}
        if not self.any:
            return found
        whole, self.deadline = self.deadline, min(self.deadline, until)
        searches: tuple[tuple[str, Callable[[int], Iterator[tuple[list[int], int]]]], ...] = (
            ("G0", self._g0),
            ("G1c", self._g1c),
            ("G-single", self._g_single),
            ("G-nonadjacent", self._g_nonadjacent),
            ("G2-item", self._g2),
        )
        began = monotonic()
        left = len(searches) * len(VARIANTS)
        for suffix, extra in VARIANTS:
            for name, search in searches:
                share = max(0.05, (until - began) / 3) if name == "G2-item" else (until - monotonic()) / max(left, 1)
                left -= 1
                if extra & ~by or any(
                    f"{name}{lesser}" in found
                    for lesser, kinds in VARIANTS
                    if kinds & extra == kinds and kinds != extra
                ):
                    continue
                if name == "G-nonadjacent" and any(f"G-single{each}" in found for each, _ in VARIANTS):
                    continue
                self.deadline = min(whole, monotonic() + share)
                with suppress(Late):
                    self._shortest(search, extra, found, f"{name}{suffix}")
        self.deadline = whole
        return found

    def _shortest(
        self, search: Callable[[int], Iterator[tuple[list[int], int]]], extra: int, found: dict[str, Cycle], wanted: str
    ) -> None:
        limit = [1 << 30]
        self._limit = limit
        for edges, _ in search(extra):
            cycle = self.cycle(edges)
            old = found.get(cycle.anomaly)
            if old is None or len(cycle.rows) < len(old.rows):
                found[cycle.anomaly] = cycle
            if cycle.anomaly == wanted:
                limit[0] = min(limit[0], len(cycle.rows))
                if limit[0] <= 2:
                    return

    def _sample(self, edges: Ints) -> list[int]:
        if len(edges) > SAMPLE:
            edges = edges[np.linspace(0, len(edges) - 1, SAMPLE).astype(np.int64)]
        return [int(edge) for edge in edges]

    def _inside(self, kinds: int, wanted: int) -> Ints:
        """Edges of the kinds wanted that lie on a cycle of the kinds given."""
        label, parts = on_cycles(self.graph.of_kinds(kinds))
        if not parts:
            return np.empty(0, np.int64)
        source, target = label[self.graph.source], label[self.graph.target]
        # The smallest components first: their cycles are short.
        edges = np.flatnonzero((self.graph.kind == wanted) & (source >= 0) & (source == target))
        return edges[np.argsort(source[edges], kind="stable")]

    def _round(self, edges: list[int], allowed: int) -> Iterator[tuple[list[int], int]]:
        for edge in edges:
            self.leaving(0)
            path = self.path(self.target[edge], self.source[edge], allowed, self._limit[0])
            if path is not None:
                yield [edge, *path], edge

    def _g0(self, extra: int) -> Iterator[tuple[list[int], int]]:
        yield from self._round(self._sample(self._inside(WW | extra, WW)), WW | extra)

    def _g1c(self, extra: int) -> Iterator[tuple[list[int], int]]:
        yield from self._round(self._sample(self._inside(WW | WR | extra, WR)), WW | WR | extra)

    def _g_single(self, extra: int) -> Iterator[tuple[list[int], int]]:
        yield from self._round(self._sample(np.asarray(self.single(extra), np.int64)), WW | WR | extra)

    def _g_nonadjacent(self, extra: int) -> Iterator[tuple[list[int], int]]:
        graph = without_adjacent(self.graph.of_kinds(DATA | extra))
        label, parts = on_cycles(graph)
        if not parts:
            return
        n = self.graph.nodes
        source, target = label[self.graph.source], label[self.graph.target + n]
        self.leaving(0)
        for edge in self._sample(np.flatnonzero((self.graph.kind == RW) & (source >= 0) & (source == target))):
            path = self.path(
                self.target[edge], self.source[edge], DATA | extra, self._limit[0], last_rw=True, nonadjacent=True
            )
            if path is not None:
                yield [edge, *path], edge

    def _g2(self, extra: int) -> Iterator[tuple[list[int], int]]:
        edges = self._inside(DATA | extra, RW)
        self.leaving(0)
        rw = set(edges.tolist())
        # An anti-dependency whose head has another one: round from there.
        for edge in self._sample(
            np.asarray([e for e in edges.tolist() if self._continues(self.target[e], rw)], np.int64)
        ):
            path = self.path(self.target[edge], self.source[edge], DATA | extra, self._limit[0], rw_first=True)
            if path is not None:
                yield [edge, *path], edge

    def _continues(self, node: int, rw: set[int]) -> bool:
        if node >= self.graph.transactions:
            return True
        return any(edge in rw for edge in self._leaving[node])
