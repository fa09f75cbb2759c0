"""Writing histories by hand, and drawing them at random."""

from __future__ import annotations

from random import Random

import numpy as np

from bench.history.history import CAS, FAIL, INFO, NEVER, NIL, NOTHING, OK, READ, WRITE, History, HistoryBuilder

MS = 1_000_000


class Script:
    """``Script().write(1, 0, 10).read(1, 20, 30).history``: times in ms; ``end=None`` means no answer."""

    def __init__(self) -> None:
        self.builder = HistoryBuilder()

    def _add(self, function: int, argument: int, expected: int, result: int, when: tuple[int, int | None], **more: int):
        start, end = when
        rows = len(self.builder)
        self.builder.add(
            process=rows,
            function=function,
            key=more.get("key", 0),
            argument=argument,
            expected=expected,
            result=result,
            intended=start * MS,
            invoked=start * MS,
            completed=NEVER if end is None else end * MS,
            outcome=more.get("outcome", OK if end is not None else INFO),
            client=rows % 4,
        )
        return self

    def read(self, result: int, start: int, end: int | None, **more: int) -> Script:
        return self._add(READ, NOTHING, NOTHING, result, (start, end), **more)

    def write(self, value: int, start: int, end: int | None, **more: int) -> Script:
        return self._add(WRITE, value, NOTHING, NOTHING, (start, end), **more)

    def cas(self, expected: int, value: int, found: int, start: int, end: int | None, **more: int) -> Script:
        return self._add(CAS, value, expected, found, (start, end), **more)

    @property
    def history(self) -> History:
        return self.builder.build()


def tiny(rng: Random) -> History:
    """A random history of at most 6 operations on at most 2 keys: mostly plausible, often wrong, with every outcome."""
    script = Script()
    keys = rng.choice((1, 1, 1, 2))
    unique = rng.random() < 0.5
    values = iter(range(1, 100))
    used: list[list[int]] = [[NIL] for _ in range(keys)]
    horizon = rng.choice((4, 8, 14))
    for _ in range(rng.randint(1, 6)):
        key = rng.randrange(keys)
        start = rng.randrange(horizon)
        end = start + rng.choice((0, 1, 2, 4, 8))
        outcome = rng.choices((OK, FAIL, INFO), weights=(12, 1, 4))[0]
        answered: int | None = end if outcome != INFO or rng.random() < 0.5 else None
        value = next(values) if unique else rng.choice((1, 2, 3, NIL))
        known = used[key]
        seen = rng.choice(known) if rng.random() < 0.93 else 77
        if outcome == OK and rng.random() < 0.03:
            seen = NOTHING
        told = seen if outcome == OK or rng.random() < 0.3 else NOTHING  # what an unanswered one was told is nothing
        function = rng.choices((READ, WRITE, CAS), weights=(3, 2, 3))[0]
        if function == READ:
            script.read(told, start, answered, key=key, outcome=outcome)
        elif function == WRITE:
            script.write(value, start, answered, key=key, outcome=outcome)
            known.append(value)
        else:
            expected = seen if seen != NOTHING and rng.random() < 0.7 else rng.choice(known)
            if rng.random() < 0.05:
                value = expected
            elif unique and rng.random() < 0.15:
                expected = seen = value + 1  # of the future: perhaps a circle
                told = expected if outcome == OK else told
            script.cas(expected, value, told, start, answered, key=key, outcome=outcome)
            known.append(value)
    return script.history


def simulated(
    rng: Random,
    operations: int,
    clients: int = 64,
    keys: int = 16,
    *,
    values: int | None = None,
    reads: float = 0.5,
    swaps: float = 0.2,
    unanswered: float = 0.01,
    stale: float = 0.0,
) -> History:
    """What ``clients`` closed-loop clients of a linearizable store would see; with ``stale``, of one that is not.

    Args:
        values: draw from so many values; None writes each value once.
        stale: chance that a read returns the value before the current one.
    """
    builder = HistoryBuilder()
    store: dict[int, list[int]] = {key: [NIL, NIL] for key in range(keys)}
    free = [(rng.randrange(1000), client, client) for client in range(clients)]
    pending: list[tuple[int, int, dict[str, int]]] = []
    process = clients
    rows: list[dict[str, int]] = []
    for count in range(1, operations + 1):
        free.sort()
        now, client, owner = free.pop(0)
        key = rng.randrange(keys)
        effect = now + rng.randrange(1, 1000) * 1000
        end = effect + rng.randrange(1, 1000) * 1000
        draw = rng.random()
        function = READ if draw < reads else CAS if draw < reads + swaps else WRITE
        value = count if values is None else rng.randrange(values)
        row = {
            "process": owner,
            "function": function,
            "key": key,
            "argument": NOTHING if function == READ else value,
            "expected": NOTHING,
            "result": NOTHING,
            "intended": now,
            "invoked": now,
            "completed": end,
            "outcome": OK,
            "client": client,
        }
        rows.append(row)
        pending.append((effect, len(rows), row))
        if rng.random() < unanswered:
            row["outcome"], row["completed"] = INFO, end if rng.random() < 0.5 else NEVER
            owner, process = process, process + 1
            if rng.random() < 0.5:
                pending.pop()  # it never takes effect
        free.append((end + rng.randrange(1, 1000), client, owner))
    for _, _, row in sorted(pending, key=lambda item: item[:2]):
        before, current = store[row["key"]]
        answered = row["outcome"] == OK
        if row["function"] == READ:
            if answered:
                row["result"] = before if rng.random() < stale else current
        elif row["function"] == WRITE:
            store[row["key"]] = [current, row["argument"]]
        else:
            row["expected"] = current if rng.random() < 0.5 else before
            if answered:
                row["result"] = current
            if row["expected"] == current:
                store[row["key"]] = [current, row["argument"]]
    for row in rows:
        if row["function"] == CAS and row["expected"] == NOTHING:
            row["expected"] = 0
        builder.add(**row)
    return builder.build()


def columnar(
    operations: int,
    clients: int = 100,
    keys: int = 10,
    *,
    reads: float = 0.5,
    swaps: float = 0.0,
    unanswered: float = 0.01,
    seed: int = 0,
) -> History:
    """As :func:`simulated` makes, but quickly enough for a million operations; about ``clients`` are open at a time."""
    rng = np.random.default_rng(seed)
    instant = np.sort(rng.integers(0, operations * 10_000, operations)) + np.arange(operations)
    width = clients * 10_000
    invoked = instant - rng.integers(1, width, operations)
    completed = instant + rng.integers(1, width, operations)
    key = rng.integers(0, keys, operations).astype(np.int32)
    function = rng.choice(np.array([READ, CAS, WRITE], np.int8), operations, p=(reads, swaps, 1 - reads - swaps))
    argument = np.where(function == READ, NOTHING, np.arange(1, operations + 1))
    expected, result = np.full(operations, NOTHING), np.full(operations, NOTHING)
    current, before = [NIL] * keys, [NIL] * keys
    misses = rng.random(operations) < 0.2  # how many of the compare-and-sets expect an older value
    for row, (at, what) in enumerate(zip(key.tolist(), function.tolist(), strict=True)):
        found = current[at]
        if what == READ:
            result[row] = found
            continue
        if what == CAS:
            expected[row], result[row] = before[at] if misses[row] else found, found
            if expected[row] != found:
                continue
        before[at], current[at] = found, row + 1
    silent = rng.random(operations) < unanswered
    result[silent], completed[silent] = NOTHING, NEVER
    columns = {
        "process": np.arange(operations),
        "function": function,
        "key": key,
        "argument": argument,
        "expected": expected,
        "result": result,
        "intended": invoked,
        "invoked": invoked,
        "completed": completed,
        "outcome": np.where(silent, INFO, OK).astype(np.int8),
        "client": (np.arange(operations) % clients).astype(np.int32),
    }
    order = np.argsort(invoked, kind="stable")
    return History(**{name: column[order] for name, column in columns.items()})
