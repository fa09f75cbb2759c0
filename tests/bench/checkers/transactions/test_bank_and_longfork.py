"""Bank accounts and long forks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench.checkers.transactions import bank, longfork
from bench.history.history import FAIL, INFO, NEVER, OK
from bench.history.operations import Operation
from tests.bench.checkers.recorded import folder

from .build import serial

FOLDER = folder()
HERE = FOLDER or Path()
needs_recorded = pytest.mark.skipif(FOLDER is None, reason="no folder of recorded histories (QUORUMBENCH_HISTORIES)")


def operations(path: Path) -> list[Operation]:
    """Jepsen's operations, results as pairs or micro-operations."""
    found: list[Operation] = []
    open_: dict[int, tuple[int, Any]] = {}
    ends = {"ok": OK, "fail": FAIL, "info": INFO}
    for place, line in enumerate(path.read_text().splitlines()):
        if not line:
            continue
        event = json.loads(line)
        process, value = event.get("process", 0), event.get("value")
        if not isinstance(process, int):
            continue
        if isinstance(value, dict):
            value = tuple(value.items())
        elif isinstance(value, list):
            value = tuple(tuple(each) if isinstance(each, list) else each for each in value)
        if event["type"] == "invoke":
            open_[process] = (place, value)
            continue
        began, argument = open_.pop(process)
        end = ends[event["type"]]
        found.append(
            Operation(process=process, function=event["f"], argument=argument, result=value, invoked=began,
                      completed=place if end != INFO else NEVER, outcome=end)
        )  # fmt: skip
    return found


def read(*balances: Any) -> Operation:
    return Operation(process=0, function="read", result=tuple(enumerate(balances)))


@needs_recorded
def test_recorded_banks() -> None:
    fine = bank.check(operations(HERE / "elle-cli/jepsen/bank.jsonl"))
    assert fine.verdict == "valid"
    assert fine.figures["reads"] == 168
    for total in (None, 100):
        wrong = bank.check(operations(HERE / "elle-cli/jepsen/bank-tidb.jsonl"), total=total)
        assert wrong.verdict == "invalid"
        assert wrong.anomalies == ("wrong-total",)
        assert wrong.figures["wrong_reads"] == wrong.figures["reads"] - 74
        assert "not 100" in wrong.reason


def test_totals() -> None:
    assert bank.check([read(5, 5), read(4, 6)]).verdict == "valid"
    verdict = bank.check([read(5, 5), read(4, 5), read(6, 4)])
    assert verdict.verdict == "invalid"
    assert verdict.rows == (0, 1)
    assert "a total of 9, not 10" in verdict.reason
    assert bank.check([read(5, 5)], total=11).rows == (0,)
    assert bank.check([]).verdict == "unknown"


def test_balances_and_accounts() -> None:
    below = [read(11, -1)]
    assert bank.check(below).anomalies == ("negative-balance",)
    assert bank.check(below, negative_balances=True).verdict == "valid"
    assert bank.check([read(5, None), read(5, 5)]).anomalies == ("nil-balance",)
    assert bank.check([read(5, 5), read(5, 5), read(4, 3, 3)]).anomalies == ("unexpected-account",)
    assert bank.check([read(5, 5)], accounts=[0, 1, 2]).anomalies == ("unexpected-account",)
    mapping = Operation(process=0, function="read", result={"a": 5, "b": 4})
    assert bank.check([mapping], total=10).verdict == "invalid"


def test_a_bank_of_transactions() -> None:
    t = serial([("r", "a", 5), ("r", "b", 5)], [("r", "a", 4), ("w", "a", 3)], [("r", "a", 5), ("r", "b", 4)])
    verdict = bank.check(t, total=10)
    assert verdict.rows == (2,)
    assert verdict.figures["reads"] == 2


@needs_recorded
def test_the_recorded_fork() -> None:
    history = operations(HERE / "elle-cli/jepsen/long-fork.jsonl")
    for size in (None, 3):
        # Its reads are {0, 1} and {0, 2} of three keys.
        verdict = longfork.check(history, group_size=size)
        assert verdict.verdict == "invalid"
        assert verdict.rows == (0, 1)
        assert verdict.anomalies == ("long-fork",)
    assert longfork.check(history, group_size=2).verdict == "unknown"


def test_forks() -> None:
    def seen(*values: int | None) -> list[tuple[str, int, int | None]]:
        return [("r", key, value) for key, value in enumerate(values)]

    chain = serial([("w", 0, 1)], [("w", 1, 1)], seen(None, None), seen(1, None), seen(1, 1))
    assert longfork.check(chain).verdict == "valid"
    fork = longfork.check(serial([("w", 0, 1)], [("w", 1, 1)], seen(None, 1), seen(1, 1), seen(1, None)))
    assert fork.verdict == "invalid"
    assert fork.rows == (2, 4)
    assert longfork.check(serial([("w", 0, 1)], [("w", 0, 2)], seen(1, None))).verdict == "unknown"
    assert longfork.check(serial(seen(1, None), seen(2, None))).verdict == "unknown"
    assert longfork.check([]).verdict == "unknown"
