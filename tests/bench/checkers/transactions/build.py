"""Histories of transactions from plain Python, and from the recorded ones."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.history.history import FAIL, INFO, NEVER, OK
from bench.history.transactions import APPEND, LIST, NIL, READ, UNKNOWN, WRITE, Transactions

Mop = tuple[str, Hashable, Any]
"""(``r``, key, what it saw), (``w``, key, value) or (``append``, key, element). ``...``: a result not known."""
Row = tuple[int, int, int, int, Sequence[Mop]]
"""(process, invoked, completed, outcome, micro-operations)"""

_KINDS = {"r": READ, "w": WRITE, "append": APPEND}


def transactions(rows: Iterable[Row], realtime: bool = True) -> Transactions:
    """In columns, in order of invocation."""
    rows = sorted(rows, key=lambda row: row[1])
    keys: dict[Hashable, int] = {}
    values: dict[Hashable, int] = {}

    def code(table: dict[Hashable, int], thing: Hashable) -> int:
        return table.setdefault(thing, len(table))

    first, mops, elements = [0], [], []
    for *_, done in rows:
        for kind, key, value in done:
            start = end = 0
            if isinstance(value, (list, tuple)):
                start = len(elements)
                elements += [code(values, each) for each in value]
                end = len(elements)
                number = LIST
            elif value is ...:
                number = UNKNOWN
            elif value is None:
                number = NIL
            else:
                number = code(values, value)
            mops.append((_KINDS[kind], code(keys, key), number, start, end))
        first.append(len(mops))
    column = lambda things: np.asarray(list(things), dtype=np.int64)  # noqa: E731
    table = column(mops).reshape(-1, 5)
    return Transactions(
        process=column(row[0] for row in rows),
        invoked=column(row[1] for row in rows),
        completed=column(row[2] for row in rows),
        outcome=column(row[3] for row in rows),
        line=column(0 for _ in rows),
        first=column(first),
        kind=table[:, 0],
        key=table[:, 1],
        value=table[:, 2],
        start=table[:, 3],
        end=table[:, 4],
        elements=column(elements),
        keys=tuple(keys),
        values=tuple(values),
        realtime=realtime,
    )


def serial(*done: Sequence[Mop]) -> Transactions:
    """One process each, all at once: no order but what they saw."""
    return transactions([(number, 0, 100, OK, mops) for number, mops in enumerate(done)], realtime=False)


def recorded(path: Path, lists: bool = True) -> Transactions:
    """A recorded history of transactions, by the positions of its lines."""
    rows: list[Row] = []
    open_: dict[int, tuple[int, list[Any]]] = {}

    def mops(given: list[Any], known: bool) -> list[Mop]:
        said: list[Mop] = []
        for kind, key, value in given:
            if kind == "r":
                value = ... if not known else (value or []) if lists else value
            said.append((kind, key, value))
        return said

    ends = {"ok": OK, "fail": FAIL, "info": INFO}
    for place, line in enumerate(path.read_text().splitlines()):
        if not line:
            continue
        event = json.loads(line)
        process = event.get("process", 0)
        if not isinstance(process, int):  # the nemesis
            continue
        if event["type"] == "invoke":
            open_[process] = (place, event["value"])
            continue
        began, asked = open_.pop(process)
        outcome = ends[event["type"]]
        done = mops(event["value"] if outcome == OK else asked, outcome == OK)
        rows.append((process, began, place if outcome != INFO else NEVER, outcome, done))
    rows += [(process, began, NEVER, INFO, mops(asked, False)) for process, (began, asked) in open_.items()]
    return transactions(rows)


def polysi(path: Path) -> Transactions:
    """``op(key,value,session,txn)`` a line; 0 is the initial value."""
    sessions: dict[tuple[int, int], list[Mop]] = {}
    for line in path.read_text().split():
        kind, rest = line[0], line[2:-1]
        key, value, session, transaction = (int(number) for number in rest.split(","))
        sessions.setdefault((session, transaction), []).append(
            (kind, key, None if value == 0 and kind == "r" else value)
        )
    return transactions(
        [(session, place, place, OK, done) for place, ((session, _), done) in enumerate(sorted(sessions.items()))],
        realtime=False,
    )


def dbcop(path: Path) -> Transactions:
    """The bincode of dbcop: strings, then sessions of transactions of events (write?, key, value, success)."""
    data = path.read_bytes()
    place = 0

    def number() -> int:
        nonlocal place
        place += 8
        return int.from_bytes(data[place - 8 : place], "little")

    for _ in range(5):
        number()
    for _ in range(3):
        length = number()
        place += length
    rows: list[Row] = []
    for session in range(number()):
        for _ in range(number()):
            done: list[Mop] = []
            for _ in range(number()):
                write, key, value, fine = data[place], 0, 0, 0
                place += 1
                key, value = number(), number()
                fine = data[place]
                place += 1
                if fine:
                    done.append(("w" if write else "r", key, None if value == 0 and not write else value))
            committed = data[place]
            place += 1
            rows.append((session, len(rows), len(rows), OK if committed else FAIL, done))
    assert place == len(data), (place, len(data))
    return transactions(rows, realtime=False)
