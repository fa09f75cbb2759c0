"""From operations on registers to columns, and back."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from ..history import CAS, FAIL, INFO, NEVER, NIL, NOTHING, OK, READ, WRITE, History
from ..operations import MISSING, Operation

_NUMBER = {"read": READ, "write": WRITE, "cas": CAS}
_NAME = {number: name for name, number in _NUMBER.items()}


def columns_of(
    operations: Sequence[Operation], initial: Any = None, *, nil_read_is_unknown: bool, fail_is_unequal: bool
) -> History:
    """Reads, writes and compare-and-sets as columns, row by row; values and keys become numbers.

    What says nothing (a read whose result is not known; a failed compare-and-set, unless ``fail_is_unequal``) stays as
    a row that constrains nothing. The initial value is ``NIL``. Options are those of
    :func:`bench.checkers.sequential.register`.
    """
    values: dict[Hashable, int] = {initial: NIL}
    keys: dict[Hashable, int] = {}
    rows: list[tuple[int, ...]] = []
    for operation in operations:
        function, outcome = _NUMBER[operation.function], operation.outcome
        told = operation.result
        argument = expected = result = NOTHING
        if function == READ:
            if outcome == OK and (told is MISSING or (told is None and nil_read_is_unknown)):
                outcome = INFO
            elif outcome == OK:
                result = values.setdefault(told, len(values))
        elif function == WRITE:
            argument = values.setdefault(operation.argument, len(values))
        else:
            before, after = operation.argument
            expected = values.setdefault(before, len(values))
            argument = values.setdefault(after, len(values))
            if outcome == OK:
                result = expected if told is MISSING else values.setdefault(told, len(values))
            elif outcome == FAIL and told is not MISSING:
                outcome, result = OK, values.setdefault(told, len(values))
            elif outcome == FAIL and fail_is_unequal:
                outcome = OK
        rows.append(
            (
                operation.process,
                function,
                keys.setdefault(operation.key, len(keys)),
                argument,
                expected,
                result,
                operation.invoked,
                NEVER if outcome == INFO else operation.completed,
                outcome,
            )
        )
    table = np.array(rows, dtype=np.int64).reshape(-1, 9)
    process, functions, key, arguments, expecteds, results, invoked, completed, outcomes = table.T
    return History(
        process=process,
        function=functions.astype(np.int8),
        key=key.astype(np.int32),
        argument=arguments,
        expected=expecteds,
        result=results,
        intended=invoked,
        invoked=invoked,
        completed=completed,
        outcome=outcomes.astype(np.int8),
        client=np.unique(process, return_inverse=True)[1].astype(np.int32),
    )


def operations_of(history: History) -> list[Operation]:
    """The rows of a columnar history as operations; ``NIL`` is None."""
    operations = []
    columns = (
        history.process, history.function, history.key, history.argument, history.expected, history.result,
        history.invoked, history.completed, history.outcome,
    )  # fmt: skip
    for process, number, key, argument, expected, result, invoked, completed, outcome in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        function = _NAME[number]
        given: Any = None
        if function == "write":
            given = _value(argument)
        elif function == "cas":
            given = (_value(expected), _value(argument))
        known = outcome == OK and function != "write" and result != NOTHING
        operations.append(
            Operation(
                process=process,
                function=function,
                key=key,
                argument=given,
                result=_value(result) if known else MISSING,
                invoked=invoked,
                completed=NEVER if outcome == INFO else completed,
                # a compare-and-set that found another value than it expected, and does not say which
                outcome=FAIL if function == "cas" and outcome == OK and not known else outcome,
            )
        )
    return operations


def _value(number: int) -> int | None:
    return None if number == NIL else number
