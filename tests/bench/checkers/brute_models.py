"""Linearizability of any object by the definition: try every order, against objects that simply do what they are told.

Shares nothing with the checkers but the meaning of an operation. For histories of a handful of operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from msgspec import structs

from bench.history.history import FAIL, INFO, OK
from bench.history.operations import MISSING, Operation


class Register:
    """Reads, writes, compare-and-sets: ``do`` tells what a client would be told."""

    def __init__(self, value: Any = None) -> None:
        self.value = value

    def do(self, operation: Operation) -> Any:
        if operation.function == "write":
            self.value = operation.argument
            return None
        if operation.function == "read":
            return self.value
        expected, new = operation.argument
        found = self.value
        if found == expected:
            self.value = new
            return "swapped", found
        return "failed", found

    def agrees(self, operation: Operation, told: Any) -> bool:
        if operation.function == "read":
            return operation.result is MISSING or operation.result == told
        if operation.function != "cas":
            return True
        how, found = told
        if operation.result is not MISSING and operation.result != found:
            return False
        if operation.outcome == FAIL:
            return how == "failed"
        return operation.result is not MISSING or how == "swapped"

    def hears_failures(self, operation: Operation) -> bool:
        return operation.function == "cas"


class NilIsUnknown(Register):
    def agrees(self, operation: Operation, told: Any) -> bool:
        return super().agrees(operation, told) or (operation.function == "read" and operation.result is None)


class Store(Register):
    """One key; nothing there is the empty string."""

    def __init__(self) -> None:
        super().__init__("")

    def do(self, operation: Operation) -> Any:
        if operation.function == "get":
            return self.value
        if operation.function == "put":
            self.value = operation.argument
        elif operation.function == "append":
            self.value = self.value + operation.argument
        elif operation.function == "delete":
            self.value = ""
        else:
            return super().do(operation)
        return None

    def agrees(self, operation: Operation, told: Any) -> bool:
        if operation.function == "get":
            return operation.result is MISSING or (operation.result or "") == told
        if operation.function == "cas" and operation.result is None:
            return super().agrees(structs.replace(operation, result=""), told)
        return super().agrees(operation, told)


class Several:
    """Registers x and y, and transactions over them; a nil read says nothing."""

    def __init__(self) -> None:
        self.values = {"x": 0, "y": 0}

    def do(self, operation: Operation) -> Any:
        if operation.function != "txn":
            return self._one(operation.function, operation.key, operation.argument)
        return [self._one(*each) for each in operation.argument]

    def _one(self, function: str, key: str, argument: Any) -> Any:
        if function.startswith("w"):
            self.values[key] = argument
            return None
        return self.values[key]

    def agrees(self, operation: Operation, told: Any) -> bool:
        if operation.result is MISSING:
            return True
        if operation.function != "txn":
            return operation.function == "write" or operation.result in (None, told)
        return all(
            each[0] == "w" or each[2] is None or each[2] == seen
            for each, seen in zip(operation.result, told, strict=True)
        )

    def hears_failures(self, operation: Operation) -> bool:
        return False


class Plain:
    def hears_failures(self, operation: Operation) -> bool:
        return False

    def agrees(self, operation: Operation, told: Any) -> bool:
        return operation.result is MISSING or operation.result == told


class Set(Plain):
    def __init__(self) -> None:
        self.inside: list[Any] = []

    def do(self, operation: Operation) -> Any:
        if operation.function == "add" and operation.argument not in self.inside:
            self.inside.append(operation.argument)
        elif operation.function == "remove" and operation.argument in self.inside:
            self.inside.remove(operation.argument)
        elif operation.function == "contains":
            return operation.argument in self.inside
        elif operation.function == "read":
            return tuple(sorted(self.inside))
        return MISSING

    def agrees(self, operation: Operation, told: Any) -> bool:
        return told is MISSING or super().agrees(operation, told)


class Counter(Plain):
    def __init__(self) -> None:
        self.sum = 0

    def do(self, operation: Operation) -> Any:
        before = self.sum
        if operation.function != "read":
            self.sum += operation.argument
        return MISSING if operation.function == "add" else before

    def agrees(self, operation: Operation, told: Any) -> bool:
        return (
            told is MISSING
            or (operation.function, operation.result) == ("read", None)
            or super().agrees(operation, told)
        )


class Line(Plain):
    """A queue or a stack."""

    def __init__(self, end: int) -> None:
        self.inside: list[Any] = []
        self.end = end

    def do(self, operation: Operation) -> Any:
        if operation.function in ("enqueue", "push"):
            self.inside.append(operation.argument)
            return MISSING
        return self.inside.pop(self.end) if self.inside else None

    def agrees(self, operation: Operation, told: Any) -> bool:
        return told is MISSING or super().agrees(operation, told)


class Lock(Plain):
    def __init__(self) -> None:
        self.holder: Any = None

    def do(self, operation: Operation) -> Any:
        if operation.function == "acquire":
            if self.holder is not None:
                return "refused"
            self.holder = operation.process
        elif self.holder == operation.process:
            self.holder = None
        else:
            return "refused"
        return "done"

    def agrees(self, operation: Operation, told: Any) -> bool:
        return bool(told == "done")


def linearizable(operations: Sequence[Operation], new: Any) -> bool:
    """Whether the operations on one object, made by ``new()``, can be put in an order that explains them all."""
    hears = new().hears_failures
    took_part = [each for each in operations if each.outcome != FAIL or hears(each)]
    return _some_order([each for each in took_part if each.outcome != INFO], took_part, new())


def _some_order(certain: list[Operation], left: list[Operation], thing: Any) -> bool:
    if not certain:
        return True
    soonest = min(each.completed for each in certain)
    for each in left:
        if each.invoked > soonest:
            continue  # another has to come first
        now = deepcopy(thing)
        told = now.do(each)
        if each.outcome in (OK, FAIL) and not now.agrees(each, told):
            continue
        if _some_order([other for other in certain if other is not each], [o for o in left if o is not each], now):
            return True
    return False
