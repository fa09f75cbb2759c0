"""Back from sessions to a columnar history of single operations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...history.history import CAS, INFO, NEVER, NIL, NOTHING, OK, READ, WRITE, History
from .sessions import Ints, Sessions


def unexplained(s: Sessions, rows: Sequence[int]) -> str:
    """That these rows, which are not linearizable, are not: in the words of the source, not in numbers."""
    shown = " and ".join(s.words(row) for row in rows[:4])
    return f"no order that real time allows explains {shown}" + (f" and {len(rows) - 4} more" if len(rows) > 4 else "")


def as_registers(s: Sessions, earlier_ns: int = 0) -> tuple[History, Ints] | None:
    """The history with one row an operation, and the transaction of each row; None if some have several operations.

    Args:
        s: the transactions.
        earlier_ns: reads are taken to have begun so much earlier.
    """
    reads = np.bincount(s.read, minlength=len(s))
    writes = np.bincount(s.write, minlength=len(s))
    both = (reads == 1) & (writes == 1)
    read_key, write_key = np.full(len(s), -1), np.full(len(s), -1)
    read_key[s.read], write_key[s.write] = s.read_key, s.write_key
    if (reads > 1).any() or (writes > 1).any() or (both & (read_key != write_key)).any():
        return None
    function = np.where(both, CAS, np.where(reads == 1, READ, WRITE))
    saw = np.full(len(s), NOTHING)
    saw[s.read] = np.where(s.read_from < 0, NIL, s.read_from)
    invoked = s.invoked - np.where(function == READ, earlier_ns, 0)
    order = np.argsort(invoked, kind="stable").astype(np.int64)
    history = History(
        process=order,
        function=function[order].astype(np.int8),
        key=np.unique(np.maximum(read_key, write_key), return_inverse=True)[1][order].astype(np.int32),
        argument=np.where(function == READ, NOTHING, np.arange(len(s)))[order],
        expected=np.where(both, saw, NOTHING)[order],
        result=np.where((function != WRITE) & s.answered, saw, NOTHING)[order],
        intended=invoked[order],
        invoked=invoked[order],
        completed=np.where(s.answered, s.completed, NEVER)[order],
        outcome=np.where(s.answered, OK, INFO)[order].astype(np.int8),
        client=s.session[order].astype(np.int32),
    )
    return history, order
