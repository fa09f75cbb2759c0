"""Models by hand: what each says of small histories, in which words, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from bench.checkers.models import MODELS, check, custom, model
from bench.errors import UsageError
from bench.history.history import FAIL, INFO, NEVER, OK
from bench.history.operations import MISSING, Operation


def op(
    function: str, start: int, end: int | None, argument: Any = None, result: Any = MISSING, **more: Any
) -> Operation:
    return Operation(
        process=more.pop("process", start),
        function=function,
        argument=argument,
        result=result,
        invoked=start,
        completed=NEVER if end is None else end,
        outcome=more.pop("outcome", INFO if end is None else OK),
        **more,
    )


CASES: dict[str, tuple[str, dict[str, Any], list[Operation], str]] = {
    # name: (model, its options, operations, the verdict)
    "cas that swapped": (
        "cas-register",
        {"initial": 0},
        [op("cas", 0, 1, (0, 5)), op("read", 2, 3, result=5)],
        "valid",
    ),
    "failed cas of the value that was there": (
        "cas-register",
        {"initial": 0},
        [op("cas", 0, 1, (0, 5), outcome=FAIL)],
        "invalid",
    ),
    "cas that may fail for other reasons": (
        "cas-register",
        {"initial": 0, "fail_is_unequal": False},
        [op("cas", 0, 1, (0, 5), outcome=FAIL)],
        "valid",
    ),
    "failed cas that saw what it expected": (
        "cas-register",
        {"initial": 0, "fail_is_unequal": False},
        [op("write", 0, 1, 3), op("cas", 2, 3, (3, 5), 3, outcome=FAIL)],
        "invalid",
    ),
    "nil read that is unknown": (
        "cas-register",
        {"initial": 0, "nil_read_is_unknown": True},
        [op("write", 0, 1, 3), op("read", 2, 3, result=None)],
        "valid",
    ),
    "nil read that is nil": ("register", {}, [op("write", 0, 1, 3), op("read", 2, 3, result=None)], "invalid"),
    "transactions over two registers": (
        "multi-register",
        {"values": {"x": 0, "y": 0}},
        [
            op("txn", 0, 1, (("w", "x", 1), ("w", "y", 1))),
            op("txn", 2, 3, (("r", "x", None), ("r", "y", None)), (("r", "x", 1), ("r", "y", 0))),
        ],
        "invalid",
    ),
    "appends seen out of order": (
        "kv",
        {},
        [op("append", 0, 1, "a", key="k"), op("append", 2, 3, "b", key="k"), op("get", 4, 5, result="ba", key="k")],
        "invalid",
    ),
    "deleted key reads as nothing": (
        "kv",
        {},
        [op("put", 0, 1, "a"), op("delete", 2, 3), op("get", 4, 5, result=None), op("get", 4, 5, result="")],
        "valid",
    ),
    "overlapping reads of {x} and {y}": (
        "set",
        {},
        [op("add", 0, 9, "x"), op("add", 0, 9, "y"), op("read", 0, 9, result=("x",)), op("read", 0, 9, result=("y",))],
        "invalid",
    ),
    "the same with a removal": (
        "set",
        {},
        [
            op("add", 0, 9, "x"),
            op("add", 0, 9, "y"),
            op("remove", 0, 9, "x"),
            op("read", 0, 9, result=("x",)),
            op("read", 0, 9, result=("y",)),
        ],
        "valid",
    ),
    "element lost": ("set", {}, [op("add", 0, 1, 7), op("read", 2, 3, result=())], "invalid"),
    "fetch-and-add handed out twice": (
        "counter",
        {},
        [op("fetch-add", 0, 9, 1, 0), op("fetch-add", 0, 9, 1, 0)],
        "invalid",
    ),
    "additions without answer": (
        "counter",
        {},
        [op("add", n, None, 1) for n in range(30)] + [op("read", 40, 41, result=17)],
        "valid",
    ),
    "too few additions": (
        "counter",
        {},
        [op("add", n, None, 1) for n in range(30)] + [op("read", 40, 41, result=31)],
        "invalid",
    ),
    "queue overtaken": (
        "queue",
        {},
        [op("enqueue", 0, 1, "a"), op("enqueue", 2, 3, "b"), op("dequeue", 4, 5, result="b")],
        "invalid",
    ),
    "unanswered dequeue took it": (
        "queue",
        {},
        [op("enqueue", 0, 1, "a"), op("enqueue", 2, 3, "b"), op("dequeue", 3, None), op("dequeue", 4, 5, result="b")],
        "valid",
    ),
    "empty although covered by two": (
        "queue",
        {},
        [
            op("enqueue", 0, 1, "a"),
            op("dequeue", 5, 9, result="a"),
            op("enqueue", 2, 4, "b"),
            op("dequeue", 12, 13, result="b"),
            op("dequeue", 2, 11, result=None),
        ],
        "invalid",
    ),
    "stack": ("stack", {}, [op("push", 0, 1, 1), op("push", 2, 3, 2), op("pop", 4, 5, result=1)], "invalid"),
    "two holders": ("mutex", {}, [op("acquire", 0, 1), op("acquire", 2, 3), op("release", 4, 5, process=0)], "invalid"),
    "told of the hold before the last one heard of its release": (
        "mutex",
        {},
        [op("acquire", 0, 1, process=1), op("release", 2, 9, process=1), op("acquire", 3, 4, process=2)],
        "valid",
    ),
    "an expired hold is none": ("mutex", {"lease_s": 5e-9}, [op("acquire", 0, 1), op("acquire", 6, 7)], "valid"),
    "a hold that had not expired": ("mutex", {"lease_s": 9e-9}, [op("acquire", 0, 1), op("acquire", 6, 7)], "invalid"),
}


@pytest.mark.parametrize("name", CASES)
def test_by_hand(name: str) -> None:
    which, options, operations, expected = CASES[name]
    verdict = check(operations, model(which, **options))
    assert verdict.verdict == expected, verdict.reason
    assert bool(verdict.reason) == bool(verdict.rows) == (expected == "invalid")
    if expected == "invalid" and "lease_s" not in options:
        part = [operations[row] for row in verdict.rows]
        assert check(part, model(which, **options)).verdict == "invalid"


def test_any_step_function_is_a_model() -> None:
    def semaphore(free: int, operation: Operation) -> int | None:
        free += -1 if operation.function == "take" else 1
        return free if 0 <= free <= 2 else None

    takes = [op("take", 0, 1), op("take", 0, 1), op("take", 2, 3)]
    assert check([*takes, op("give", 2, 9)], custom(semaphore, 2)).verdict == "valid"
    verdict = check(takes, custom(semaphore, 2))
    assert verdict.verdict == "invalid" and len(verdict.rows) == 3


def test_keys_are_objects_of_their_own() -> None:
    history = [op("push", 0, 1, 1, key="a"), op("pop", 2, 3, result=None, key="b"), op("pop", 2, 3, result=7, key="c")]
    verdict = check(history, model("stack"))
    assert verdict.verdict == "invalid" and verdict.rows == (2,)
    assert verdict.reason == "key c: process 2's pop -> 7 (operation 2) took a value that nobody pushed"


def test_reasons_name_the_line() -> None:
    history = [
        op("enqueue", 0, 1, 5, line=3),
        op("dequeue", 2, 3, result=5, line=4),
        op("dequeue", 4, 5, result=5, line=6),
    ]
    verdict = check(history, model("queue"))
    assert verdict.rows == (0, 1, 2)
    assert verdict.reason == (
        "the object: process 2's dequeue -> 5 (line 4) and process 4's dequeue -> 5 (line 6) both took it, and it was"
        " enqueued once"
    )


def test_unknown_functions_and_models_are_refused() -> None:
    with pytest.raises(
        UsageError, match=r"line 7: the model queue has no function 'drain' \(allowed: dequeue, enqueue\)"
    ):
        check([op("drain", 0, 1, line=7)], model("queue"))
    with pytest.raises(UsageError, match="unknown model 'que': did you mean 'queue'"):
        model("que")
    assert set(MODELS) >= {
        "register",
        "cas-register",
        "multi-register",
        "kv",
        "set",
        "counter",
        "queue",
        "stack",
        "mutex",
    }


def test_an_operation_that_ended_before_it_began_is_unknown() -> None:
    verdict = check([op("read", 5, 3, result=1)], model("register"))
    assert verdict.verdict == "unknown" and "ended before it began" in verdict.reason


def test_past_its_budget_it_says_unknown() -> None:
    """A sum of subsets: which of these additions happened?"""
    history = [op("add", n, None, 3**n) for n in range(40)] + [op("read", 50, 51, result=2 * 3**20)]
    verdict = check(history, model("counter"), 0.3)
    assert verdict.verdict == "unknown"
    assert "out of time" in verdict.reason or "out of memory" in verdict.reason
    assert verdict.took_s < 2
