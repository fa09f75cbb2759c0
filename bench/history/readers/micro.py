"""Transactions in columns, from micro-operations."""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..history import FAIL, NEVER, OK
from ..operations import MISSING, Operation
from ..transactions import APPEND, LIST, NIL, READ, UNKNOWN, WRITE, Transactions
from .events import refuse, shown

KINDS = {"r": READ, "read": READ, "w": WRITE, "write": WRITE, "append": APPEND}


def are_micro_operations(value: Any) -> bool:
    """Whether a value is a list of (function, key, value), the function being one of :data:`KINDS`."""
    return (
        isinstance(value, tuple)
        and all(isinstance(each, tuple) and len(each) == 3 for each in value)
        and all(isinstance(each[0], str) and each[0].removeprefix(":") in KINDS for each in value)
    )


class Builder:
    """Collects transactions, a micro-operation at a time."""

    def __init__(self) -> None:
        self._rows: dict[str, array[int]] = {
            name: array("q") for name in ("process", "invoked", "completed", "outcome", "line")
        }
        self._mops: dict[str, array[int]] = {name: array("q") for name in ("kind", "key", "value", "start", "end")}
        self._first = array("q", [0])
        self._elements = array("q")
        self._keys: dict[Hashable, int] = {}
        self._values: dict[Hashable, int] = {}

    def begin(self, process: int, invoked: int, completed: int, outcome: int, line: int) -> None:
        """One more transaction; the next micro-operations are its."""
        self._first.append(self._first[-1])
        for column, value in zip(self._rows.values(), (process, invoked, completed, outcome, line), strict=True):
            column.append(value)

    def add(self, kind: int, key: Hashable, value: Any) -> None:
        """One more micro-operation; what a read saw is None, :data:`MISSING`, a tuple, or a value."""
        code = start = end = 0
        if kind == READ and value is None:
            code = NIL
        elif kind == READ and value is MISSING:
            code = UNKNOWN
        elif kind == READ and type(value) is tuple:
            code, start = LIST, len(self._elements)
            values = self._values
            self._elements.extend([values.setdefault(each, len(values)) for each in value])
            end = len(self._elements)
        else:
            code = self._values.setdefault(value, len(self._values))
        numbers = (kind, self._keys.setdefault(key, len(self._keys)), code, start, end)
        for column, number in zip(self._mops.values(), numbers, strict=True):
            column.append(number)
        self._first[-1] += 1

    def build(self, *, realtime: bool) -> Transactions:
        """All of them."""

        def column(numbers: array[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
            return np.frombuffer(numbers, np.int64).copy() if len(numbers) else np.empty(0, np.int64)

        return Transactions(
            **{name: column(numbers) for name, numbers in (self._rows | self._mops).items()},
            first=column(self._first),
            elements=column(self._elements),
            keys=tuple(self._keys),
            values=tuple(self._values),
            realtime=realtime,
        )


def transactions_of(operations: Sequence[Operation], path: Path | str = "history") -> Transactions:
    """Operations whose arguments and results are lists of micro-operations, as transactions.

    Of one that did not end ok, only what it meant to write is known.

    Raises:
        UsageError: one of them is no such list; naming its line.
    """
    builder = Builder()
    for operation in operations:
        answered = operation.outcome == OK and operation.result is not MISSING and operation.result is not None
        mops = operation.result if answered else operation.argument
        if not isinstance(mops, tuple):
            words = f"{operation.function!r} with {shown(mops)} is not a transaction: a list of [function, key, value]"
            refuse(path, operation.line, words)
        completed = operation.completed if operation.outcome in (OK, FAIL) else NEVER
        builder.begin(operation.process, operation.invoked, completed, operation.outcome, operation.line)
        for mop in mops:
            if not isinstance(mop, tuple) or len(mop) != 3:
                refuse(path, operation.line, f"{shown(mop)} is not [function, key, value]")
            name, key, value = mop
            kind = KINDS.get(name.removeprefix(":")) if isinstance(name, str) else None
            if kind is None:
                words = f"unknown function {shown(name)!r} in a transaction (allowed: {', '.join(KINDS)})"
                refuse(path, operation.line, words)
            if kind != READ and value is None:
                refuse(path, operation.line, f"{name} of key {shown(key)} has no value")
            builder.add(kind, key, MISSING if kind == READ and not answered else value)
    return builder.build(realtime=True)


def transactions_of_registers(operations: Sequence[Operation]) -> Transactions:
    """Operations on registers as transactions of one micro-operation; of two, for a compare-and-set that swapped."""
    builder = Builder()
    for operation in operations:
        ok = operation.outcome == OK
        completed = operation.completed if operation.outcome in (OK, FAIL) else NEVER
        builder.begin(operation.process, operation.invoked, completed, operation.outcome, operation.line)
        key, function, told = operation.key, operation.function, operation.result
        if function in ("write", "put"):
            builder.add(WRITE, key, operation.argument)
        elif function in ("read", "get"):
            builder.add(READ, key, told if ok else MISSING)
        else:
            expected, new = operation.argument
            swapped = told is MISSING or told == expected
            builder.add(READ, key, (expected if swapped else told) if ok else MISSING)
            if swapped or not ok:
                builder.add(WRITE, key, new)
    return builder.build(realtime=True)
