"""Small random histories of every model: mostly plausible, often wrong, with every outcome and repeated values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import msgspec

from bench.checkers import models
from bench.checkers.models import Model
from bench.history.history import FAIL, INFO, NEVER, OK
from bench.history.operations import MISSING, Operation

from . import brute_models as brute

Asked = tuple[str, Any, Any]
"""(function, key, argument)"""


@dataclass(frozen=True)
class Case:
    """A model, the object that defines it, and how to draw operations on it."""

    model: Model
    new: Callable[[], Any]
    ask: Callable[[Random, int, bool], Asked]
    """(generator, number of the operation, whether written values are to differ)"""
    lie: Callable[[Random, Operation], Any]
    """Another result."""
    process_bound: bool = False
    """Operations of one process are one after the other."""

    def searched(self) -> Case:
        """The same, judged by the general algorithm."""
        return replace(self, model=replace(self.model, shortcut=""))


def _value(rng: Random, number: int, unique: bool) -> int:
    return number + 10 if unique else rng.choice((0, 1, 1, 2))


def _register(rng: Random, number: int, unique: bool) -> Asked:
    function = rng.choices(("read", "write", "cas"), (3, 2, 3))[0]
    new = _value(rng, number, unique)
    if function == "cas":
        return "cas", None, (rng.choice((0, 1, 2, None, *range(10, 10 + number))), new)
    return function, None, None if function == "read" else new


def _store(rng: Random, number: int, unique: bool) -> Asked:
    function = rng.choices(("get", "put", "append", "delete", "cas"), (4, 2, 2, 1, 1))[0]
    value = "abcdefgh"[number] if unique else rng.choice("ab")
    if function == "cas":
        return "cas", None, (rng.choice(("", "a", "b", "ab")), value)
    return function, None, value if function in ("put", "append") else None


def _cell(rng: Random, number: int, unique: bool) -> Asked:
    asked = _store(rng, number, unique)
    return ("put", None, asked[2]) if asked[0] == "append" else asked


def _several(rng: Random, number: int, unique: bool) -> Asked:
    if rng.random() < 0.3:
        key = rng.choice("xy")
        return rng.choice((("read", key, None), ("write", key, _value(rng, number, unique))))
    steps = [
        (("r", key, None) if rng.random() < 0.5 else ("w", key, _value(rng, number, unique)))
        for key in rng.choices("xy", k=rng.randint(1, 3))
    ]
    return "txn", None, tuple(steps)


def _add_only(rng: Random, number: int, unique: bool) -> Asked:
    return ("add", None, _value(rng, number, unique)) if rng.random() < 0.55 else ("read", None, None)


def _set(rng: Random, number: int, unique: bool) -> Asked:
    function = rng.choices(("add", "remove", "contains", "read"), (4, 2, 2, 1 if unique else 3))[0]
    return function, None, None if function == "read" else rng.choice((1, 2))


def _counter(rng: Random, number: int, unique: bool) -> Asked:
    function = rng.choice(("add", "add", "fetch-add", "read"))
    return function, None, None if function == "read" else rng.choice((1, 1, 2, -1))


def _line(into: str, out: str) -> Callable[[Random, int, bool], Asked]:
    def ask(rng: Random, number: int, unique: bool) -> Asked:
        return (into, None, _value(rng, number, unique)) if rng.random() < 0.5 else (out, None, None)

    return ask


def _lock(rng: Random, number: int, unique: bool) -> Asked:
    return rng.choice(("acquire", "release")), None, None


def _other_value(rng: Random, operation: Operation) -> Any:
    if operation.function == "cas" and rng.random() < 0.3:
        return operation.argument[0]
    return rng.choice((0, 1, 2, None, 10, 11, 12, 13, 99))


def _other_text(rng: Random, operation: Operation) -> Any:
    return rng.choice(("", None, "a", "b", "ab", "ba", "abc", "c"))


def _other_set(rng: Random, operation: Operation) -> Any:
    if operation.function == "contains":
        return not operation.result
    inside = set(operation.result) ^ {rng.choice((1, 2, 10, 11, 12, 13))}
    return tuple(sorted(inside))


def _other_transaction(rng: Random, operation: Operation) -> Any:
    if operation.function != "txn":
        return rng.choice((0, 1, 2, None))
    return tuple((f, key, rng.choice((0, 1, 2, None)) if f == "r" else v) for f, key, v in operation.result)


CASES: dict[str, Case] = {
    "register": Case(models.MODELS["cas-register"](), brute.Register, _register, _other_value),
    "nil-is-unknown": Case(
        models.MODELS["cas-register"](0, nil_read_is_unknown=True),
        lambda: brute.NilIsUnknown(0),
        _register,
        _other_value,
    ),
    "multi-register": Case(
        models.MODELS["multi-register"](values={"x": 0, "y": 0}), brute.Several, _several, _other_transaction
    ),
    "kv": Case(models.MODELS["kv"](), brute.Store, _store, _other_text),
    "kv without append": Case(models.MODELS["kv"](), brute.Store, _cell, _other_text),
    "set": Case(models.MODELS["set"](), brute.Set, _set, _other_set),
    "add-only set": Case(models.MODELS["set"](), brute.Set, _add_only, _other_set),
    "counter": Case(models.MODELS["counter"](), brute.Counter, _counter, _other_value),
    "queue": Case(models.MODELS["queue"](), lambda: brute.Line(0), _line("enqueue", "dequeue"), _other_value),
    "stack": Case(models.MODELS["stack"](), lambda: brute.Line(-1), _line("push", "pop"), _other_value),
    "mutex": Case(models.MODELS["mutex"](), brute.Lock, _lock, _other_value, process_bound=True),
}


def draw(case: Case, rng: Random, largest: int = 7) -> list[Operation]:
    """A history: what an object told at instants within the operations, and perhaps a lie or a shortened operation."""
    count = rng.randint(1, largest)
    unique = rng.random() < 0.6
    horizon = rng.choice((4, 8, 14, 24))
    drawn: list[tuple[float, Operation]] = []
    free: dict[int, int] = {}
    for number in range(count):
        function, key, argument = case.ask(rng, number, unique)
        process, start = number, rng.randrange(horizon)
        if case.process_bound:
            process = rng.randrange(3)
            start = max(start, free.get(process, 0)) + rng.choice((0, 1))
        end = start + rng.choice((0, 1, 2, 4, 8))
        outcome = rng.choices((OK, FAIL, INFO), weights=(14, 1, 3))[0]
        free[process] = NEVER // 2 if outcome == INFO else end
        if start >= NEVER // 2:
            continue
        effect = rng.uniform(start, end)
        if outcome == INFO:
            effect = rng.choice((effect, effect + rng.randrange(20), float("inf")))
        operation = Operation(
            process=process,
            function=function,
            key=key,
            argument=argument,
            invoked=start,
            completed=NEVER if outcome == INFO and rng.random() < 0.7 else end,
            outcome=outcome,
            line=number + 1,
        )
        drawn.append((effect, operation))
    thing = case.new()
    history: list[Operation] = []
    for effect, operation in sorted(drawn, key=lambda each: each[0]):
        happened = operation.outcome != FAIL and effect != float("inf")
        if not happened and (operation.function != "cas" or rng.random() < 0.5):
            history.append(operation)
            continue
        told = thing.do(operation)
        if operation.outcome != INFO:
            operation = _told(case, rng, operation, told)
        history.append(operation)
    for _ in range(rng.choice((0, 1, 1, 2)) if history else 0):
        _falsify(case, rng, history)
    rng.shuffle(history)
    return history


def _told(case: Case, rng: Random, operation: Operation, told: Any) -> Operation:
    if operation.function == "cas":
        how, found = told
        if how == "swapped":
            return msgspec.structs.replace(operation, outcome=OK, result=rng.choice((MISSING, found)))
        outcome = rng.choice((OK, FAIL))
        result = found if outcome == OK else rng.choice((MISSING, found))
        return msgspec.structs.replace(operation, outcome=outcome, result=result)
    if operation.function == "txn":
        seen = tuple(
            (f, key, value if f == "w" else got) for (f, key, value), got in zip(operation.argument, told, strict=True)
        )
        return msgspec.structs.replace(operation, result=seen)
    if told == "refused":
        return msgspec.structs.replace(operation, outcome=FAIL)
    if told == "done":
        return operation
    if operation.function in ("write", "put", "append", "delete"):
        return operation
    return msgspec.structs.replace(operation, result=MISSING if rng.random() < 0.03 else told)


def _falsify(case: Case, rng: Random, history: list[Operation]) -> None:
    """One operation saw something else, or was shorter or at another time than it was."""
    place = rng.randrange(len(history))
    operation = history[place]
    if rng.random() < 0.5 and operation.outcome != INFO and operation.result is not MISSING:
        history[place] = msgspec.structs.replace(operation, result=case.lie(rng, operation))
    elif case.process_bound:
        history[place] = msgspec.structs.replace(operation, outcome=OK, completed=min(operation.completed, 99))
    elif operation.outcome != INFO:
        by = rng.randint(-6, 6)
        start = operation.invoked + by
        history[place] = msgspec.structs.replace(operation, invoked=start, completed=start + rng.choice((0, 1, 3)))
