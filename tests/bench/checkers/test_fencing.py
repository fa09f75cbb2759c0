"""Locks with expiry and fencing: against comparing all pairs, and one deliberate violation of each kind."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from random import Random

import numpy as np
import pytest

from bench.checkers.fencing import Accesses, Holds, check, check_accesses
from bench.errors import UsageError
from bench.history.history import NEVER

from .brute_logs import Hold, overlap, stale, token_order, token_repeated
from .faults import Fault
from .fuzzing import seeds
from .logs import sees

Access = tuple[int, int, bool, int]


def columns(holds: list[Hold], slack: int = 0) -> Holds:
    return Holds(*(np.array([each[column] for each in holds], np.int64) for column in range(7)), slack=slack)


def accesses(rows: list[Access]) -> Accesses:
    resource, token, accepted, lock = ([each[column] for each in rows] for column in range(4))
    return Accesses(np.array(resource, int), np.array(token, int), np.array(accepted, bool), np.array(lock, int))


def drawn(seed: int) -> tuple[list[Hold], int]:
    """Locks granted by turns, with answers that tarry, and then a few times changed."""
    rng = Random(seed)
    holds: list[Hold] = []
    for lock in range(rng.randint(1, 3)):
        now = 0
        for token in range(rng.randint(0, 6)):
            asked = max(0, now - rng.randint(-3, 8))
            granted = max(asked, now) + rng.randint(0, 3)
            released = granted + rng.randint(0, 5)
            expires = rng.choice((NEVER, granted + rng.randint(0, 5)))
            now = min(released, expires) + rng.choice((0, 0, 1, 3))
            holds.append((lock, rng.randrange(3), token * 3, asked, granted, released, expires))
    rng.shuffle(holds)
    for _ in range(rng.choice((0, 1, 2))):
        if holds:
            at = rng.randrange(len(holds))
            each = list(holds[at])
            which = rng.choice((1, 2, 4, 5, 6))
            each[which] = {1: rng.randrange(3), 2: rng.randrange(18)}.get(
                which, rng.choice((NEVER, rng.randint(0, 40)))
            )
            if which == 4:
                each[4] = each[3] + rng.randint(0, 30)
            holds[at] = tuple(each)  # type: ignore[assignment]
    return holds, rng.choice((0, 0, 0, 1, 2))


def problem(seed: int) -> str | None:
    holds, slack = drawn(seed)
    verdict = check(columns(holds, slack))
    pairs = list(permutations(holds, 2))
    longest = max((overlap(*pair, slack) for pair in pairs), default=0)
    expected = {
        "overlap": longest > 0,
        "token-order": any(token_order(*pair, slack) for pair in pairs),
        "token-repeated": any(token_repeated(*pair) for pair in pairs),
    }
    if {*verdict.anomalies} != {name for name, there in expected.items() if there}:
        return f"seed {seed}: {verdict.anomalies}, by pairs {expected}: {holds} {slack}"
    figure = verdict.figures["longest_overlap_s"]
    if figure != (longest / 1e9 if longest < NEVER // 2 else float("inf")):
        return f"seed {seed}: the longest overlap is {figure}, by pairs {longest}: {holds} {slack}"
    if verdict.verdict == "invalid":
        one, two = (holds[row] for row in verdict.rows)
        shown = {
            "overlap": overlap(one, two, slack) > 0,
            "token-order": token_order(one, two, slack) or token_order(two, one, slack),
            "token-repeated": token_repeated(one, two),
        }
        if not shown[verdict.explanations[0].split(":")[0]]:
            return f"seed {seed}: {verdict.rows} show nothing: {holds} {slack}"
    return access_problem(seed)


def access_problem(seed: int) -> str | None:
    rng = Random(seed)
    rows, newest = list[Access](), dict[int, int]()
    for _ in range(rng.randint(0, 8)):
        resource, token = rng.randrange(3), rng.randrange(6)
        good = token >= newest.get(resource, -1)
        if rng.random() < 0.1:
            good = not good
        if good:
            newest[resource] = max(token, newest.get(resource, -1))
        rows.append((resource, token, good, 0))
    granted = columns([(0, 0, token, 0, 0, 0, 0) for token in range(6 if rng.random() < 0.7 else 4)])
    verdict = check_accesses(accesses(rows), granted)
    invented = any(token not in granted.token and done for _, token, done, _ in rows)
    expected = {name for name, there in (("stale-token", stale(rows)), ("invented-token", invented)) if there}
    if {*verdict.anomalies} != expected:
        return f"seed {seed}: {verdict.anomalies}: {rows}"
    if verdict.verdict == "invalid":
        shown = [rows[row] for row in verdict.rows]
        if not (stale(shown) if len(shown) == 2 else shown[0][2] and shown[0][1] not in granted.token):
            return f"seed {seed}: {verdict.rows} show nothing: {rows}"
    return None


def test_random_logs() -> None:
    for seed in seeds(2_000):
        assert (found := problem(seed)) is None, found


CORRECT: list[Hold] = [
    # lock, holder, token, asked, granted, released, expires
    (0, 1, 10, 0, 5, 20, 30),
    (0, 2, 11, 6, 21, NEVER, 40),
    (0, 3, 12, 25, 40, 44, 60),
    (1, 3, 10, 0, 5, NEVER, NEVER),
]


def test_a_correct_log() -> None:
    verdict = check(columns(CORRECT))
    assert (verdict.verdict, verdict.satisfied) == ("valid", ("exclusion", "tokens"))
    assert verdict.figures == {"holds": 4.0, "overlaps": 0.0, "longest_overlap_s": 0.0, "held_s": 38e-9}


def test_two_holders_at_a_time() -> None:
    holds = [*CORRECT[:2], (0, 3, 12, 25, 38, 44, 60)]
    verdict = check(columns(holds))
    assert (verdict.verdict, verdict.violated, verdict.rows) == ("invalid", ("exclusion",), (1, 2))
    assert "holder 2 and holder 3 both held lock 0 from 38 ns, for 2e-09 s" in verdict.reason
    assert verdict.figures["longest_overlap_s"] == 2e-9
    assert check(columns(holds, slack=1)).verdict == "valid"  # clocks that are wrong by one could have made it


def test_a_holder_that_holds_twice_is_one_holder() -> None:
    assert check(columns([(0, 1, 10, 0, 5, 20, 30), (0, 1, 10, 6, 7, 25, 30)])).verdict == "valid"


def test_tokens_that_fall_back() -> None:
    verdict = check(columns([*CORRECT[:2], (0, 3, 10, 25, 40, 44, 60)]))
    assert (verdict.violated, verdict.anomalies) == (("tokens",), ("token-order", "token-repeated"))
    assert verdict.rows == (1, 2)
    verdict = check(columns([*CORRECT[:2], (0, 3, 9, 20, 40, 44, 60)]))
    assert (verdict.anomalies, verdict.rows) == (("token-order",), (0, 2))  # asked for before the second was granted


def test_a_resource_that_accepts_an_older_token() -> None:
    rows: list[Access] = [(0, 10, True, 0), (0, 11, True, 0), (0, 10, False, 0), (1, 10, True, 1), (0, 11, True, 0)]
    verdict = check_accesses(accesses(rows), columns(CORRECT))
    assert verdict.verdict == "valid"
    assert verdict.figures == {"accepted": 4.0, "refused": 1.0, "refused_newest": 0.0}
    verdict = check_accesses(accesses([*rows, (0, 10, True, 0)]))
    assert (verdict.verdict, verdict.rows, verdict.anomalies) == ("invalid", (1, 5), ("stale-token",))
    verdict = check_accesses(accesses([*rows, (1, 11, True, 1)]), columns(CORRECT))
    assert (verdict.verdict, verdict.rows, verdict.anomalies) == ("invalid", (5,), ("invented-token",))
    assert check_accesses(accesses([*rows, (0, 12, False, 0)])).figures["refused_newest"] == 1


def test_what_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="hold 0 was granted at 3, before it was asked for"):
        columns([(0, 1, 1, 5, 3, 9, 9)])
    with pytest.raises(UsageError, match="not of one log"):
        replace(columns(CORRECT), token=np.zeros(1, int))


def test_empty_logs_are_valid() -> None:
    assert check(columns([])).verdict == check_accesses(accesses([])).verdict == "valid"


FAULTS = {
    "a release ends it, whatever the expiry": ("np.minimum(holds.released, holds.expires)", "holds.released"),
    "touching holds overlap": ("(begin[joined][1:] < reach[:-1])", "(begin[joined][1:] <= reach[:-1])"),
    "only the hold before": ("reach = _running_max(last, lock)", "reach = last"),
    "a holder's own holds overlap": ("new[1:] = (group[1:] != group[:-1]) | (begin[order][1:] >= reach[:-1])", "pass"),
    "slack one way": ("end - holds.slack, NEVER)", "end, NEVER)"),
    "by the order of answers": ("last = np.searchsorted(key[order], wanted) - 1",
                                "last = np.searchsorted(key[order], key) - 1"),
    "ties are in order": ("np.searchsorted(key[order], wanted)", "np.searchsorted(key[order], wanted, 'right')"),
    "tokens of all locks": (" & (lock[order][last] == lock)", ""),
    "only the last grant's token": ("_running_max(token[order], lock[order])", "token[order]"),
    "one holder's token twice": (" & (holds.holder[one_] != holds.holder[two_])", ""),
    "refused ones are seen": ("np.where(yes, token, lowest)", "token"),
    "resources together": ("reach[1:] = np.where(group[1:] == group[:-1], ", "reach[1:] = np.where(True, "),
    "an equal token is stale": ("yes & (token < reach)", "yes & (token <= reach)"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str) -> None:
    assert sees(Fault("fencing", *FAULTS[name]), problem), "the fuzzing does not see it"
