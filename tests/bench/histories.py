"""Hand-made histories for tests."""

from __future__ import annotations

from collections.abc import Iterable

from bench.history import NIL, NOTHING, OK, History, HistoryBuilder
from bench.history.history import READ, WRITE

MS = 1_000_000
S = 1_000_000_000


def history(operations: Iterable[dict[str, int]]) -> History:
    """Operations from the columns that matter; the others get harmless values."""
    builder = HistoryBuilder()
    for i, given in enumerate(operations):
        completed = given["completed"]
        row = {
            "process": i,
            "function": WRITE if i % 2 else READ,
            "key": 0,
            "argument": i if i % 2 else NOTHING,
            "expected": NOTHING,
            "result": NOTHING if i % 2 else NIL,
            "intended": completed,
            "invoked": completed,
            "outcome": OK,
            "client": 0,
        }
        builder.add(**(row | given))
    return builder.build()


def steady(start: int, end: int, step: int, latency: int = 0) -> list[dict[str, int]]:
    """An ok operation completed every ``step`` ns in [start, end)."""
    return [{"completed": at, "intended": at - latency, "invoked": at - latency // 2} for at in range(start, end, step)]
