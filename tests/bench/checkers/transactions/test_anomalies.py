"""Each anomaly by name, on the smallest history that has it."""

from __future__ import annotations

from time import perf_counter
from xml.etree import ElementTree

import numpy as np
import pytest

from bench.checkers.transactions import check
from bench.checkers.transactions.checking import analyse
from bench.checkers.transactions.levels import FORBIDDEN, IMPLIES, STRONGER, WEAKER, strongest, weakest
from bench.errors import UsageError
from bench.history.history import FAIL, INFO, NEVER, OK
from bench.history.transactions import Transactions

from .build import Mop, Row, serial, transactions


def a(key: str, value: int) -> Mop:
    return ("append", key, value)


def w(key: str, value: int) -> Mop:
    return ("w", key, value)


def r(key: str, seen: list[int] | int | None) -> Mop:
    return ("r", key, seen)


def with_outcomes(*rows: tuple[int, list[Mop]]) -> Transactions:
    return transactions(
        [(number, 0, NEVER if end == INFO else 9, end, mops) for number, (end, mops) in enumerate(rows)], realtime=False
    )


LISTS: dict[str, tuple[Transactions, tuple[str, ...], tuple[str, ...]]] = {
    # name: (history, all anomalies, weakest violated levels); levels in the order of the strongest first
    "G0": (
        serial([a("x", 1), a("y", 1)], [a("x", 2), a("y", 2)], [r("x", [1, 2]), r("y", [2, 1])]),
        ("G0",),
        ("read-uncommitted",),
    ),
    "G1a": (with_outcomes((FAIL, [a("x", 1)]), (OK, [r("x", [1])])), ("G1a",), ("read-committed",)),
    "G1b": (
        serial([a("x", 1), a("x", 2)], [r("x", [1])], [r("x", [1, 2])]),
        ("G-single", "G1b"),
        ("read-committed",),
    ),
    "G1c": (serial([a("x", 1), r("y", [1])], [a("y", 1), r("x", [1])]), ("G1c",), ("read-committed",)),
    "G-single": (
        serial([a("x", 1), a("y", 1)], [r("x", [1]), r("y", [])], [r("y", [1])]),
        ("G-single",),
        ("repeatable-read", "consistent-view"),
    ),
    "G-nonadjacent: long fork": (
        serial([a("x", 1)], [a("y", 1)], [r("x", [1]), r("y", [])], [r("x", []), r("y", [1])]),
        ("G-nonadjacent",),
        ("snapshot-isolation", "repeatable-read"),
    ),
    "write skew": (
        serial([r("x", []), r("y", []), a("x", 1)], [r("x", []), r("y", []), a("y", 1)]),
        ("G2-item",),
        ("repeatable-read",),
    ),
    "lost update": (
        serial([r("x", []), a("x", 1)], [r("x", []), a("x", 2)], [r("x", [1, 2])]),
        ("G-single", "lost-update"),
        ("cursor-stability",),
    ),
    "lost update, never seen": (
        serial([r("x", []), a("x", 1)], [r("x", []), a("x", 2)]),
        ("G2-item", "lost-update"),
        ("cursor-stability",),
    ),
    "lost under a cursor": (
        serial([r("x", []), a("x", 2)], [a("x", 1)], [r("x", [1, 2])]),
        ("G-single",),
        ("cursor-stability",),
    ),
    "dirty update": (
        with_outcomes((FAIL, [a("x", 1)]), (OK, [a("x", 2)]), (OK, [r("x", [1, 2])])),
        ("G1a", "dirty-update"),
        ("read-committed",),
    ),
    "garbage": (serial([r("x", [7])]), ("garbage-read",), ("read-uncommitted",)),
    "duplicates": (serial([a("x", 1)], [r("x", [1, 1])]), ("duplicate-elements",), ("read-uncommitted",)),
    "incompatible orders": (
        serial([a("x", 1)], [a("x", 2)], [r("x", [1, 2])], [r("x", [2, 1])]),
        ("incompatible-order",),
        ("read-committed",),
    ),
    "internal": (
        serial([a("x", 1)], [a("x", 2), r("x", [1])]),
        ("internal",),
        ("parallel-snapshot-isolation", "repeatable-read"),
    ),
    "future read": (serial([r("x", [1]), a("x", 1)]), ("future-read",), ("read-committed",)),
    "lost append": (
        serial([a("x", 1), a("x", 2)], [r("x", [2])]),
        ("lost-append",),
        ("read-uncommitted",),
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists(name: str) -> None:
    t, anomalies, violated = LISTS[name]
    verdict = check(t, kind="list-append")
    assert verdict.anomalies == anomalies, verdict.explanations
    assert verdict.violated == violated
    assert verdict.verdict == "invalid"
    assert verdict.rows, verdict.reason
    assert len(verdict.explanations) == len(anomalies)
    for level in violated:
        assert check(t, kind="list-append", level=level).verdict == "invalid"
    for level in verdict.satisfied:
        assert check(t, kind="list-append", level=level).verdict == "valid"
    assert not {each for level in verdict.satisfied for each in WEAKER[level]} & {
        each for level in violated for each in STRONGER[level]
    }


REGISTERS: dict[str, tuple[Transactions, tuple[str, ...], str]] = {
    # name: (history, anomalies, a level that is violated)
    "G1a": (with_outcomes((FAIL, [w("x", 1)]), (OK, [r("x", 1)])), ("G1a",), "read-committed"),
    "G1b": (serial([w("x", 1), w("x", 2)], [r("x", 1)]), ("G1b",), "read-committed"),
    "G1c": (serial([w("x", 1), r("y", 1)], [w("y", 1), r("x", 1)]), ("G1c",), "read-committed"),
    "G-single": (serial([w("x", 1), w("y", 1)], [r("x", 1), r("y", None)]), ("G-single",), "consistent-view"),
    "long fork": (
        serial([w("x", 1)], [w("y", 1)], [r("x", 1), r("y", None)], [r("x", None), r("y", 1)]),
        ("G-nonadjacent",),
        "snapshot-isolation",
    ),
    "write skew": (
        serial([r("x", None), r("y", None), w("x", 1)], [r("x", None), r("y", None), w("y", 1)]),
        ("G2-item",),
        "repeatable-read",
    ),
    "lost update": (
        serial([w("x", 1)], [r("x", 1), w("x", 2)], [r("x", 1), w("x", 3)]),
        ("G2-item", "lost-update"),
        "cursor-stability",
    ),
    "internal": (serial([w("x", 1), r("x", None)]), ("internal",), "parallel-snapshot-isolation"),
    "future read": (serial([r("x", 1), w("x", 1)]), ("future-read",), "read-committed"),
    "no order": (
        # Either order of 1 and 2 makes one of the readers go back.
        serial(
            [w("x", 1)], [w("x", 2)], [r("x", 1), w("a", 1)], [r("a", 1), r("x", 2), w("b", 1)], [r("b", 1), r("x", 1)]
        ),
        ("no-version-order",),
        "snapshot-isolation",
    ),
}


@pytest.mark.parametrize("name", REGISTERS)
def test_registers(name: str) -> None:
    t, anomalies, level = REGISTERS[name]
    verdict = check(t, kind="rw-register", level=level)
    assert verdict.verdict == "invalid", verdict
    assert set(verdict.anomalies) == set(anomalies), verdict.explanations
    assert verdict.rows


def test_a_value_that_nobody_wrote() -> None:
    t = serial([r("x", 7)])
    told = check(t, kind="rw-register")
    assert told.verdict == "valid"
    assert told.anomalies == ("garbage-read",)
    assert "never written" in told.reason
    assert check(t, kind="rw-register", closed=True).violated == ("read-uncommitted",)
    assert check(serial([r("x", [7])]), kind="list-append", closed=False).verdict == "valid"


def test_orders_of_processes_and_time() -> None:
    read_then_write: list[Row] = [
        (0, 0, 1, OK, [r("x", [1])]),
        (0, 2, 3, OK, [a("y", 1)]),
        (1, 0, 9, OK, [a("x", 1), r("y", [1])]),
    ]
    session = check(transactions(read_then_write, realtime=False), level="strong-session-serializable")
    assert session.violated == ("strong-session-read-committed",)
    assert session.anomalies == ("G1c-process",)
    assert "process 0 ran" in session.explanations[0]
    stale: list[Row] = [(0, 0, 1, OK, [a("x", 1)]), (1, 5, 6, OK, [r("x", [])])]
    verdict = check(transactions(stale))
    assert verdict.anomalies == ("G-single-realtime",)
    assert verdict.violated == ("strong-snapshot-isolation",)
    assert "had ended before" in verdict.explanations[0]
    touching: list[Row] = [(0, 0, 5, OK, [a("x", 1)]), (1, 5, 6, OK, [r("x", [])])]
    assert check(transactions(touching)).verdict == "valid"  # equal times are concurrent
    without = check(transactions(stale, realtime=False))
    assert without.verdict == "valid"
    assert without.satisfied == ("strong-session-serializable",)
    assert check(transactions(stale, realtime=False), level="strict-serializable").verdict == "unknown"


def test_anomalies_are_those_the_level_asks_about() -> None:
    stale: list[Row] = [(0, 0, 1, OK, [a("x", 1)]), (1, 5, 6, OK, [r("x", [])])]
    verdict = check(transactions(stale), level="serializable")
    assert verdict.verdict == "valid"
    assert verdict.anomalies == ()
    assert verdict.violated == ("strong-snapshot-isolation",)


def test_an_unanswered_transaction_counts_iff_it_was_seen() -> None:
    seen = with_outcomes((INFO, [a("x", 1), a("y", 1)]), (OK, [r("x", [1]), r("y", [])]), (OK, [r("y", [1])]))
    assert check(seen).anomalies == ("G-single",)
    unseen = with_outcomes((INFO, [a("x", 1), a("y", 1)]), (OK, [r("x", []), r("y", [])]))
    assert check(unseen).verdict == "valid"


def test_values_written_twice_are_not_judged() -> None:
    verdict = check(serial([a("x", 1)], [a("x", 1)], [r("x", [1])]))
    assert verdict.verdict == "unknown"
    assert "unique" in verdict.reason
    retried = with_outcomes((FAIL, [a("x", 1)]), (OK, [a("x", 1)]), (OK, [r("x", [1])]))
    assert check(retried).verdict == "valid"
    assert check(serial([w("x", 1)]), kind="list-append").verdict == "unknown"
    assert check(serial([a("x", 1)]), kind="rw-register").verdict == "unknown"


def test_assumptions_about_version_orders() -> None:
    # Nobody read what came first: only the assumption says.
    rows: list[Row] = [
        (0, 0, 1, OK, [w("x", 1), w("y", 1)]),
        (0, 2, 3, OK, [w("x", 2)]),
        (1, 4, 5, OK, [r("x", 1), r("y", 1)]),
        (2, 4, 5, OK, [r("x", 2)]),
    ]
    t = transactions(rows, realtime=False)
    assert check(t, kind="rw-register", level="serializable").verdict == "valid"
    back: list[Row] = [
        (0, 0, 1, OK, [w("x", 1)]),
        (0, 2, 3, OK, [w("x", 2)]),
        (1, 4, 5, OK, [r("x", 2)]),
        (1, 6, 7, OK, [r("x", 1)]),
    ]
    t = transactions(back, realtime=False)
    assert check(t, kind="rw-register", level="read-uncommitted").verdict == "valid"
    verdict = check(t, kind="rw-register", level="read-uncommitted", assumptions=["sequential-keys"])
    assert verdict.anomalies == ("cyclic-versions",)
    assert verdict.verdict == "invalid"
    assert check(transactions(back), kind="rw-register", assumptions=["linearizable-keys"]).verdict == "invalid"
    with pytest.raises(UsageError, match="unknown assumption"):
        check(t, kind="rw-register", assumptions=["hope"])
    with pytest.raises(UsageError, match="no assumptions"):
        check(t, kind="list-append", assumptions=["sequential-keys"])


def test_names_are_checked() -> None:
    with pytest.raises(UsageError, match="isolation level"):
        check(serial(), level="serialisable")
    with pytest.raises(UsageError, match="kind of transactions"):
        check(serial(), kind="lists")
    assert check(serial([a("x", 1)]), level="si").verdict == "valid"
    assert check(serial()).verdict == "valid"


def test_every_level_is_in_the_lattice() -> None:
    assert all(each in IMPLIES for some in IMPLIES.values() for each in some)
    assert all(each in IMPLIES for some in FORBIDDEN.values() for each in some)
    assert weakest(IMPLIES) == ("read-uncommitted",)
    assert strongest(IMPLIES) == ("strict-serializable",)
    assert WEAKER["strict-serializable"] == set(IMPLIES)


def test_many_readers_of_one_version_and_many_unseen_appends() -> None:
    """10^4 x 10^4 anti-dependencies, in linear space."""
    count = 10_000
    done = [[r("x", [])] for _ in range(count)] + [[a("x", each)] for each in range(count)]
    t = serial(*done)
    began = perf_counter()
    assert check(t).verdict == "valid"
    assert perf_counter() - began < 10
    both = serial(*done, [r("x", []), a("y", 1)], [r("y", []), a("x", -1)])
    verdict = check(both)
    assert verdict.anomalies == ("G2-item",)
    assert verdict.rows == (2 * count, 2 * count + 1)


def test_past_its_budget_it_does_not_guess() -> None:
    t, _, _ = LISTS["write skew"]
    verdict = check(t, budget_s=-1.0)
    assert verdict.verdict == "unknown"
    assert "out of time" in verdict.reason


def test_the_history_is_not_changed() -> None:
    t, _, _ = LISTS["G0"]
    before = {name: np.array(getattr(t, name)) for name in ("process", "first", "kind", "key", "value", "elements")}
    check(t)
    assert all(np.array_equal(column, getattr(t, name)) for name, column in before.items())


def test_cycles_are_drawn() -> None:
    t, _, _ = LISTS["G-single"]
    analysis = analyse(t, level="serializable")
    drawings = analysis.drawings()
    assert list(drawings) == ["G-single"]
    root = ElementTree.fromstring(drawings["G-single"])
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "T1" in texts
    assert "T2" in texts
    assert "wr x" in texts
    assert "rw y" in texts
