"""What readers of foreign histories share: refusals that name the line, and pairing answers with their invocations.

**Order.** The lines of such a file are in the order in which its recorder took note of them, and that is the order that
counts, as it does for the checkers these files were written for. Times are kept where there are any, but two processes
may have read the clock in one order and been written down in the other (recorded histories have such pairs, 5 s apart),
so an instant is never earlier than that of the line before, and no two are equal. Within *one process* time
that runs backwards is an error.

**After an info.** A process whose operation ended ``info`` may still be executing it, so by Jepsen's convention its
client goes on under another number, and no recorded history breaks this. One that does is not refused: what the
process does next is given a number of its own. That demands less of the history (nothing then says that the operation
in doubt took effect before what came next), so it cannot make a correct one look wrong.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any, Final, NoReturn

from ...errors import UsageError
from ..history import FAIL, INFO, NEVER, OK
from ..operations import MISSING, Operation

OUTCOME: Final = {"ok": OK, "fail": FAIL, "info": INFO}
OBSERVING: Final = frozenset({"read", "get", "contains", "dequeue", "pop", "fetch-add", "txn"})
"""Functions whose answer is more than their argument said again."""
LARGEST: Final = 2**62
"""Times and numbers of processes lie below it."""


def refuse(path: os.PathLike[str] | str, line: int, reason: str) -> NoReturn:
    """Refuse the history.

    Raises:
        UsageError: always.
    """
    raise UsageError(f"{path}, line {line}: {reason}")


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """(number from 1, line) of those that are not blank, one at a time."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            line = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip()
            if line:
                yield number, line


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The same as text.

    Raises:
        UsageError: a line is not UTF-8.
    """
    for number, line in lines(path):
        try:
            yield number, line.decode()
        except UnicodeDecodeError:
            refuse(path, number, "this is not text in UTF-8")


def shown(value: object, limit: int = 40) -> str:
    """A value in a message."""
    words = "nil" if value is None else f"{value}"
    return words if len(words) <= limit else f"{words[: limit - 3]}..."


class Paired:
    """Builds operations from invocations and answers in the order of the lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: list[list[Any]] = []  # process, life, function, key, argument, result, begin, end, outcome, line
        self._open: dict[int, list[Any]] = {}
        self._lives: dict[int, int] = {}
        self._dead: set[int] = set()
        self._last: dict[int, tuple[int, int]] = {}
        self._times: list[int] = []
        self._events = 0

    def _event(self, line: int, process: int, time: int | None) -> int:
        if time is not None:
            if not 0 <= time < LARGEST:
                refuse(self.path, line, f"time {time} is out of range: ns, 0 to 2^62")
            last, where = self._last.get(process, (0, 0))
            if time < last:
                words = f"time runs backwards: process {process} is at {time} ns, and was at {last} ns in line {where}"
                refuse(self.path, line, words)
            self._last[process] = (time, line)
            self._times.append(time)
        self._events += 1
        return self._events - 1

    def invoke(
        self, line: int, process: int, function: str, key: Hashable, argument: Any, time: int | None = None
    ) -> None:
        """A process begins an operation; process -1 stands for one that has no number.

        Raises:
            UsageError: it has one open, or the time runs backwards.
        """
        if process in self._open:
            before = self._open[process]
            words = f"process {process} begins {function!r} while its {before[2]!r} of line {before[9]} is open"
            refuse(self.path, line, words)
        if not -1 <= process < LARGEST:
            refuse(self.path, line, f"process {process} is out of range: 0 to 2^62")
        if process in self._dead:
            self._dead.discard(process)
            self._lives[process] = self._lives.get(process, 0) + 1
        life = self._lives.get(process, 0)
        begin = self._event(line, process, time)
        row = [process, life, function, key, argument, MISSING, begin, None, INFO, line]
        self._open[process] = row
        self._rows.append(row)

    def end(self, line: int, process: int, kind: str, function: str, result: Any, time: int | None = None) -> None:
        """A process ends its operation: ``kind`` is ok, fail or info.

        Args:
            line: number of the line.
            process: who.
            kind: how it ended.
            function: which must be that of the invocation.
            result: what the answer says, MISSING if nothing; for what only repeats its argument that is no result.
            time: ns, if there is a clock.

        Raises:
            UsageError: it has none open, or it was another; or the time runs backwards.
        """
        row = self._open.pop(process, None)
        if row is None:
            refuse(self.path, line, f"{kind} of process {process}, {function!r}, without an invocation")
        if row[2] != function:
            words = f"{kind} of process {process} is for {function!r}, but it began {row[2]!r} in line {row[9]}"
            refuse(self.path, line, words)
        outcome = OUTCOME[kind]
        row[7], row[8] = self._event(line, process, time), outcome
        if outcome == OK:
            if function in OBSERVING or (result is not None and result != row[4]):
                row[5] = result
        elif outcome == FAIL:
            # What a failed compare-and-set saw, if it says so: it is not the pair it was given, nor why it failed.
            if function == "cas" and result is not None and not isinstance(result, (str, tuple)):
                row[5] = result
        else:
            self._dead.add(process)

    def finish(self) -> tuple[list[Operation], bool]:
        """The operations in the order of their invocations, and whether they have times (else: positions).

        What is still open at the end of the file is ``info``.

        Raises:
            UsageError: only some lines have times.
        """
        clock = bool(self._times)
        if clock and len(self._times) != self._events:
            words = f"only {len(self._times)} of its {self._events} lines have a time: all must, or none"
            raise UsageError(f"{self.path}: {words}")
        if clock:
            instants, last = [], -1
            for time in self._times:
                last = max(time, last + 1)
                instants.append(last)
        else:
            instants = list(range(self._events))
        numbers: dict[tuple[int, int], int] = {}
        fresh = max((row[0] for row in self._rows), default=-1) + 1
        for row in self._rows:
            if (row[1] or row[0] < 0) and (row[0], row[1]) not in numbers:
                numbers[row[0], row[1]] = fresh + len(numbers)
        operations = [
            Operation(
                process=numbers.get((process, life), process),
                function=function,
                key=key,
                argument=argument,
                result=result,
                invoked=instants[begin],
                completed=NEVER if outcome == INFO else instants[end],
                outcome=outcome,
                line=line,
            )
            for process, life, function, key, argument, result, begin, end, outcome, line in self._rows
        ]
        return operations, clock
