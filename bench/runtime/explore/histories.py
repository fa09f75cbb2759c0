"""What clients have seen in a state of the search: of each operation its answer, and what had ended before it began."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from protocols.node import Info, Outcome

from ...checkers.registry import Check
from ...checkers.verdict import Verdict
from ...history import History, HistoryBuilder
from .numbers import Numbers
from .steps import TICK, add_operation

CHECK_S = 5.0
"""For one check of one history; it is of a few operations."""

NOT_BEGUN = (0,)
"""Of an operation; (1, mask of those that had ended before) is under way, (2, mask, outcome) has ended."""


class Histories(Numbers):
    """Histories by number: what becomes of one when an operation begins or ends, and whether one is a violation.

    Attributes:
        checks: that judge them.
        judged: what they said, by the history's number; None: no objection.
    """

    __slots__ = ("_operations", "checks", "judged")

    def __init__(self, operations: tuple[tuple[int, Any], ...], checks: Sequence[Check]) -> None:
        super().__init__()
        self._operations = operations
        self.checks = checks
        self.judged: dict[int, Verdict | None] = {}

    def begun(self, history: int, operation: int) -> int:
        """That history, and then the operation begins."""
        entries = list(self.of(history))
        ended = [entry[0] == 2 and not isinstance(entry[2], Info) for entry in entries]
        mask = sum(1 << index for index, each in enumerate(ended) if each)
        entries[operation] = (1, mask)
        return self[tuple(entries)]

    def ended(self, history: int, operation: int, outcome: Outcome) -> int:
        """That history, and then the operation ends, if it is under way."""
        entries = list(self.of(history))
        if entries[operation][0] == 1:
            entries[operation] = (2, entries[operation][1], outcome)
        return self[tuple(entries)]

    def judge(self, history: int) -> Verdict | None:
        """The verdict that fails, if one does; each history is judged once."""
        if history not in self.judged:
            self.judged[history] = None
            columns = self._columns(history)
            for check in self.checks:
                verdict = check(columns, CHECK_S)
                if verdict.verdict == "invalid":
                    self.judged[history] = verdict
        return self.judged[history]

    def _columns(self, history: int) -> History:
        """With times that say exactly which operation had ended before which began."""
        entries = self.of(history)
        begun = [index for index, entry in enumerate(entries) if entry[0]]
        # what had ended before an operation began had ended before all that began later, too: by the size of the mask
        begun.sort(key=lambda index: (bin(entries[index][1]).count("1"), index))
        at: dict[int, list[int]] = {index: [0, 0] for index in begun}
        time_, ended = 0, 0
        for index in begun:
            for other in begun:
                if entries[index][1] >> other & 1 and not ended >> other & 1:
                    time_ += 1
                    at[other][1] = time_
                    ended |= 1 << other
            time_ += 1
            at[index][0] = time_
        builder = HistoryBuilder()
        for index in begun:
            client, request = self._operations[index]
            outcome = entries[index][2] if entries[index][0] == 2 else None
            time_ += 1
            end = at[index][1] or time_
            add_operation(builder, request, index, at[index][0] * TICK, end * TICK, outcome, client)
        return builder.build()
