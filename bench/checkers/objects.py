"""Judging operations against a model, object by object: by the quickest algorithm that is exact, else by search."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from time import monotonic
from typing import Any

from ..history.history import FAIL, INFO, NEVER, OK
from ..history.operations import MISSING, Operation
from . import locks, queues, registers, sets, stacks
from .cells import Cells, is_cell, say, where
from .decision import VALID, Decision
from .evidence import SHRINK_S, shrink
from .jit import Call, Found, Machine, StepFunction, search
from .lookahead import Seen
from .sequential import Model, owner, refuse_unknown

_ELEMENTS = 2_000_000
"""Steps that the elements of a set may have together; past it only the search is left."""


def judge(operations: Sequence[Operation], model: Model, deadline: float) -> Decision:
    """Whether the operations are linearizable with regard to the model.

    Args:
        operations: in any order.
        model: of each object, or of all of them if they are one.
        deadline: of ``time.monotonic()``.

    Raises:
        UsageError: an operation has a function that the model does not know.
    """
    return _Judge(operations, model, deadline).all()


def _foreseeing(step: StepFunction, seen: Seen) -> StepFunction:
    def foresee(state: Any, operation: Operation) -> Any:
        after = step(state, operation)
        return after if after is None or after is state else seen(after)

    return foresee


class _Judge:
    def __init__(self, operations: Sequence[Operation], model: Model, deadline: float) -> None:
        refuse_unknown(operations, model)
        self.operations = operations
        self.model = model
        self.deadline = deadline
        self.objects: dict[Hashable, list[int]] = {}
        self.failed: list[int] = []
        for row, operation in enumerate(operations):
            if operation.outcome == FAIL and not model.failures(operation):
                self.failed.append(row)
            else:
                self.objects.setdefault(operation.key if model.keyed else None, []).append(row)

    def all(self) -> Decision:
        """Of all objects: the first violation, quick ways first; or unknown if one is; else valid."""
        for row, operation in enumerate(self.operations):
            if operation.outcome == OK and operation.completed < operation.invoked:
                return Decision("unknown", f"{self.describe(row)} ended before it began: its clock cannot be trusted")
        cells = Cells(self.operations, self.model, self.describe)
        hard: list[tuple[Hashable, list[int]]] = []
        for key, rows in self.objects.items():
            if is_cell(self.operations, rows, self.model):
                decision = cells.add(key, rows)
            else:
                decision = self._shortcut(rows)
                if decision is None:
                    hard.append((key, rows))
            if decision is not None and decision.word == "invalid":
                return Decision("invalid", f"{where(key)}: {decision.reason}", decision.rows)
        if cells.keys:
            for row in self.failed:
                cells.note_failed(row)
        quick = registers.judge(cells.steps, cells, self.deadline)
        if quick.word == "invalid":
            return quick
        unknown = quick.reason
        hard.sort(key=lambda each: len(each[1]))
        for left, (key, rows) in zip(range(len(hard), 0, -1), hard, strict=True):
            now = monotonic()
            decision = self._search(
                rows, now + (self.deadline - now) / left
            )  # a hard one leaves the others their share
            if decision.word == "invalid":
                return Decision("invalid", f"{where(key)}: {decision.reason}", decision.rows)
            if decision.word == "unknown":
                unknown = unknown or f"{where(key)}: {decision.reason}"
        return Decision("unknown", unknown) if unknown else VALID

    # --- quick ways -------------------------------------------------------------------------------------------------

    def _shortcut(self, rows: Sequence[int]) -> Decision | None:
        match self.model.shortcut:
            case "queue":
                return queues.decide(self.operations, rows, self.describe)
            case "stack":
                return stacks.decide(self.operations, rows, self.describe, self.deadline)
            case "mutex":
                return locks.decide(self.operations, rows, self.describe, owner, self.model.lease_ns)
            case "set":
                return self._set(rows)
        return None

    def _set(self, rows: Sequence[int]) -> Decision | None:
        initial: frozenset[Hashable] = self.model.initial  # type: ignore[assignment]
        if not initial:
            decision = sets.decide_add_only(self.operations, rows, self.describe)
            if decision is not None:
                return decision
        steps = sets.elements(self.operations, rows, initial, _ELEMENTS)
        if steps is None:
            return None
        cells = Cells(self.operations, self.model, self.describe, values=["absent", "present"])
        cells.keys = list(steps)
        cells.steps = dict(enumerate(steps.values()))
        found = registers.judge(cells.steps, cells, self.deadline)
        if found.word == "invalid":
            return Decision("invalid", f"element {found.reason[4:]}", tuple(row for row in found.rows if row >= 0))
        if found.word == "valid" and not sets.has_whole_reads(self.operations, rows):
            return VALID
        return None

    # --- search -----------------------------------------------------------------------------------------------------

    def _search(self, rows: Sequence[int], deadline: float) -> Decision:
        step = self.model.step
        if self.model.lookahead is not None:
            step = _foreseeing(step, self.model.lookahead([self.operations[row] for row in rows]))
        machine = Machine(self.model.initial, step)
        calls = self._calls(rows, machine)
        found = search(calls, machine, deadline)
        if found.word == "valid":
            return VALID
        if found.word == "unknown":
            return Decision(
                "unknown", f"{found.why} after {found.configurations} configurations of {len(calls)} operations"
            )
        part = self._evidence(rows, found) or calls
        last = max(part, key=lambda call: call.end)
        if len(part) == 1:
            words = f"{self.describe(last.row)} is impossible, whatever came before it"
        else:
            words = f"no order of {len(part)} operations explains what the clients saw"
            words += f"; {self.describe(last.row)} cannot be placed"
        return Decision("invalid", words, tuple(sorted(call.row for call in part)))

    def _evidence(self, rows: Sequence[int], found: Found) -> list[Call]:
        """Few calls that show the violation; none if that is too hard."""
        # With operations left out, other states have hope; and what was known beforehand obstructs too early.
        machine = Machine(self.model.initial, self.model.step)
        calls = self._calls(rows, machine)
        if self.model.lookahead is not None:
            found = search(calls, machine, min(self.deadline, monotonic() + SHRINK_S))
        return shrink(calls, found.stuck, machine) if found.stuck is not None else []

    def _calls(self, rows: Sequence[int], machine: Machine) -> list[Call]:
        """The operations as the search sees them, without what constrains nothing."""
        calls = []
        for row in rows:
            operation = self.operations[row]
            optional = operation.outcome == INFO
            observes = operation.outcome == FAIL or self.model.observes(operation)
            if not (optional and observes):
                kind = machine.kind(self.model.kind(operation), operation)
                end = NEVER if optional else operation.completed
                calls.append(Call(row, kind, operation.invoked, end, optional, observes))
        return calls

    # --- words ------------------------------------------------------------------------------------------------------

    def describe(self, row: int) -> str:
        """The operation in words: who did what, and when or where it is written."""
        if row < 0:
            return "the beginning"
        operation = self.operations[row]
        what = operation.function
        if operation.argument is not None:
            what += f" {say(operation.argument)}"
        if operation.outcome == INFO:
            what += " without answer"
        elif operation.result is not MISSING and operation.result != operation.argument:
            what += f" -> {say(operation.result)}"
        place = f"line {operation.line}" if operation.line else f"operation {row}"
        return f"process {operation.process}'s {what} ({place})"
