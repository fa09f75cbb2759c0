"""Two checkers: one that works, and one that does not."""

from __future__ import annotations

import numpy as np

from bench.checkers.verdict import Verdict
from bench.history import OK, History
from bench.history.history import NIL, READ


def reads_see_writes(history: History, budget_s: float = 20.0) -> Verdict:
    """No read sees a value that nobody wrote."""
    reads = (history.function == READ) & (history.outcome == OK) & (history.result != NIL)
    strange = np.flatnonzero(reads & ~np.isin(history.result, history.argument))
    if len(strange):
        return Verdict(name="reads_see_writes", verdict="invalid", reason="a read saw what nobody wrote")
    return Verdict(name="reads_see_writes", verdict="valid")


def raising(history: History, budget_s: float = 20.0) -> Verdict:
    """It fails."""
    raise ZeroDivisionError("by zero")
