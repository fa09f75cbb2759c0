"""What arguments and results the functions of a model have: foreign histories are held to it before they are judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from ..errors import UsageError
from ..history.history import OK
from ..history.operations import MISSING, Operation
from ..history.readers.events import refuse, shown
from ..history.readers.micro import are_micro_operations

Test = tuple[Callable[[Any], bool], str]
"""Whether a value will do, and what it must be, in words."""


def _number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _balances(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(each, tuple) and len(each) in (2, 3) for each in value)


ANY: Final[Test] = (lambda value: True, "anything")
NONE: Final[Test] = (lambda value: value is None, "nothing")
THING: Final[Test] = (lambda value: value is not None, "a value")
NUMBER: Final[Test] = (_number, "a whole number")
NUMBER_OR_NIL: Final[Test] = (lambda value: value is None or _number(value), "a whole number or nil")
TEXT_OR_NIL: Final[Test] = (lambda value: value is None or isinstance(value, str), "a string or nil")
TEXT: Final[Test] = (lambda value: isinstance(value, str), "a string")
PAIR: Final[Test] = (lambda value: isinstance(value, tuple) and len(value) == 2, "a pair: [expected, new]")
LIST: Final[Test] = (lambda value: value is None or isinstance(value, tuple), "a list")
TRUTH: Final[Test] = (lambda value: isinstance(value, bool), "true or false")
BALANCES: Final[Test] = (lambda value: value is None or _balances(value), "a balance for each account")
KEYED: Final[Test] = (lambda value: value is None or _balances(value), "a value for each key")
MICRO: Final[Test] = (are_micro_operations, "a list of [function, key, value]")

Shapes = Mapping[str, tuple[Test, Test]]
"""Function -> what its argument, and what the result of one that ended ok, must be."""

_REGISTER: Final[dict[str, tuple[Test, Test]]] = {"read": (ANY, ANY), "write": (THING, ANY)}
_SWAPS: Final[dict[str, tuple[Test, Test]]] = {"cas": (PAIR, ANY)}

SHAPES: Final[dict[str, Shapes]] = {
    "register": _REGISTER | _SWAPS,
    "cas-register": _REGISTER | _SWAPS,
    "multi-register": {"read": (ANY, ANY), "write": (ANY, ANY), "txn": (MICRO, MICRO)},
    "kv": _REGISTER | _SWAPS | {"get": (ANY, ANY), "put": (ANY, ANY), "append": (TEXT, ANY), "delete": (ANY, ANY)},
    "set": {"add": (THING, ANY), "remove": (THING, ANY), "contains": (THING, TRUTH), "read": (ANY, LIST)},
    "set-full": {"add": (THING, ANY), "read": (ANY, LIST)},
    "set-final": {"add": (THING, ANY), "read": (ANY, LIST)},
    "counter": {"add": (NUMBER_OR_NIL, ANY), "fetch-add": (NUMBER_OR_NIL, NUMBER), "read": (ANY, NUMBER_OR_NIL)},
    "counter-bounds": {"add": (NUMBER, ANY), "read": (ANY, NUMBER_OR_NIL)},
    "queue": {"enqueue": (THING, ANY), "dequeue": (ANY, ANY)},
    "stack": {"push": (THING, ANY), "pop": (ANY, ANY)},
    "mutex": {"acquire": (ANY, ANY), "release": (ANY, ANY)},
    "bank": {"read": (ANY, BALANCES), "transfer": (ANY, ANY), "txn": (MICRO, MICRO)},
    "long-fork": {"read": (ANY, KEYED), "write": (ANY, ANY), "txn": (MICRO, MICRO)},
}
SESSIONS: Final[Shapes] = _REGISTER | _SWAPS | {"get": (ANY, ANY), "put": (THING, ANY)}
"""For models of sessions, which are about registers."""
_STRINGS: Final[Shapes] = {"get": (ANY, TEXT_OR_NIL), "read": (ANY, TEXT_OR_NIL), "put": (TEXT_OR_NIL, ANY),
                           "write": (TEXT_OR_NIL, ANY), "append": (TEXT, ANY), "delete": (ANY, ANY)}  # fmt: skip


def refuse_misshapen(
    operations: Sequence[Operation], model: str, path: Path | str = "history", shapes: Shapes | None = None
) -> None:
    """Refuse operations that are none of this model, or are not written down as it has them.

    Args:
        operations: all of them.
        model: its name.
        path: of the source, for the message.
        shapes: of the model, where it has no entry in :data:`SHAPES`.

    Raises:
        UsageError: with the line of the first, and what is allowed.
    """
    if shapes is None:
        shapes = SHAPES.get(model)
    if shapes is None:
        return
    if model == "kv" and any(operation.function == "append" for operation in operations):
        shapes = {name: _STRINGS.get(name, tests) for name, tests in shapes.items()}
    for row, operation in enumerate(operations):
        tests = shapes.get(operation.function)
        if tests is None:
            words = f"unknown function {shown(operation.function)!r} for model {model} (allowed: {', '.join(shapes)})"
            _refuse(path, operation, row, words)
        (fits, needed), (explains, must) = tests
        if not fits(operation.argument):
            _refuse(path, operation, row, f"{operation.function} needs {needed}, not {shown(operation.argument)}")
        known = operation.outcome == OK and operation.result is not MISSING
        if known and not explains(operation.result):
            words = f"the result of {operation.function} must be {must}, not {shown(operation.result)}"
            _refuse(path, operation, row, words)
        if known and model == "multi-register" and operation.function == "txn":
            asked = [each[:2] for each in operation.argument]
            if [each[:2] for each in operation.result] != asked:
                words = f"the answer {shown(operation.result)} is to something else than {shown(operation.argument)}"
                _refuse(path, operation, row, words)


def _refuse(path: Path | str, operation: Operation, row: int, words: str) -> NoReturn:
    if operation.line:
        refuse(path, operation.line, words)
    raise UsageError(f"{path}, operation {row + 1}: {words}")
