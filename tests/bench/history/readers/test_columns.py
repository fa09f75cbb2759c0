"""Operations on registers as columns, and back."""

from __future__ import annotations

from random import Random

from bench.checkers import linearizability, models, sequential
from bench.history.history import FAIL, INFO, NEVER, OK
from bench.history.operations import MISSING, Operation
from bench.history.readers.columns import columns_of, operations_of
from tests.bench.checkers.histories import simulated


def test_there_and_back_is_the_same() -> None:
    for seed in range(30):
        history = simulated(
            Random(seed), 60, clients=5, keys=2, unanswered=0.1, stale=0.02, values=4 if seed % 2 else None
        )
        operations = operations_of(history)
        again = columns_of(operations, nil_read_is_unknown=False, fail_is_unequal=True)
        assert (again.outcome == history.outcome).all()
        assert (again.invoked == history.invoked).all()
        word = linearizability.check(history).verdict
        assert linearizability.check(again).verdict == word
        assert models.check(operations, sequential.cas_register()).verdict == word


def test_options() -> None:
    def row(nil_read_is_unknown: bool, fail_is_unequal: bool) -> list[int]:
        found = columns_of(
            [
                Operation(process=0, function="read", result=None, invoked=0, completed=1),
                Operation(process=0, function="cas", argument=(1, 2), invoked=2, completed=3, outcome=FAIL),
                Operation(process=0, function="cas", argument=(1, 2), result=5, invoked=4, completed=5, outcome=FAIL),
                Operation(process=0, function="read", result=MISSING, invoked=6, completed=7),
            ],
            nil_read_is_unknown=nil_read_is_unknown,
            fail_is_unequal=fail_is_unequal,
        )
        assert (found.completed[found.outcome == INFO] == NEVER).all()
        return found.outcome.tolist()

    assert row(False, True) == [OK, OK, OK, INFO]
    assert row(True, False) == [INFO, FAIL, OK, INFO]
