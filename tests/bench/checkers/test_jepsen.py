"""Necessary conditions on sets and counters."""

from __future__ import annotations

from itertools import chain, combinations
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bench.checkers.jepsen import check_counter, check_set, check_set_full
from bench.history.history import FAIL, INFO, NEVER, OK
from bench.history.operations import Operation
from tests.bench.checkers.recorded import folder
from tests.bench.checkers.transactions.test_bank_and_longfork import operations

FOLDER = folder()
HERE = FOLDER or Path()
needs_recorded = pytest.mark.skipif(FOLDER is None, reason="no folder of recorded histories (QUORUMBENCH_HISTORIES)")


def op(function: str, value: Any, began: int, ended: int = -1, outcome: int = OK) -> Operation:
    told = {"result": value} if function == "read" else {"argument": value}
    completed = NEVER if outcome == INFO else ended if ended >= 0 else began + 1
    return Operation(process=began, function=function, invoked=began, completed=completed, outcome=outcome, **told)


@needs_recorded
def test_recorded() -> None:
    assert check_counter(operations(HERE / "elle-cli/jepsen/counter.jsonl")).verdict == "valid"
    assert check_set(operations(HERE / "elle-cli/jepsen/set.jsonl")).verdict == "valid"
    full = check_set_full(operations(HERE / "elle-cli/jepsen/set_full.jsonl"))
    assert full.verdict == "invalid"
    assert "lost" in full.anomalies


def test_the_last_read_of_a_set() -> None:
    added = [op("add", 1, 0), op("add", 2, 2, outcome=INFO), op("add", 3, 4, outcome=FAIL)]
    assert check_set([*added, op("read", (1,), 6)]).verdict == "valid"
    assert check_set([*added, op("read", (1, 2), 6)]).figures["recovered"] == 1
    lost = check_set([*added, op("read", (), 6)])
    assert lost.anomalies == ("lost",)
    assert lost.rows == (0, 3)
    assert check_set([*added, op("read", (1, 3), 6)]).anomalies == ("unexpected",)
    assert check_set([*added, op("read", (1, 9), 6)]).anomalies == ("unexpected",)
    assert check_set(added).verdict == "unknown"


def test_each_element_of_a_set() -> None:
    add = op("add", 1, 0)
    assert check_set_full([add, op("read", (1,), 5)]).verdict == "valid"
    lost = check_set_full([add, op("read", (1,), 5), op("read", (), 8)])
    assert lost.anomalies == ("lost",)
    assert lost.rows == (0, 2)
    late = [add, op("read", (), 5), op("read", (1,), 8)]
    assert check_set_full(late).verdict == "valid"
    assert check_set_full(late).figures["stale"] == 1
    assert check_set_full(late, stale_is_invalid=True).anomalies == ("stale",)
    assert check_set_full([op("add", 1, 0, 9), op("read", (), 5)]).verdict == "unknown"  # concurrent
    late = check_set_full([add, op("read", (1,), 5)], budget_s=0.0)
    assert (late.verdict, late.reason) == ("unknown", "out of time after 0 of 1 elements, in 0 reads")
    assert check_set_full([op("add", 1, 0, outcome=INFO), op("read", (1,), 5), op("read", (), 8)]).anomalies == (
        "lost",
    )
    assert check_set_full([add, op("read", (1, 1), 5)]).anomalies == ("duplicate",)
    assert check_set_full([add, op("read", (1, 2), 5)]).anomalies == ("unexpected",)


def test_the_bounds_of_a_counter() -> None:
    assert check_counter([op("add", 1, 0), op("read", 1, 5)]).verdict == "valid"
    assert check_counter([op("add", 1, 0), op("read", 0, 5)]).reason.endswith("where the additions allow 1 to 1")
    assert check_counter([op("add", 1, 0, 9), op("read", 0, 5), op("read", 1, 7)]).verdict == "valid"
    assert check_counter([op("add", 1, 0, outcome=FAIL), op("read", 1, 5)]).verdict == "invalid"
    assert check_counter([op("add", 1, 0, outcome=INFO), op("read", 1, 50), op("read", 0, 60)]).verdict == "valid"
    assert check_counter([op("add", -1, 0, 9), op("read", -1, 5), op("read", 0, 7)]).verdict == "valid"


def test_fuzz_counter_bounds_against_every_subset() -> None:
    for seed in range(600):
        rng = Random(seed)
        history = []
        for _ in range(rng.randint(1, 6)):
            began = rng.randrange(12)
            end = began + rng.randint(1, 6)
            if rng.random() < 0.6:
                history.append(op("add", rng.randint(-2, 3), began, end, rng.choice((OK, OK, FAIL, INFO))))
            else:
                history.append(op("read", rng.randint(-3, 5), began, end))
        adds = [each for each in history if each.function == "add" and each.outcome != FAIL]
        fine = True
        for each in (each for each in history if each.function == "read"):
            sure = [one for one in adds if one.completed < each.invoked]
            open_ = [one for one in adds if one not in sure and one.invoked <= each.completed]
            sums = [
                sum(one.argument for one in (*sure, *some))
                for some in chain.from_iterable(combinations(open_, size) for size in range(len(open_) + 1))
            ]
            fine &= min(sums) <= each.result <= max(sums)
        assert (check_counter(history).verdict == "valid") == fine, f"seed {seed}: {history}"
