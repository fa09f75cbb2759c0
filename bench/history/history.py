"""The columnar history: one row an operation.

Values are integers: every value written in a trial is unique, and the workload writes it as the first eight bytes of
the value on the wire. Times are ns from the start of the load.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OK, FAIL, INFO = 0, 1, 2
OUTCOMES = ("ok", "fail", "info")
FUNCTIONS = ("read", "write", "cas")
READ, WRITE, CAS = 0, 1, 2

NIL = -1
"""The value of a key that was never written."""
NOTHING = -2
"""The column does not apply to this row (the argument of a read, the result of an operation without answer)."""
NEVER = 2**62
"""Completion time of an operation that was never answered."""

COLUMNS: dict[str, str] = {
    "process": "q",
    "function": "b",
    "key": "i",
    "argument": "q",
    "expected": "q",
    "result": "q",
    "intended": "q",
    "invoked": "q",
    "completed": "q",
    "outcome": "b",
    "client": "i",
}
CLOCK_COLUMNS: dict[str, str] = {"clock": "b", "slack": "q"}
"""Only where several clocks recorded the history."""
_DTYPE = {"q": np.int64, "i": np.int32, "b": np.int8}

IntColumn = NDArray[np.signedinteger]


@dataclass(frozen=True)
class History:
    """Operations in order of invocation.

    Attributes:
        process: logical process; it changes after an ``info``, so no process has two operations open.
        function: 0 read, 1 write, 2 compare-and-set.
        key: index of the key.
        argument: the value written, or to be swapped in.
        expected: the value a compare-and-set compares with.
        result: what an ok read saw, what an ok compare-and-set witnessed (it swapped iff result == expected).
        intended: when the load meant to send it; latency counts from here.
        invoked, completed: when the client took it up and ended it (``NEVER`` if it did not).
        outcome: 0 ok, 1 fail (definitely did not happen), 2 info (may have happened).
        client: index of the client node.
        clock: index of the clock that recorded the operation; None if there was only one. See :mod:`.clocks`.
        slack: ns by which that clock may be wrong throughout the history; None with one clock.
    """

    process: IntColumn
    function: IntColumn
    key: IntColumn
    argument: IntColumn
    expected: IntColumn
    result: IntColumn
    intended: IntColumn
    invoked: IntColumn
    completed: IntColumn
    outcome: IntColumn
    client: IntColumn
    clock: IntColumn | None = None
    slack: IntColumn | None = None

    def __len__(self) -> int:
        return len(self.process)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> History:
        """The sub-history of these rows (a mask or indices)."""
        return History(**{name: column[rows] for name, column in self.columns().items()})

    def columns(self) -> dict[str, IntColumn]:
        """The columns that there are, by name."""
        names = COLUMNS if self.clock is None else COLUMNS | CLOCK_COLUMNS
        return {name: getattr(self, name) for name in names}


class HistoryBuilder:
    """Collects operations while a run goes; cheap to append to."""

    __slots__ = ("columns",)

    def __init__(self, *, clocks: bool = False) -> None:
        """``clocks``: with the columns of a history that several clocks record; :meth:`add` leaves them empty."""
        columns = COLUMNS | CLOCK_COLUMNS if clocks else COLUMNS
        self.columns: dict[str, array[int]] = {name: array(code) for name, code in columns.items()}

    def __len__(self) -> int:
        return len(self.columns["process"])

    def add(
        self,
        *,
        process: int,
        function: int,
        key: int,
        argument: int,
        expected: int,
        result: int,
        intended: int,
        invoked: int,
        completed: int,
        outcome: int,
        client: int,
    ) -> None:
        """Append one finished (or abandoned) operation."""
        columns = self.columns
        columns["process"].append(process)
        columns["function"].append(function)
        columns["key"].append(key)
        columns["argument"].append(argument)
        columns["expected"].append(expected)
        columns["result"].append(result)
        columns["intended"].append(intended)
        columns["invoked"].append(invoked)
        columns["completed"].append(completed)
        columns["outcome"].append(outcome)
        columns["client"].append(client)

    def build(self) -> History:
        """The history so far, sorted by invocation."""
        types = COLUMNS | CLOCK_COLUMNS
        arrays = {
            name: np.frombuffer(column, dtype=_DTYPE[types[name]]).copy()
            if len(column)
            else np.empty(0, dtype=_DTYPE[types[name]])
            for name, column in self.columns.items()
        }
        order = np.argsort(arrays["invoked"], kind="stable")
        return History(**{name: column[order] for name, column in arrays.items()})
