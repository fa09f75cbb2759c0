"""Operations on registers, and on keys of stores that are used as such, as steps over small integers.

Values can be anything; each different one gets a number, the initial one ``NIL``. So all that is known of registers
(:mod:`.unique`, :mod:`.search`, :mod:`.shrink`) serves here too.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from ..history.history import FAIL, INFO, NEVER, NIL
from ..history.operations import MISSING, Operation
from .decision import Decision
from .pairs import Describe
from .sequential import Model, filled
from .steps import Step

_READS = frozenset({"read", "get"})
_WRITES = frozenset({"write", "put", "delete"})


def is_cell(operations: Sequence[Operation], rows: Sequence[int], model: Model) -> bool:
    """Whether the operations in these rows, all on one key, are those of a register."""
    if model.shortcut == "register":
        return True
    return model.shortcut == "kv" and not any(operations[row].function == "append" for row in rows)


@dataclass
class Cells:
    """The steps on each cell.

    Attributes:
        steps: number of the cell -> its steps.
        keys: number of the cell -> its key.
    """

    operations: Sequence[Operation]
    model: Model
    describe: Describe
    steps: dict[int, list[Step]] = field(default_factory=dict)
    keys: list[Hashable] = field(default_factory=list)
    failed: dict[tuple[int, int], int] = field(default_factory=dict)
    values: list[object] = field(default_factory=list)
    _numbers: dict[Hashable, int] = field(default_factory=dict)

    def add(self, key: Hashable, rows: Sequence[int]) -> Decision | None:
        """One more cell; or what is wrong with it, if one operation by itself is impossible."""
        number = len(self.keys)
        self.keys.append(key)
        steps = self.steps[number] = []
        for row in rows:
            operation = self.operations[row]
            if operation.outcome == FAIL and operation.function == "cas" and self._found(operation):
                del self.steps[number]
                return Decision("invalid", f"{self.describe(row)} failed, although it found what it expected", (row,))
            step = self._step(row, operation)
            if step is not None:
                steps.append(step)
        return None

    def _found(self, failed: Operation) -> bool:
        """Whether a failed compare-and-set saw what it expected."""
        told, expected = failed.result, failed.argument[0]
        return told is not MISSING and self._number(told) == self._number(expected)

    def note_failed(self, row: int) -> None:
        """A write that failed, on a cell already added: what it would have left is named if somebody saw it."""
        operation = self.operations[row]
        if operation.function in _WRITES and operation.key in self.keys:
            self.failed.setdefault((self.keys.index(operation.key), self._number(operation.argument)), row)

    def _number(self, value: Hashable) -> int:
        if self.model.shortcut == "kv":
            value = filled(value)
        if value == self.model.start:
            return NIL
        number = self._numbers.setdefault(value, len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number

    def _step(self, row: int, operation: Operation) -> Step | None:
        optional = operation.outcome == INFO
        end = NEVER if optional else operation.completed
        need: int | None = None
        gives: int | None = None
        avoid: int | None = None
        if operation.function in _READS:
            told = operation.result
            if optional or told is MISSING or (told is None and self.model.nil_read_is_unknown):
                return None
            need = self._number(told)
        elif operation.function in _WRITES:
            gives = self._number(None if operation.function == "delete" else operation.argument)
        else:
            expected, new = map(self._number, operation.argument)
            told = MISSING if optional else operation.result
            if operation.outcome == FAIL:
                need, avoid = (None, expected) if told is MISSING else (self._number(told), None)
            else:
                need = expected if told is MISSING else self._number(told)
                if need == expected and new != expected:
                    gives = new
                elif optional:
                    return None
        return Step(row, need, gives, avoid, operation.invoked, end, optional)

    # Words, for the reasons.

    def key(self, key: int) -> str:
        """See :class:`.registers.Words`."""
        return where(self.keys[key])

    def operation(self, row: int) -> str:
        """See :class:`.registers.Words`."""
        return self.describe(row)

    def value(self, value: int | None) -> str:
        """See :class:`.registers.Words`."""
        if value is None:
            return "something else"
        return say(self.model.start if value == NIL else self.values[value])

    def refused(self, key: int, value: int) -> str | None:
        """See :class:`.registers.Words`."""
        row = self.failed.get((key, value))
        return None if row is None else self.describe(row)


def where(key: Hashable) -> str:
    """The object, in words."""
    return "the object" if key is None else f"key {say(key)}"


def say(value: object) -> str:
    """A value, in words: short ones in full."""
    words = "nil" if value is None else value if isinstance(value, str) and value else repr(value)
    return words if len(words) <= 40 else f"{words[:18]}...{words[-18:]}"
