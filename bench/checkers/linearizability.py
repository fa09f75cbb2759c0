"""Linearizability of the keys of a store, each a register with read, write and compare-and-set.

After Herlihy and Wing (1990): a history is linearizable iff every operation can be given one instant between its
invocation and its answer such that, in the order of these instants, each saw what the ones before it left. The
property is local (their theorem 1), so keys are judged one by one (Horn and Kroening 2015, "P-compositionality").

**Ties.** An operation that ended at *t* and one invoked at *t* are concurrent: both may hold their instant at *t*, in
either order. This can only forgive.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from time import monotonic, perf_counter

import numpy as np

from ..history.history import CAS, FAIL, INFO, NEVER, NIL, NOTHING, READ, History
from .registers import judge
from .steps import steps_by_key
from .verdict import Verdict
from .zones import undecided

NAME = "linearizable"


def check(history: History, budget_s: float = 20.0) -> Verdict:
    """Whether the history of a store is linearizable.

    Keys on which every value written differs are decided all at once (:mod:`.zones`), and what is wrong with one is
    found by :mod:`.unique`; the other keys are searched (:mod:`.search`), and past ``budget_s`` seconds, or past the
    memory bound, the verdict is ``unknown``. A history with an operation that ended before it began is ``unknown`` too:
    its clocks cannot be trusted.

    The ``rows`` of a violation are as few operations as found that are not linearizable by themselves, chosen so that
    nothing left out could explain them (:mod:`.shrink`).
    """
    began = perf_counter()
    deadline = monotonic() + budget_s
    verdict = partial(Verdict, name=NAME)
    try:
        doubtful = undecided(history)
        if not len(doubtful):
            return verdict(verdict="valid", took_s=perf_counter() - began)
        keys = steps_by_key(history, np.flatnonzero(np.isin(history.key, doubtful)).tolist())
    except ValueError as error:
        return verdict(verdict="unknown", reason=f"{error}", took_s=perf_counter() - began)

    found = judge(keys, _Words(history), deadline)
    return verdict(verdict=found.word, reason=found.reason, rows=found.rows, took_s=perf_counter() - began)


# --- words ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Words:
    history: History

    def key(self, key: int) -> str:
        return f"key {key}"

    def operation(self, row: int) -> str:
        return describe(self.history, row)

    def value(self, value: int | None) -> str:
        return _value(value)

    def refused(self, key: int, value: int) -> str | None:
        history = self.history
        on_key = (history.key == key) & (history.outcome == FAIL)
        failed = (on_key & (history.function != READ) & (history.argument == value)).nonzero()[0]
        return describe(history, int(failed[0])) if len(failed) else None


def describe(history: History, row: int) -> str:
    """The operation in words: ``c3's read of 17 (30.0 to 40.2 ms)``. Clients count from 1, as the nodes do."""
    function, outcome = int(history.function[row]), int(history.outcome[row])
    argument, expected = int(history.argument[row]), int(history.expected[row])
    result = int(history.result[row])
    if function == READ:
        what = "read" if outcome != 0 else f"read of {_value(result)}"
    elif function == CAS:
        what = f"compare-and-set {_value(expected)} to {_value(argument)}"
        if outcome == 0 and result != expected:
            what += f" that found {_value(result)}"
    else:
        what = f"write of {_value(argument)}"
    start, end = int(history.invoked[row]) / 1e6, int(history.completed[row]) / 1e6
    if outcome == INFO or end >= NEVER / 1e6:
        when = f"from {start:.1f} ms, unanswered"
    else:
        when = f"{start:.1f} to {end:.1f} ms"
    return f"c{int(history.client[row]) + 1}'s {what} ({when})"


def _value(value: int | None) -> str:
    if value is None or value == NOTHING:
        return "something else"
    return "nil" if value == NIL else str(value)
