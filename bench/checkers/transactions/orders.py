"""Whether versions whose order is unknown can be put in an order that a level allows.

After PolySI (Huang et al., "Efficient Black-box Checking of Snapshot Isolation in Databases", VLDB 2023, sections 3 and
4) and Cobra (Tan et al., OSDI 2020): each two writers u, v of one key are a choice between *u first* (u -ww-> v, and
whoever read u's version -rw-> v) and *v first*. A history satisfies the level iff some choice for every pair closes no
forbidden cycle (Cerone and Gotsman 2016, theorems 9 and 21; Adya 1999, section 3.1). A choice that closes a cycle with
what is certain is impossible, so the other is certain too; this is repeated until nothing changes, and usually leaves
nothing. What it leaves is searched, with backtracking; no choice is ever dropped without a cycle, so both answers are
exact.

Pairs are independent choices here, though only total orders matter: a circle of choices on one key is a circle of ww
and forbidden at every level, so only transitive choices survive.

**Forbidden cycles** as reachability, kept as bitsets closed under each new edge:

- serializable: any cycle. Node x is bit x.
- snapshot isolation: no two rw in a row. Bit x: reached by a dependency; bit n + x: by an anti-dependency, from where
  only dependencies lead on.
- parallel snapshot isolation: exactly one rw, or none. Only dependencies are followed; an rw a -> b forbids b to
  reach a.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal

from .graph import PASS, PROCESS, REALTIME, RW, WW, Graph

SERIALIZABLE, SNAPSHOT, PARALLEL = "serializable", "snapshot", "parallel"
Mode = Literal["serializable", "snapshot", "parallel"]

MAX_NODES = 12_000
"""Above this many nodes the bitsets would outgrow memory and time; the answer is unknown."""
MAX_PAIRS = 1_500_000

Edge = tuple[int, int, int, int]  # source, target, kind, key


@dataclass
class Answer:
    """Whether there is an order.

    Attributes:
        word: satisfied, violated or unknown.
        why: for people, where it is not satisfied.
        rows: transactions that show a violation.
        order: the choices, where satisfied: (key, first, second).
        stuck: (key, one, two) of which neither may be first, if one pair shows it.
        circles: what leads from two to one, or to a reader of it, and the other way round.
        forced: the choices that these rest on: (key, first, second).
    """

    word: Literal["satisfied", "violated", "unknown"]
    why: str = ""
    rows: tuple[int, ...] = ()
    order: list[tuple[int, int, int]] = field(default_factory=list)
    stuck: tuple[int, int, int] | None = None
    circles: tuple[list[Edge], ...] = ()
    forced: list[tuple[int, int, int]] = field(default_factory=list)


class _Late(Exception):
    pass


def decide(
    graph: Graph,
    unordered: dict[int, list[int]],
    readers: dict[tuple[int, int], list[int]],
    mode: Mode,
    deadline: float,
    times: Sequence[int] = (),
) -> Answer:
    """Whether some order of the unordered versions leaves no cycle that ``mode`` forbids.

    Args:
        graph: what is certain, restricted to the kinds of edges that count.
        unordered: writers of each key whose versions are to be put in order.
        readers: who read the version that (writer, key) left.
        mode: which cycles are forbidden.
        deadline: monotonic seconds.
        times: when each transaction probably took place; what is tried first. Decides nothing.
    """
    pairs = sum(len(each) * (len(each) - 1) // 2 for each in unordered.values())
    if graph.nodes > MAX_NODES or pairs > MAX_PAIRS:
        return Answer("unknown", f"{pairs} pairs of versions of {graph.transactions} transactions have no known order")
    try:
        return _Solver(graph, unordered, readers, mode, deadline, times).solve()
    except _Late:
        return Answer("unknown", f"out of time on {pairs} pairs of versions whose order is not known")


class _Solver:
    def __init__(
        self,
        graph: Graph,
        unordered: dict[int, list[int]],
        readers: dict[tuple[int, int], list[int]],
        mode: Mode,
        deadline: float,
        times: Sequence[int] = (),
    ) -> None:
        self.mode, self.deadline = mode, deadline
        self.n = graph.nodes
        size = 2 * self.n if mode == SNAPSHOT else self.n
        self.reach = [0] * size
        self.reached_by = [0] * size
        self.forbidden = [0] * self.n  # parallel: who must not be reached
        self.log: list[Edge] = []
        self.readers = readers
        self.mask: dict[tuple[int, int], int] = {}
        self.pairs: list[tuple[int, int, int]] = []
        for key, writers in unordered.items():
            if times:
                writers = sorted(writers, key=times.__getitem__)
            for place, one in enumerate(writers):
                mask = 0
                for reader in readers.get((one, key), ()):
                    mask |= 1 << reader
                self.mask[one, key] = mask
                self.pairs += [(key, one, two) for two in writers[place + 1 :]]
        self.chosen: list[tuple[int, int, int]] = []
        self.forced_at: dict[tuple[int, int, int], int] = {}
        self.stuck: tuple[int, int, int] | None = None
        self.start = list(
            zip(graph.source.tolist(), graph.target.tolist(), graph.kind.tolist(), graph.key.tolist(), strict=True)
        )

    # Reachability.

    def _link(self, a: int, b: int) -> bool:
        """One more arrow between bits; False if it closes a cycle."""
        reach, reached_by = self.reach, self.reached_by
        if reach[a] >> b & 1:
            return True
        if a == b or reach[b] >> a & 1:
            return False
        below = reach[b] | 1 << b
        above = reached_by[a] | 1 << a
        forbidden = self.forbidden if self.mode == PARALLEL else None
        for x in _bits(above & ~reached_by[b]):
            reach[x] |= below
            if forbidden is not None and reach[x] & forbidden[x]:
                return False
        for y in _bits(below):
            reached_by[y] |= above
        return True

    def add(self, edge: Edge) -> bool:
        """One more dependency; False if it closes a forbidden cycle."""
        source, target, kind, _ = edge
        self.log.append(edge)
        n = self.n
        if self.mode == SERIALIZABLE:
            return self._link(source, target)
        if self.mode == SNAPSHOT:
            if kind == RW:
                return self._link(source, target + n)
            if kind == PASS:
                return self._link(source, target) and self._link(source + n, target + n)
            return self._link(source, target) and self._link(source + n, target)
        if kind == RW:
            self.forbidden[target] |= 1 << source
            return not self.reach[target] >> source & 1
        return self._link(source, target)

    def possible(self, key: int, one: int, two: int) -> bool:
        """Whether the version of ``one`` may come before that of ``two``, by what is certain now."""
        reach, readers = self.reach, self.mask[one, key] & ~(1 << two)
        if self.mode == SERIALIZABLE:
            return not reach[two] & (1 << one | readers)
        if self.mode == SNAPSHOT:
            return not reach[two] & (1 << one | 1 << (one + self.n)) and not reach[two + self.n] & readers
        return not reach[two] & (1 << one | readers)

    def settle(self, key: int, one: int, two: int) -> bool:
        """``one`` before ``two``."""
        self.chosen.append((key, one, two))
        if not self.add((one, two, WW, key)):
            return False
        return all(self.add((reader, two, RW, key)) for reader in self.readers.get((one, key), ()) if reader != two)

    # Search.

    def solve(self) -> Answer:
        """The answer.

        Raises:
            _Late: past the deadline.
        """
        for number, edge in enumerate(self.start):
            if not number & 255 and monotonic() > self.deadline:
                raise _Late
            if not self.add(edge):
                return Answer("violated", "what is certain is already circular")
        left = self.saturate(self.pairs)
        if left is None:
            return self._explained()
        saved = self._save()
        if self.straight(left):
            return Answer("satisfied", order=self.chosen)
        self._restore(saved)
        stack: list[tuple[list[tuple[int, int, int]], tuple[int, int, int], tuple[object, ...]]] = []
        tried = 0
        while True:
            if left is None:
                if not stack:
                    return Answer("violated", f"no order of the versions is allowed ({tried} were tried)")
                left, (key, one, two), saved = stack.pop()
                self._restore(saved)
                left = self.saturate(left) if self.settle(key, two, one) else None
                continue
            if not left:
                return Answer("satisfied", order=self.chosen)
            tried += 1
            key, one, two = left[0]
            rest = left[1:]
            stack.append((rest, left[0], self._save()))
            left = self.saturate(rest) if self.settle(key, one, two) else None

    def straight(self, pairs: list[tuple[int, int, int]]) -> bool:
        """Settles all pairs as they come, wherever both choices are possible; whether that worked out.

        Without looking at all other pairs after each choice, as the search does: this is what large histories need.
        """
        for number, (key, one, two) in enumerate(pairs):
            if not number & 255 and monotonic() > self.deadline:
                raise _Late
            first, second = (one, two) if self.possible(key, one, two) else (two, one)
            if not self.settle(key, first, second):
                return False
        return True

    def saturate(self, pairs: list[tuple[int, int, int]]) -> list[tuple[int, int, int]] | None:
        """Settles what only one choice is left for, until nothing changes; None if a pair has no choice."""
        while True:
            left = []
            for number, pair in enumerate(pairs):
                if not number & 1023 and monotonic() > self.deadline:
                    raise _Late
                key, one, two = pair
                forwards, backwards = self.possible(key, one, two), self.possible(key, two, one)
                if forwards and backwards:
                    left.append(pair)
                    continue
                if not forwards and not backwards:
                    self.stuck = pair
                    return None
                first, second = (one, two) if forwards else (two, one)
                self.forced_at[key, first, second] = len(self.log)
                if not self.settle(key, first, second):
                    self.stuck = pair
                    return None
            if len(left) == len(pairs):
                return left
            pairs = left

    def _save(self) -> tuple[object, ...]:
        return (self.reach[:], self.reached_by[:], self.forbidden[:], len(self.log), len(self.chosen))

    def _restore(self, saved: tuple[object, ...]) -> None:
        reach, reached_by, forbidden, logged, chosen = saved
        assert isinstance(reach, list) and isinstance(reached_by, list) and isinstance(forbidden, list)
        assert isinstance(logged, int) and isinstance(chosen, int)
        self.reach, self.reached_by, self.forbidden = reach, reached_by, forbidden
        del self.log[logged:], self.chosen[chosen:]

    # Evidence.

    def _explained(self) -> Answer:
        """Why a pair has no choice left: the transactions on the cycles that exclude either, and, of the choices that
        these rest on, again."""
        assert self.stuck is not None
        key, one, two = self.stuck
        rows: set[int] = set()
        forced: list[tuple[int, int, int]] = []
        waiting = [(key, one, two, len(self.log)), (key, two, one, len(self.log))]
        done: set[tuple[int, int, int]] = set()
        circles: list[list[Edge]] = []
        while waiting:
            k, first, second, when = waiting.pop(0)
            if (k, first, second) in done:
                continue
            done.add((k, first, second))
            rows.update((first, second))
            circle = self._circle(k, first, second, when)
            if len(circles) < 2:
                circles.append([self.log[place] for place in circle])
            for place in circle:
                source, target, kind, _ = self.log[place]
                rows.update((source, target))
                if kind in (WW, RW) and place >= len(self.start):
                    settled = self._choice(place)
                    if settled is not None and settled not in forced:
                        forced.append(settled)
                        waiting.append((settled[0], settled[2], settled[1], self.forced_at.get(settled, place)))
        return Answer("violated", "", tuple(sorted(rows)), stuck=self.stuck, circles=tuple(circles), forced=forced)

    def _choice(self, place: int) -> tuple[int, int, int] | None:
        """The choice that added that edge."""
        _, target, _, key = self.log[place]
        for back in range(place, len(self.start) - 1, -1):
            source, to, kind, on = self.log[back]
            if kind == WW and to == target and on == key:
                return (key, source, to)
        return None

    def _circle(self, key: int, one: int, two: int, when: int) -> list[int]:
        """Edges (by number, before ``when``) by which ``one`` before ``two`` would be circular: from two to one or to a
        reader of it."""
        goals = set(self.readers.get((one, key), ())) - {two}
        ahead: dict[int, list[int]] = {}
        for place, (source, _, _, _) in enumerate(self.log[:when]):
            ahead.setdefault(source, []).append(place)
        # Breadth first; for snapshot isolation the state says whether the last edge was an rw.
        for begin, targets in (((two, 0), {one}), ((two, 1), goals)):
            parent: dict[tuple[int, int], tuple[tuple[int, int], int] | None] = {begin: None}
            queue = deque([begin])
            while queue:
                node, state = here = queue.popleft()
                if node in targets and parent[here] is not None and not (state == 1 and node in goals and node != one):
                    path = []
                    step = parent[here]
                    while step is not None:
                        path.append(step[1])
                        step = parent[step[0]]
                    return path[::-1]
                for place in ahead.get(node, ()):
                    _, target, kind, _ = self.log[place]
                    if (self.mode == PARALLEL and kind == RW) or (self.mode == SNAPSHOT and kind == RW and state == 1):
                        continue
                    following = (target, state if kind == PASS else int(kind == RW and self.mode == SNAPSHOT))
                    if following not in parent:
                        parent[following] = (here, place)
                        queue.append(following)
        return []


def _bits(mask: int) -> list[int]:
    """The places of the ones."""
    places = []
    base = 0
    while mask:
        low = mask & 0xFFFFFFFFFFFFFFFF
        while low:
            bit = low & -low
            places.append(base + bit.bit_length() - 1)
            low ^= bit
        mask >>= 64
        base += 64
    return places


__all__ = ["PROCESS", "REALTIME", "Answer", "decide"]
