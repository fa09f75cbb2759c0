"""The search for one order of all transactions that explains every read, within an order that it must contain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from time import monotonic

import numpy as np

from .deciding import VALID, Found
from .order import Order, OutOfTime
from .sessions import Ints, Sessions
from .staleness import search

STATES = 2_000_000
"""States remembered before the search gives up."""


def at_once(s: Sessions) -> Ints:
    """When each write took effect if reads may be stale: by its first end, or when it had just begun.

    So it is in a store that puts all writes in one order and answers reads from what some replica has got of it.
    """
    points = np.full(len(s), np.iinfo(np.int64).max)
    np.minimum.at(points, s.write, np.where(s.answered[s.write], s.completed[s.write], s.invoked[s.write]))
    return points


def as_seen(s: Sessions) -> Ints:
    """When each write took effect if no read was stale.

    If the history is linearizable, then the order of these points is a linearization (Gibbons and Korach 1997,
    theorem 4.4): of the operations on a version let f be the first end and b the last beginning. If f < b, then it was
    there from f to b. Otherwise all of them overlap in [b, f], and b will do; if another version was there then, the
    end of that one's time will.
    """
    width = len(s) + 1
    known = s.read_from >= 0
    place = np.searchsorted(s.write_key * width + s.write, (s.read_key * width + s.read_from)[known])
    first = np.where(s.answered[s.write], s.completed[s.write], 2**62)
    np.minimum.at(first, place, s.completed[s.read[known]])
    last = s.invoked[s.write].copy()
    np.maximum.at(last, place, s.invoked[s.read[known]])
    there = np.flatnonzero(first < last)
    nil = np.flatnonzero(~known)
    keys = np.concatenate([s.write_key[there], s.read_key[nil]])
    begins = np.concatenate([first[there], np.full(len(nil), -(2**62))])
    ends = np.concatenate([last[there], s.invoked[s.read[nil]]])
    order = np.lexsort((ends, begins, keys))
    keys, begins, ends = keys[order], begins[order], ends[order]
    at = search(keys, begins, s.write_key, last, "right") - 1
    inside = (at >= 0) & (first >= last)
    if len(keys):
        inside &= (keys[at] == s.write_key) & (last <= ends[at])
    point = 2 * np.where(first < last, np.minimum(first, 2**61), last)
    if len(keys):
        point[inside] = 2 * ends[at[inside]] + 1
    points = np.full(len(s), np.iinfo(np.int64).max)
    np.minimum.at(points, s.write, point)
    return points


class Search:
    """Depth first, without recursion; see :mod:`.single_order`."""

    def __init__(
        self, s: Sessions, order: Order, deadline: float, points: Callable[[Sessions], Ints] = as_seen
    ) -> None:
        """``points``: when each write probably took effect; earlier ones are tried first."""
        self.s, self.deadline = s, deadline
        self.size = len(s)
        rng = Random(17)
        self.missing = np.bincount(order.target, minlength=order.size).tolist()
        arranged = np.argsort(order.source, kind="stable")
        bounds = np.searchsorted(order.source[arranged], np.arange(order.size + 1)).tolist()
        after = order.target[arranged].tolist()
        self.after: list[list[int]] = [after[bounds[node] : bounds[node + 1]] for node in range(order.size)]
        self.reads: list[list[tuple[int, int]]] = [[] for _ in range(self.size)]
        self.writes: list[list[int]] = [[] for _ in range(self.size)]
        self.waiting: dict[tuple[int, int], int] = {}  # version -> readers that have not run
        for node, key, from_ in zip(s.read.tolist(), s.read_key.tolist(), s.read_from.tolist(), strict=True):
            self.reads[node].append((key, from_))
        for node, key in zip(s.write.tolist(), s.write_key.tolist(), strict=True):
            self.writes[node].append(key)
        self.reads = [sorted(set(each)) for each in self.reads]
        for each in self.reads:
            for version in each:
                self.waiting[version] = self.waiting.get(version, 0) + 1
        self.hint = points(s).tolist()
        self.current: dict[int, int] = {}
        self.mark = [rng.getrandbits(128) for _ in range(self.size)]
        self.salt = rng.getrandbits(128) | 1
        self.state = 0
        self.writers: set[int] = set()
        self.readers: set[int] = set()
        self.done: list[tuple[int, list[tuple[int, int]]]] = []
        for node in range(order.size):
            if not self.missing[node]:
                self._ready(node)

    def run(self, most: int | None = None) -> Found:
        """Valid if there is a witness; invalid if all orders were tried; unknown after ``most`` steps.

        Raises:
            OutOfTime: past the deadline.
        """
        visited: set[int] = set()
        self._read()
        frames: list[tuple[int, list[int]]] = [(len(self.done), self._candidates())]
        steps = 0
        while frames:
            steps += 1
            if most is not None and steps > most:
                return Found("unknown", f"{most} steps were taken without an answer.")
            if not steps & 255 and monotonic() > self.deadline:
                raise OutOfTime
            if len(self.done) == self.size:
                return VALID
            depth, candidates = frames[-1]
            while len(self.done) > depth:
                self._undo()
            if not candidates:
                frames.pop()
                continue
            self._do(candidates.pop())
            self._read()
            if len(self.done) == self.size:
                return VALID
            if self.state in visited:
                continue
            if len(visited) >= STATES:
                return Found("unknown", f"{STATES} states were tried without an answer.")
            more = self._candidates()
            if not more:
                continue
            if len(more) > 1 or candidates:
                visited.add(self.state)
            frames.append((len(self.done), more))
        if len(self.done) == self.size:
            return VALID
        return Found(
            "invalid",
            "no order of all transactions explains every read; all were tried.",
            tuple(range(self.size)),
            "no-order",
            ("no order of these transactions explains every read",),
        )

    def _candidates(self) -> list[int]:
        """Writers that may be next, the likeliest last."""
        found = [node for node in self.writers if self._fits(node) and self._overwrites(node)]
        return sorted(found, key=lambda node: (-self.hint[node], node))

    def _fits(self, node: int) -> bool:
        current = self.current
        return all(current.get(key, -1) == from_ for key, from_ in self.reads[node])

    def _overwrites(self, node: int) -> bool:
        mine: Sequence[tuple[int, int]] = self.reads[node]
        for key in self.writes[node]:
            version = (key, self.current.get(key, -1))
            if self.waiting.get(version, 0) > (version in mine):
                return False
        return True

    def _read(self) -> None:
        while True:
            able = [node for node in self.readers if self._fits(node)]
            if not able:
                return
            for node in sorted(able):
                self._do(node)

    def _ready(self, node: int) -> None:
        if node >= self.size:
            for each in self.after[node]:
                self.missing[each] -= 1
                if not self.missing[each]:
                    self._ready(each)
        else:
            (self.writers if self.writes[node] else self.readers).add(node)

    def _unready(self, node: int) -> None:
        if node >= self.size:
            for each in self.after[node]:
                if not self.missing[each]:
                    self._unready(each)
                self.missing[each] += 1
        else:
            (self.writers if self.writes[node] else self.readers).discard(node)

    def _do(self, node: int) -> None:
        (self.writers if self.writes[node] else self.readers).discard(node)
        for version in self.reads[node]:
            self.waiting[version] -= 1
        undo = []
        for key in self.writes[node]:
            old = self.current.get(key, -1)
            undo.append((key, old))
            self.current[key] = node
            self.state ^= self._version(key, old) ^ self._version(key, node)
        self.state ^= self.mark[node]
        self.done.append((node, undo))
        for each in self.after[node]:
            self.missing[each] -= 1
            if not self.missing[each]:
                self._ready(each)

    def _undo(self) -> None:
        node, undo = self.done.pop()
        for each in self.after[node]:
            if not self.missing[each]:
                self._unready(each)
            self.missing[each] += 1
        for key, old in reversed(undo):
            self.state ^= self._version(key, old) ^ self._version(key, node)
            if old < 0:
                del self.current[key]
            else:
                self.current[key] = old
        self.state ^= self.mark[node]
        for version in self.reads[node]:
            self.waiting[version] += 1
        (self.writers if self.writes[node] else self.readers).add(node)

    def _version(self, key: int, writer: int) -> int:
        return 0 if writer < 0 else (self.mark[writer] * (2 * key + 3) * self.salt) & ((1 << 128) - 1)
