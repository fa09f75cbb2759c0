from __future__ import annotations

from random import Random

import pytest

from bench.checkers import linearizability
from bench.checkers.judging import judge, model_of, shaped
from bench.checkers.registry import MODELS, checks_for, model_named
from bench.errors import UsageError
from bench.history import History
from bench.history.operations import Operation

from .histories import simulated


def test_models() -> None:
    (check,) = checks_for("register")
    assert check.__wrapped__ is linearizability.check  # type: ignore[attr-defined]
    assert checks_for("none") == ()


def test_unknown_model_names_the_nearest() -> None:
    for function in (checks_for, model_named):
        with pytest.raises(UsageError, match="unknown model 'registr': did you mean 'register'"):
            function("registr")


@pytest.mark.parametrize("name", sorted(MODELS))
def test_columns_by_every_model(name: str) -> None:
    """A correct history of registers satisfies whatever can be asked of one; of what cannot, it is one sentence."""
    history = simulated(Random(1), 40, clients=3, keys=2)
    before = {column: values.copy() for column, values in history.columns().items()}
    try:
        verdicts = judge(history, name)
    except UsageError as error:
        assert MODELS[name].kind in ("object", "workload", "isolation"), error
    else:
        assert all(verdict.verdict in ("valid", "unknown") for verdict in verdicts), verdicts
    assert all((values == before[column]).all() for column, values in history.columns().items())


def test_a_stale_read_is_seen_through_every_shape() -> None:
    history = simulated(Random(1), 400, clients=5, keys=2, stale=0.05)
    operations = shaped(history, "kv")
    assert not isinstance(history, type(operations))
    rows = set()
    for given in (history, operations):
        for model in ("register", "cas-register", "kv", "strict-serializable"):
            (verdict,) = judge(given, model)
            assert verdict.verdict == "invalid", (model, verdict)
            rows.add(verdict.rows)
    assert all(0 <= row < len(history) for each in rows for row in each)


def test_many_operations_are_judged_in_columns_and_told_in_words() -> None:
    history = simulated(Random(2), 3000, clients=5, keys=2, stale=0.01)
    operations = shaped(history, "kv")
    assert isinstance(operations, list)
    (verdict,) = judge(operations, "register")
    assert verdict.verdict == "invalid"
    part = [operations[row] for row in verdict.rows]
    assert judge(part, "register")[0].verdict == "invalid", "what it shows is a violation by itself"
    (good,) = judge(simulated(Random(2), 3000, clients=5, keys=2), "register")
    assert good.verdict == "valid"


@pytest.mark.parametrize(
    ("functions", "model"),
    [
        ("read write", "register"), ("read cas", "cas-register"), ("enqueue dequeue", "queue"), ("push", "stack"),
        ("acquire release", "mutex"), ("get put", "kv"), ("get append", "kv"), ("add remove", "set"),
        ("add fetch-add", "counter"), ("read transfer", "bank"),
    ],
)  # fmt: skip
def test_models_by_functions(functions: str, model: str) -> None:
    history = [Operation(process=0, function=function, argument=(1, 2)) for function in functions.split()]
    assert model_of(history) == model


def test_several_registers_by_either_name() -> None:
    for function in ("txn", "read"):
        told = {0: (("read", "x", 0), ("read", "y", 0)), 7: (("read", "x", 0), ("read", "y", 7))}
        for value, word in ((0, "valid"), (7, "invalid")):
            argument = (("read", "x", None), ("read", "y", None))
            history = [Operation(process=0, function=function, argument=argument, result=told[value], completed=1)]
            assert judge(history, "multi-register", format="jsonl")[0].verdict == word


def test_models_by_values() -> None:
    def read(result: object) -> Operation:
        return Operation(process=0, function="read", result=result, completed=1)

    def add(argument: object) -> Operation:
        return Operation(process=0, function="add", argument=argument, completed=1)

    assert model_of([add(1), add(2), read((1, 2))]) == "set"
    assert model_of([add(1), add(2), read(3)]) == "counter"
    assert model_of([add(1), add(1)]) == "counter"
    assert model_of([read((("a", 1), ("b", 2)))]) == "bank"
    for mops, function, expected in (
        ((("append", 1, 2),), "txn", "list-append"),
        ((("w", 1, 2),), "txn", "rw-register"),
        ((("write", 1, 2),), "txn", "multi-register"),
        ((("write", 1, 2),), "write", "multi-register"),
        ((("r", 1, None),), "read", "long-fork"),
    ):
        assert model_of([Operation(process=0, function=function, argument=mops)]) == expected
    with pytest.raises(UsageError, match="give --model"):
        model_of([])
    with pytest.raises(UsageError, match="line 9: unknown function 'fly'"):
        model_of([Operation(process=0, function="fly", line=9)])
    assert model_of(simulated(Random(1), 10)) == "register"
    assert isinstance(simulated(Random(1), 10), History)
