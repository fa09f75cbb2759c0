"""Databases to test checkers with: serial, snapshot isolation, and with each isolation bug; or nothing but chance."""

from __future__ import annotations

from random import Random
from typing import Any

from bench.history.history import FAIL, INFO, NEVER, OK
from bench.history.transactions import Transactions

from .build import Row, transactions

MODES = (
    "serial",
    "snapshot",
    "stale-snapshot",
    "lost-update",
    "read-committed",
    "read-uncommitted",
    "dirty",
    "torn",
    "corrupt",
    "random",
)
"""Databases: those that keep strict serializability and strong snapshot isolation first."""


def history(
    rng: Random,
    mode: str,
    kind: str,
    count: int = 5,
    keys: int = 2,
    *,
    simple: bool = False,
    realtime: bool = True,
    mops: int = 3,
    processes: int = 3,
    trouble: float = 0.12,
) -> Transactions:
    """Some transactions, interleaved, against a database of that mode.

    Args:
        simple: no transaction reads a key twice, or after writing it.
        trouble: how often a transaction ends fail, and how often info.
    """
    database = _Database(rng, mode, kind, simple, mops, keys)
    rows: list[Row] = []
    clock = 0
    free = list(range(processes))
    running: list[list[Any]] = []  # [process, invoked, transaction]
    started = 0
    next_process = processes
    while started < count or running:
        clock += 1
        if started < count and free and (not running or rng.random() < 0.6):
            process = free.pop(rng.randrange(len(free)))
            running.append([process, clock, database.begin()])
            started += 1
            continue
        chosen = rng.randrange(len(running))
        process, invoked, transaction = running[chosen]
        if mode == "serial":
            database.whole(transaction)
        elif not transaction.finished:
            database.step(transaction)
            continue
        running.pop(chosen)
        roll = rng.random()
        failed = not database.commit(transaction, abort=roll < trouble)
        outcome = FAIL if failed else OK
        if trouble and (not failed or rng.random() < 0.5) and trouble <= roll < 2 * trouble:
            outcome = INFO
        done = [
            (kind_, key, ... if kind_ == "r" and outcome != OK else value) for kind_, key, value in transaction.seen
        ]
        rows.append((process, invoked, NEVER if outcome == INFO else clock, outcome, done))
        if outcome == INFO:
            process = next_process
            next_process += 1
        free.append(process)
    return transactions(rows, realtime)


class _Transaction:
    def __init__(self, mops: list[tuple[str, int]], state: dict[int, Any]) -> None:
        self.mops, self.at, self.seen = mops, 0, list[tuple[str, int, Any]]()
        self.snapshot = dict(state)
        self.mine: dict[int, Any] = {}
        self.log: list[tuple[int, Any]] = []

    @property
    def finished(self) -> bool:
        return self.at == len(self.mops)


class _Database:
    def __init__(self, rng: Random, mode: str, kind: str, simple: bool, mops: int, keys: int) -> None:
        self.rng, self.mode, self.lists, self.simple, self.mops, self.keys = (
            rng,
            mode,
            kind == "list-append",
            simple,
            mops,
            keys,
        )
        self.empty: Any = () if self.lists else None
        self.state: dict[int, Any] = {}
        self.past: list[dict[int, Any]] = [{}]
        self.values = 0

    def begin(self) -> _Transaction:
        mops: list[tuple[str, int]] = []
        for _ in range(self.rng.randint(1, self.mops)):
            key, write = self.rng.randrange(self.keys), self.rng.random() < 0.5
            if self.simple and not write and any(other == key for _, other in mops):
                continue
            mops.append(("w" if write else "r", key))
        snapshot = self.rng.choice(self.past) if self.mode == "stale-snapshot" else self.state
        return _Transaction(mops, snapshot)

    def whole(self, transaction: _Transaction) -> None:
        transaction.snapshot = dict(self.state)
        while not transaction.finished:
            self.step(transaction)

    def step(self, transaction: _Transaction) -> None:
        kind, key = transaction.mops[transaction.at]
        transaction.at += 1
        source = self.state if self.mode in ("read-committed", "read-uncommitted", "random") else transaction.snapshot
        if kind == "w":
            self.values += 1
            value = self.values
            transaction.log.append((key, value))
            now = transaction.mine.get(key, source.get(key, self.empty))
            transaction.mine[key] = (*now, value) if self.lists else value
            transaction.seen.append(("append" if self.lists else "w", key, value))
            if self.mode == "read-uncommitted":
                self.apply([(key, value)])
            return
        if self.mode == "read-committed" and self.lists and key in transaction.mine:
            seen = (*source.get(key, ()), *(value for other, value in transaction.log if other == key))
        elif self.mode == "read-uncommitted":
            seen = source.get(key, self.empty)
        else:
            seen = transaction.mine.get(key, source.get(key, self.empty))
        if self.mode == "random":
            seen = self.anything(key, seen)
        elif self.mode == "corrupt" and self.rng.random() < 0.3:
            seen = self.corrupted(seen)
        transaction.seen.append(("r", key, list(seen) if self.lists else seen))

    def anything(self, key: int, seen: Any) -> Any:
        roll = self.rng.random()
        if roll < 0.5:
            return seen
        if self.lists:
            return tuple(seen[: self.rng.randint(0, len(seen))])
        return self.rng.choice([None, *range(max(1, self.values - 3), self.values + 1)])

    def corrupted(self, seen: Any) -> Any:
        if not self.lists:
            return self.rng.choice([None, *range(1, self.values + 1), 1000])
        seen = list(seen)
        roll = self.rng.randrange(5)
        if roll == 0 and seen:
            seen.pop(self.rng.randrange(len(seen)))
        elif roll == 1 and len(seen) > 1:
            place = self.rng.randrange(len(seen) - 1)
            seen[place], seen[place + 1] = seen[place + 1], seen[place]
        elif roll == 2 and seen:
            seen.append(self.rng.choice(seen))
        elif roll == 3:
            seen.append(1000)
        elif seen:
            seen = seen[: self.rng.randint(0, len(seen))]
        return tuple(seen)

    def apply(self, log: list[tuple[int, Any]]) -> None:
        for key, value in log:
            self.state[key] = (*self.state.get(key, ()), value) if self.lists else value

    def commit(self, transaction: _Transaction, abort: bool) -> bool:
        if self.mode == "read-uncommitted":
            return not abort
        if self.mode in ("snapshot", "stale-snapshot") and any(
            self.state.get(key, self.empty) != transaction.snapshot.get(key, self.empty) for key, _ in transaction.log
        ):
            return False  # the first committer wins
        if not abort or (self.mode == "dirty" and self.rng.random() < 0.7):
            if self.mode == "lost-update":
                self.state.update(transaction.mine)
            else:
                torn = self.mode == "torn" and len(transaction.log) > 1 and self.rng.random() < 0.8
                self.apply(self.rng.sample(transaction.log, len(transaction.log) - 1) if torn else transaction.log)
            self.past.append(dict(self.state))
        return not abort
