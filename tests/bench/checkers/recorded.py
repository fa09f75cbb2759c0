"""Reads the recorded register histories that other projects publish with known verdicts (Jepsen's log format)."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path

from bench.history.history import CAS, INFO, NEVER, NIL, NOTHING, OK, READ, WRITE, History, HistoryBuilder

_LINE = re.compile(r"INFO\s+jepsen\.util - (\d+)\s+:(invoke|ok|fail|info)\s+:(read|write|cas)\s+(.+)")
_MS = 1_000_000


def folder() -> Path | None:
    """The folder of recorded histories, if this machine has it."""
    named = os.environ.get("QUORUMBENCH_HISTORIES")
    path = Path(named) if named else Path(__file__).parents[4] / "shared" / "histories"
    return path if (path / "porcupine" / "manifest.tsv").is_file() else None


def register_logs() -> list[tuple[str, bool]]:
    """(file, linearizable) of each log whose verdict its project states."""
    root = folder()
    if root is None:
        return []
    with (root / "porcupine" / "manifest.tsv").open() as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    stated = {"linearizable": True, "not-linearizable": False}
    return [
        (row["file"], stated[row["expected"]])
        for row in rows
        if row["file"].startswith("etcd") and row["expected"] in stated
    ]


def read_log(path: Path) -> History:
    """One compare-and-set register; the line number is the time, since the log has only an order.

    A failed compare-and-set found another value than it expected, which the log does not tell: ``NOTHING``. A read
    that failed only timed out.
    """
    builder = HistoryBuilder()
    open_since: dict[int, tuple[int, str, str]] = {}

    def end(process: int, completed: int, kind: str, told: str) -> None:
        started, function, asked = open_since.pop(process)
        numbers = [int(number) for number in re.findall(r"-?\d+", asked)]
        argument = expected = result = NOTHING
        outcome = OK if kind != "info" else INFO
        if function == "read":
            outcome = OK if kind == "ok" else INFO
            if outcome == OK:
                result = NIL if told == "nil" else int(told)
        elif function == "write":
            argument = numbers[0]
        else:
            expected, argument = numbers
            result = expected if kind == "ok" else NOTHING
        builder.add(
            process=process,
            function={"read": READ, "write": WRITE, "cas": CAS}[function],
            key=0,
            argument=argument,
            expected=expected,
            result=result,
            intended=started,
            invoked=started,
            completed=completed,
            outcome=outcome,
            client=process,
        )

    number = 0
    for number, line in enumerate(path.read_text().splitlines()):
        match = _LINE.match(line)
        if match is None:
            continue
        process = int(match[1])
        if match[2] == "invoke":
            open_since[process] = (number * _MS, match[3], match[4])
        else:
            end(process, number * _MS, match[2], match[4])
    for process in list(open_since):
        end(process, NEVER, "info", "")
    return builder.build()
