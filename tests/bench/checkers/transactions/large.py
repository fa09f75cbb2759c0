"""Large histories of transactions, made quickly."""

from __future__ import annotations

from random import Random

import numpy as np

from bench.history.transactions import APPEND, LIST, NIL, READ, WRITE, Transactions


def large(
    count: int,
    kind: str = "list-append",
    *,
    seed: int = 1,
    active: int = 10,
    appends: int = 32,
    clients: int = 50,
    stale: float = 0.0,
) -> Transactions:
    """Transactions of a serial database, one to four steps each, as Elle's generator makes them.

    Args:
        count: how many.
        kind: ``list-append`` or ``rw-register``.
        seed: of everything random.
        active: keys in use at a time.
        appends: writes after which a key is replaced by a new one.
        clients: processes; about as many transactions are open at a time.
        stale: the share of reads that miss the last write.
    """
    rng = Random(seed)
    random, randrange = rng.random, rng.randrange
    lists = kind == "list-append"
    keys, next_key = list(range(active)), active
    state: dict[int, list[int]] = {key: [] for key in keys}
    mops: list[tuple[int, int, int, int, int]] = []
    elements: list[int] = []
    first = [0]
    completed: list[int] = []
    free = [0] * clients  # when each client ended
    processes: list[int] = []
    value = 0
    for row in range(count):
        now = row * 10
        process = row % clients
        free[process] = now + randrange(1, 10 * clients)
        processes.append(process)
        completed.append(free[process])
        for _ in range(randrange(1, 5)):
            slot = randrange(active)
            key = keys[slot]
            seen = state[key]
            if random() < 0.5:
                length = len(seen) - (1 if seen and stale and random() < stale else 0)
                if lists:
                    start = len(elements)
                    elements += seen[:length]
                    mops.append((READ, key, LIST, start, len(elements)))
                else:
                    mops.append((READ, key, seen[length - 1] if length else NIL, 0, 0))
                continue
            mops.append((APPEND if lists else WRITE, key, value, 0, 0))
            seen.append(value)
            value += 1
            if len(seen) == appends:
                keys[slot] = next_key
                state[next_key] = []
                next_key += 1
        first.append(len(mops))
    table = np.asarray(mops, dtype=np.int64)
    zeros = np.zeros(count, np.int64)
    return Transactions(
        process=np.asarray(processes, np.int64),
        invoked=np.arange(count, dtype=np.int64) * 10,
        completed=np.asarray(completed, np.int64),
        outcome=zeros,
        line=zeros,
        first=np.asarray(first, np.int64),
        kind=table[:, 0],
        key=table[:, 1],
        value=table[:, 2],
        start=table[:, 3],
        end=table[:, 4],
        elements=np.asarray(elements, np.int64),
    )
