"""Small random histories of transactions in sessions, in the brute force's form and in columns."""

from __future__ import annotations

from random import Random

import numpy as np

from bench.history.history import FAIL, INFO, NEVER, OK
from bench.history.transactions import NIL, READ, UNKNOWN, WRITE, Transactions
from tests.bench.checkers.brute_weak import Txn

OUTCOME = {"ok": OK, "fail": FAIL, "info": INFO}


def draw(rng: Random, most: int = 6) -> list[Txn]:
    """At most ``most`` transactions in up to three sessions on up to three keys: mostly plausible, often wrong."""
    keys = rng.choice((1, 1, 2, 2, 2, 3))
    count = rng.choice((*range(min(4, most), most + 1), most))
    sessions = rng.choice((2, 2, 3, 3, 4))
    longest = rng.choice((1, 1, 1, 1, 2, 3))
    writing = rng.choice((0.4, 0.5, 0.6))
    odd = rng.random() < 0.15  # values of nobody, of failed writes, of the future
    written: list[list[int]] = [[] for _ in range(keys)]
    txns: list[tuple[int, str, list[tuple[str, int, int | None]]]] = []
    value = 0
    for _ in range(count):
        outcome = rng.choices(("ok", "info", "fail"), weights=(14, 2, 0.3 if odd else 0))[0]
        ops: list[tuple[str, int, int | None]] = []
        own: list[tuple[int, int]] = []
        mine: dict[int, int] = {}
        for _ in range(rng.randint(1, longest)):
            key = rng.randrange(keys)
            if rng.random() < writing:
                value += 1
                ops.append(("w", key, value))
                own.append((key, value))
                mine[key] = value
            elif key in mine and rng.random() < 0.9:
                ops.append(("r", key, mine[key]))
            else:
                known = written[key]
                ops.append(("r", key, rng.choice([None, *known, *known, *known]) if known else None))
        for key, each in own:
            if mine[key] == each or odd:
                written[key].append(each)
        txns.append((rng.randrange(sessions), outcome, ops))
    if odd:
        for at, (session, outcome, ops) in enumerate(txns):
            changed = [
                (kind, key, rng.choice([None, *written[key], 99])) if kind == "r" and rng.random() < 0.3
                else (kind, key, which)
                for kind, key, which in ops
            ]  # fmt: skip
            txns[at] = (session, outcome, changed)
    return sorted(txns, key=lambda txn: txn[0])


def columns(txns: list[Txn]) -> Transactions:
    """The history in columns; reads of what was not answered are unknown."""
    kind, key, value, first = [], [], [], [0]
    for _, outcome, ops in txns:
        for what, on, which in ops:
            kind.append(READ if what == "r" else WRITE)
            key.append(on)
            known = outcome == "ok" or what == "w"
            value.append(UNKNOWN if not known else NIL if which is None else which)
        first.append(len(kind))
    count = len(txns)
    # A process does nothing after an info, so what follows in the session is told apart by position only: rows are in
    # the order of sessions, and positions serve as times.
    return Transactions(
        process=np.array([txn[0] for txn in txns], np.int64),
        invoked=np.arange(count, dtype=np.int64) * 10,
        completed=np.array([row * 10 + 5 if txn[1] != "info" else NEVER for row, txn in enumerate(txns)], np.int64),
        outcome=np.array([OUTCOME[txn[1]] for txn in txns], np.int64),
        line=np.zeros(count, np.int64),
        first=np.array(first, np.int64),
        kind=np.array(kind, np.int64),
        key=np.array(key, np.int64),
        value=np.array(value, np.int64),
        start=np.zeros(len(kind), np.int64),
        end=np.zeros(len(kind), np.int64),
        realtime=False,
    )
