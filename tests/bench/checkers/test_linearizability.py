"""Linearizability against histories written by hand, against the definition, and against recorded ones."""

from __future__ import annotations

from random import Random
from time import monotonic

import numpy as np
import pytest

from bench.checkers.linearizability import check, describe
from bench.checkers.search import search
from bench.checkers.steps import steps_by_key, values_are_unique, without_unobserved
from bench.checkers.unique import find_flaw
from bench.history.history import CAS, FAIL, INFO, NIL, NOTHING, OK, READ, History

from .brute_force import linearizable
from .histories import MS, Script, simulated, tiny
from .recorded import folder, read_log, register_logs


def searched(history: History, seconds: float = 10.0) -> str:
    """The verdict of the search alone, without the shortcut for unique values."""
    words = [search(steps, monotonic() + seconds).word for steps in steps_by_key(history).values()]
    return next((word for word in ("invalid", "unknown") if word in words), "valid")


BY_HAND: dict[str, tuple[Script, bool]] = {
    "empty": (Script(), True),
    "read of nil before any write": (Script().read(NIL, 0, 1), True),
    "write, then read": (Script().write(1, 0, 10).read(1, 20, 30), True),
    "stale read": (Script().write(1, 0, 10).write(2, 20, 30).read(1, 40, 50), False),
    "read of nil after a write": (Script().write(1, 0, 10).read(NIL, 20, 30), False),
    "concurrent write may or may not be seen": (Script().write(1, 0, 10).write(2, 20, 60).read(1, 30, 40), True),
    "new value, then the old one": (Script().write(1, 0, 10).write(2, 20, 90).read(2, 30, 40).read(1, 50, 60), False),
    "two readers disagree on the order of two writes": (
        Script().write(1, 0, 90).write(2, 0, 90).read(1, 10, 20).read(2, 30, 40).read(1, 50, 60),
        False,
    ),
    "overlapping readers of two values": (
        Script().write(1, 0, 200).write(2, 1, 200).read(1, 2, 20).read(2, 10, 40).read(2, 25, 100).read(1, 50, 60),
        False,
    ),
    "read of a value nobody wrote": (Script().write(1, 0, 10).read(7, 20, 30), False),
    "read before its write began": (Script().read(1, 0, 10).write(1, 20, 30), False),
    "read of a failed write": (Script().write(1, 0, 10, outcome=FAIL).read(1, 20, 30), False),
    "failed write not seen": (Script().write(1, 0, 10, outcome=FAIL).read(NIL, 20, 30), True),
    "unanswered write seen late": (Script().write(1, 0, None).read(NIL, 10, 20).read(1, 900, 910), True),
    "unanswered write seen after the client gave up": (
        Script().write(1, 0, 50, outcome=INFO).read(NIL, 100, 110).read(1, 900, 910),
        True,
    ),
    "unanswered write seen, then unseen": (Script().write(1, 0, None).read(1, 10, 20).read(NIL, 30, 40), False),
    "unanswered write never seen": (Script().write(1, 0, None).read(NIL, 10, 20).write(2, 30, 40), True),
    "unanswered write seen before it began": (Script().read(1, 0, 10).write(1, 20, None), False),
    "chain of swaps": (
        Script().write(1, 0, 10).cas(1, 2, 1, 20, 30).cas(2, 3, 2, 40, 50).read(3, 60, 70),
        True,
    ),
    "swap from nil": (Script().cas(NIL, 1, NIL, 0, 10).read(1, 20, 30), True),
    "lost update: two swaps of the same value": (
        Script().write(1, 0, 10).cas(1, 2, 1, 20, 90).cas(1, 3, 1, 20, 90),
        False,
    ),
    "failed swap is a read": (Script().write(1, 0, 10).cas(5, 2, 1, 20, 30).read(1, 40, 50), True),
    "failed swap saw a stale value": (
        Script().write(1, 0, 10).write(2, 20, 30).cas(5, 3, 1, 40, 50),
        False,
    ),
    "failed swap, its witness unknown": (Script().write(1, 0, 10).cas(1, 2, NOTHING, 20, 30), False),
    "failed swap, its witness unknown, during a change": (
        Script().write(1, 0, 10).write(2, 20, 90).cas(1, 3, NOTHING, 30, 40),
        True,
    ),
    "unanswered write explains a failed swap": (
        Script().write(1, 0, 10).write(2, 15, None).cas(1, 3, NOTHING, 30, 40),
        True,
    ),
    "unanswered swap took effect": (Script().write(1, 0, 10).cas(1, 2, NOTHING, 20, None).read(2, 90, 99), True),
    "unanswered swap took effect on a value not there": (
        Script().write(1, 0, 10).cas(5, 2, NOTHING, 20, None).read(2, 90, 99),
        False,
    ),
    "concurrent swaps all over each other": (
        Script().write(1, 0, 200).cas(1, 2, 1, 0, 200).cas(2, 3, 2, 0, 200).read(3, 40, 50).read(1, 100, 110),
        False,
    ),
    "concurrent swaps, read in their order": (
        Script().write(1, 0, 200).cas(1, 2, 1, 0, 200).cas(2, 3, 2, 0, 200).read(1, 40, 50).read(3, 100, 110),
        True,
    ),
    "swaps in a circle": (Script().cas(1, 2, 1, 0, 90).cas(2, 1, 2, 0, 90), False),
    "a swap for itself changes nothing": (
        Script().write(1, 0, 10).cas(1, 1, 1, 20, 30).read(1, 40, 50),
        True,
    ),
    "the same value written twice": (
        Script().write(1, 0, 10).write(2, 20, 30).write(1, 40, 50).read(1, 60, 70),
        True,
    ),
    "the same value written twice, the second time too early": (
        Script().write(1, 0, 10).write(1, 12, 14).write(2, 20, 30).read(1, 60, 70),
        False,
    ),
    "nil written": (Script().write(1, 0, 10).write(NIL, 20, 30).read(NIL, 40, 50), True),
    "ties are concurrent": (Script().write(1, 0, 10).write(2, 10, 20).read(1, 20, 30), True),
    "no time at all": (Script().write(1, 5, 5).read(1, 5, 5).read(NIL, 5, 5), True),
    "keys do not mix": (Script().write(1, 0, 10, key=1).read(NIL, 20, 30, key=2), True),
    "one key of two is wrong": (
        Script().write(1, 0, 10, key=1).read(1, 20, 30, key=1).read(1, 40, 50, key=2),
        False,
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_by_hand(name: str) -> None:
    script, expected = BY_HAND[name]
    history = script.history
    if not history.outcome.size:
        assert check(history).verdict == "valid"
        return
    assert linearizable(history) is expected, "the definition disagrees with the author"
    verdict = check(history)
    assert verdict.verdict == ("valid" if expected else "invalid")
    assert searched(history) == verdict.verdict
    assert verdict.name == "linearizable"
    assert (verdict.reason == "") == expected
    assert (len(verdict.rows) == 0) == expected


def test_agrees_with_the_definition_on_random_histories() -> None:
    """No disagreement, whichever way decides; and enough of each kind that agreeing means something."""
    seen = {(unique, verdict): 0 for unique in (True, False) for verdict in (True, False)}
    for seed in range(2000):
        history = tiny(Random(seed))
        expected = linearizable(history)
        verdict = check(history)
        assert verdict.verdict == ("valid" if expected else "invalid"), f"seed {seed}"
        assert searched(history) == verdict.verdict, f"seed {seed}: search"
        for steps in steps_by_key(history).values():
            seen[values_are_unique(without_unobserved(steps)), expected] += 1
        if not expected:
            assert_honest(history, verdict.rows, seed)
    assert min(seen.values()) > 100, seen


def assert_honest(history: History, rows: tuple[int, ...], seed: int) -> None:
    """The rows are a violation by themselves, and no read in them lacks a source that the history has."""
    part = history.take(np.array(rows))
    assert not linearizable(part), f"seed {seed}: the rows {rows} are no violation"
    assert len(set(part.key.tolist())) == 1
    for row in range(len(part)):
        told = int(part.result[row])
        if part.outcome[row] != OK or part.function[row] not in (READ, CAS) or told in (NIL, NOTHING):
            continue
        if part.invoked[row] > np.delete(part.completed, row).max(initial=-1):
            continue  # kept as the late source of an early read, not for what it saw itself

        def writes(of: History, told: int = told) -> set[int]:
            on_key = (of.key == part.key[0]) & (of.outcome != FAIL) & (of.argument == told) & (of.expected != told)
            swapped = (of.function != CAS) | (of.outcome == INFO) | (of.result == of.expected)
            return set(of.invoked[on_key & swapped].tolist())

        if writes(history):
            assert writes(part), f"seed {seed}: {told} lost its source"


def test_rows_speak_for_the_whole() -> None:
    """Left out is only what could not explain the rest: the whole is wrong for every way to extend the part."""
    for seed in range(300):
        history = simulated(Random(seed), 60, clients=6, keys=1, values=None if seed % 2 else 4, stale=0.1)
        verdict = check(history)
        assert searched(history) == verdict.verdict
        if verdict.verdict == "invalid":
            part = history.take(np.array(verdict.rows))
            assert check(part).verdict == "invalid" and searched(part) == "invalid"
            assert len(part) < 30


@pytest.mark.parametrize("values", [None, 6])
@pytest.mark.parametrize("stale", [0.0, 0.01])
def test_shortcut_and_search_agree_on_larger_histories(values: int | None, stale: float) -> None:
    verdicts = set()
    for seed in range(60):
        history = simulated(Random(seed), 200, clients=8, keys=3, values=values, stale=stale, unanswered=0.05)
        verdict = check(history).verdict
        assert verdict == searched(history), f"seed {seed}"
        verdicts.add(verdict)
        if values is None:
            for steps in steps_by_key(history).values():
                assert values_are_unique(without_unobserved(steps))
    assert verdicts == ({"valid", "invalid"} if stale else {"valid"})


def test_permuted_rows_do_not_change_the_verdict() -> None:
    for seed in range(300):
        history = tiny(Random(seed))
        order = np.array(Random(seed).sample(range(len(history)), len(history)))
        assert check(history).verdict == check(history.take(order)).verdict


def test_smallest_part_of_a_stale_read() -> None:
    script = Script()
    for value in range(1, 200):
        script.write(value, 10 * value, 10 * value + 5).read(value, 10 * value + 5, 10 * value + 8)
    script.read(150, 5000, 5001)
    verdict = check(script.history)
    assert verdict.verdict == "invalid"
    assert len(verdict.rows) == 3
    assert verdict.reason.startswith("key 0: c3's read of 150 (5000.0 to 5001.0 ms) is stale: ")


def test_smallest_part_with_repeated_values() -> None:
    script = Script()
    for turn in range(1, 200):
        script.write(turn % 3, 10 * turn, 10 * turn + 5).read(turn % 3, 10 * turn + 6, 10 * turn + 8)
    script.read(0, 2000, 2001).write(0, 3000, 3001)
    verdict = check(script.history)
    assert verdict.verdict == "invalid"
    assert len(verdict.rows) == 3, [describe(script.history, row) for row in verdict.rows]


REASONS = {
    "stale read": "key 0: c3's read of 1 (40.0 to 50.0 ms) is stale: c2's write of 2 (20.0 to 30.0 ms), begun after"
    " c1's write of 1 (0.0 to 10.0 ms) had ended, had replaced that value and ended before it began",
    "read of nil after a write": "key 0: c2's read of nil (20.0 to 30.0 ms) is stale: c1's write of 1 (0.0 to 10.0 ms)"
    " had replaced that value and ended before it began",
    "read of a value nobody wrote": "key 0: c2's read of 7 (20.0 to 30.0 ms) saw a value that nobody wrote",
    "read of a failed write": "key 0: c2's read of 1 (20.0 to 30.0 ms) saw a value that only c1's write of 1 (0.0 to"
    " 10.0 ms) could have written, which was told it failed",
    "read before its write began": "key 0: c1's read of 1 (0.0 to 10.0 ms) saw a value whose first source, c2's write"
    " of 1 (20.0 to 30.0 ms), began after it had ended",
    "lost update: two swaps of the same value": "key 0: c2's compare-and-set 1 to 2 (20.0 to 90.0 ms) and c3's"
    " compare-and-set 1 to 3 (20.0 to 90.0 ms) both replaced the same value, which was written once",
    "concurrent swaps all over each other": "key 0: c1's read of 1 (100.0 to 110.0 ms) is stale: c4's read of 3 (40.0"
    " to 50.0 ms) followed it by compare-and-sets and ended before it began",
    "new value, then the old one": "key 0: c4's read of 1 (50.0 to 60.0 ms) is stale: c3's read of 2 (30.0 to 40.0 ms),"
    " begun after c1's write of 1 (0.0 to 10.0 ms) had ended, had seen another value and ended before it began",
    "overlapping readers of two values": "key 0: c3's read of 1 (2.0 to 20.0 ms) had ended before c1's read of 2 (25.0"
    " to 100.0 ms) began, yet c4's read of 2 (10.0 to 40.0 ms) had ended before c2's read of 1 (50.0 to 60.0 ms) began,"
    " so 1 would be both older and newer than 2",
}


@pytest.mark.parametrize("name", REASONS)
def test_reasons_name_who_what_and_when(name: str) -> None:
    assert check(BY_HAND[name][0].history).reason == REASONS[name]


def test_past_its_budget_it_says_unknown() -> None:
    """NP-hard ground: many concurrent writes and swaps of few values, and a last read that makes it exhaustive."""
    rng = Random(5)
    script = Script()
    for _ in range(60):
        script.cas(rng.randrange(6), rng.randrange(6), NOTHING, 0, None).write(rng.randrange(6), 0, 1000)
    for start in range(0, 900, 10):
        script.read(rng.randrange(6), start, start + 5)
    script.read(99, 2000, 2001).write(99, 3000, 3001)
    began = monotonic()
    verdict = check(script.history, 0.3)
    assert verdict.verdict == "unknown"
    assert "out of time" in verdict.reason
    assert monotonic() - began < 1.5


def test_bounded_memory() -> None:
    script = Script()
    for value in range(24):
        script.write(value % 12, 0, 100)
    script.read(99, 50, 60).write(99, 200, 201)
    for value in range(12):
        script.read(value, 300, 310)
    (steps,) = steps_by_key(script.history).values()
    found = search(steps, monotonic() + 30, limit=2000)
    assert found.word == "unknown" and found.why == "out of memory"


def test_one_hard_key_does_not_hide_another() -> None:
    script = Script()
    for value in range(1, 14):
        script.write(value, 0, 100).write(value, 0, 100)
    script.read(99, 50, 60).write(99, 200, 201)
    script.write(1, 0, 10, key=1).write(1, 20, 30, key=1).write(2, 40, 50, key=1).read(1, 60, 70, key=1)
    assert check(script.history, 0.2).verdict == "invalid"


def test_clocks_that_run_backwards_are_unknown() -> None:
    verdict = check(Script().write(1, 20, 10).history)
    assert verdict.verdict == "unknown"
    assert verdict.reason == "row 0 ended 10 ms before it began"


def test_several_wrong_keys_are_counted() -> None:
    script = Script()
    for key in range(3):
        script.read(5, 0, 1, key=key)
    assert check(script.history).reason.endswith("(2 more keys are violated)")


def test_unobserved_unanswered_writes_cost_nothing() -> None:
    """A thousand clients that gave up leave a thousand operations open for ever."""
    script = Script()
    for value in range(1000):
        script.write(1000 + value, value, None).write(value, value, value + 1).read(value, value + 1, value + 2)
    (steps,) = steps_by_key(script.history).values()
    assert len(without_unobserved(steps)) == 2000
    assert find_flaw(without_unobserved(steps)) is None
    assert check(script.history).verdict == "valid"


@pytest.mark.external
@pytest.mark.parametrize(("file", "expected"), register_logs() or [("", True)])
def test_recorded_histories(file: str, expected: bool) -> None:
    root = folder()
    if root is None:
        pytest.skip("no recorded histories: neither ../shared/histories nor QUORUMBENCH_HISTORIES")
    history = read_log(root / "porcupine" / file)
    assert len(history) > 50 and history.invoked[0] < 10 * MS
    assert check(history).verdict == ("valid" if expected else "invalid")
