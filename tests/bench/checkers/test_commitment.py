"""Atomic commitment: against its definitions, and one deliberate violation of each kind."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest

from bench.checkers.commitment import PROPERTIES, Commitments, check
from bench.errors import UsageError

from .brute_logs import Commit, commitment
from .faults import Fault
from .fuzzing import seeds
from .logs import sees

KINDS = ["member", "yes", "no", "commit", "abort", "failure"]


def columns(log: list[Commit], crashed: list[bool], comparable: bool = True, settled: bool = True) -> Commitments:
    return Commitments(
        transaction=np.array([each[0] for each in log], np.int64),
        node=np.array([each[1] for each in log], np.int32),
        kind=np.array([KINDS.index(each[2]) for each in log], np.int8),
        at=np.array([each[3] for each in log], np.int64),
        crashed=np.array(crashed),
        settled=settled,
        comparable=comparable,
    )


def run(rng: Random, nodes: int, transactions: int) -> list[Commit]:
    """Two-phase commit without a flaw, in order of time; a coordinator gives up only after a timeout or a no."""
    log: list[Commit] = []
    for transaction in range(transactions):
        now = rng.randint(0, 9)
        members = rng.sample(range(nodes), rng.randint(1, nodes))
        log += [(transaction, node, "member", now) for node in members]
        votes = {node: rng.choice(("yes", "yes", "yes", "no")) for node in members}
        silent = [node for node in members if rng.random() < 0.1]
        log += [(transaction, node, votes[node], now + rng.randint(0, 5)) for node in members if node not in silent]
        now += rng.randint(5, 8)
        if silent:
            log.append((transaction, rng.randrange(nodes), "failure", now))
        commits = not silent and all(vote == "yes" for vote in votes.values())
        for node in {*members, rng.randrange(nodes)}:
            log += [(transaction, node, "commit" if commits else "abort", now + rng.randint(0, 9))] * rng.choice(
                (1, 1, 2)
            )
    return sorted(log, key=lambda each: each[3])


def drawn(seed: int) -> tuple[list[Commit], list[bool], bool, bool]:
    rng = Random(seed)
    nodes = rng.randint(1, 4)
    log = run(rng, nodes, rng.randint(0, 3))
    crashed = [rng.random() < 0.1 for _ in range(nodes)]
    for _ in range(rng.choice((0, 1, 1, 2))):
        if log:
            at = rng.randrange(len(log))
            transaction, node, what, when = log[at]
            match rng.choice(("drop", "other", "later", "more", "any")):
                case "drop":
                    del log[at]
                case "other":
                    flip = {"yes": "no", "no": "yes", "commit": "abort", "abort": "commit"}
                    log[at] = (transaction, node, flip.get(what, what), when)
                case "later":
                    log[at] = (transaction, node, what, rng.randint(0, 25))
                case "more" if transaction >= 0:
                    log.insert(at, (transaction, rng.randrange(nodes), rng.choice(KINDS), when))
                case "any":
                    log.insert(at, (-1, node, "failure", when))
    log.sort(key=lambda each: each[3])
    return log, crashed, rng.random() < 0.7, rng.random() < 0.3


def problem(seed: int) -> str | None:
    log, crashed, comparable, nonblocking = drawn(seed)
    verdict = check(columns(log, crashed, comparable), nonblocking=nonblocking)
    expected = commitment(log, crashed, comparable, nonblocking)
    if {*verdict.violated} != expected or (verdict.verdict == "invalid") != bool(expected):
        return f"seed {seed}: {verdict.violated}, by the definition {expected}: {log} {crashed} {comparable}"
    if {*verdict.satisfied} | expected != {*PROPERTIES}:
        return f"seed {seed}: {verdict.satisfied} and {expected} are not all"
    if expected:
        shown = [log[row] for row in verdict.rows]
        first = verdict.violated[0]
        count = {"abort-validity": 1, "termination": 1}.get(first, 2)
        still = first in commitment(shown, crashed, comparable, nonblocking)
        if len(shown) != count or len({each[0] for each in shown}) != 1 or not still:
            return f"seed {seed}: rows {verdict.rows} do not show {first}: {log} {crashed}"
    waits = _waits(log, crashed)
    if verdict.figures["blocking_max_s"] != max(waits, default=0) / 1e9:
        return f"seed {seed}: blocked for {verdict.figures}, by hand {waits}: {log}"
    return None


def _waits(log: list[Commit], crashed: list[bool]) -> list[int]:
    waits = []
    for transaction, node in {each[:2] for each in log if each[2] == "yes"}:
        own = [each for each in log if each[:2] == (transaction, node)]
        voted = min(at for _, _, what, at in own if what == "yes")
        done = [at for _, _, what, at in own if what in ("commit", "abort")]
        if done or not crashed[node]:
            waits.append(max(0, (min(done) if done else log[-1][3]) - voted))
    return waits


def test_random_logs() -> None:
    for seed in seeds(2_000):
        assert (found := problem(seed)) is None, found


def test_correct_runs_are_valid() -> None:
    for seed in range(100):
        log = run(Random(seed), 4, 6)
        assert check(columns(log, [False] * 4), nonblocking=True).satisfied == PROPERTIES


CORRECT: list[Commit] = [
    (0, 1, "member", 0), (0, 2, "member", 0), (0, 1, "yes", 10), (0, 2, "yes", 12),
    (0, 0, "commit", 20), (0, 1, "commit", 30), (0, 2, "commit", 1_000_000_012),
    (1, 1, "member", 40), (1, 1, "no", 41), (1, 1, "abort", 42),
]  # fmt: skip
VIOLATIONS: dict[str, tuple[dict[int, Commit | None], tuple[int, ...]]] = {
    # what each row becomes; the rows that show it
    "agreement": ({4: (0, 1, "failure", 20), 6: (0, 2, "abort", 1_000_000_012)}, (5, 6)),
    "no-reversal": ({6: (0, 1, "abort", 30), 2: (0, 1, "yes", 10), 5: (0, 1, "commit", 30)}, (5, 6)),
    "commit-validity": ({2: (0, 1, "member", 10)}, (0, 4)),
    "abort-validity": ({8: (1, 1, "yes", 41)}, (9,)),
    "single-vote": ({7: (1, 1, "yes", 40)}, (7, 8)),
    "termination": ({9: None}, (8,)),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_deliberate_violation(name: str) -> None:
    changes, rows = VIOLATIONS[name]
    assert check(columns(CORRECT, [False] * 3)).verdict == "valid"
    log = [changes.get(row, each) for row, each in enumerate(CORRECT)]
    verdict = check(columns([each for each in log if each is not None], [False] * 3))
    assert (verdict.verdict, verdict.violated[0], verdict.rows) == ("invalid", name, rows), verdict


def test_a_vote_after_the_commit_counts_where_clocks_can_be_compared() -> None:
    log = sorted([*CORRECT[:3], (0, 2, "yes", 21), *CORRECT[4:]], key=lambda each: each[3])
    verdict = check(columns(log, [False] * 3))
    assert (verdict.violated, [log[row] for row in verdict.rows]) == (
        ("commit-validity",), [(0, 0, "commit", 20), (0, 2, "yes", 21)],
    )  # fmt: skip
    assert check(columns(log, [False] * 3, comparable=False)).verdict == "valid"


def test_blocking_is_measured() -> None:
    verdict = check(columns(CORRECT, [False] * 3))
    assert verdict.figures == {
        "transactions": 2, "committed": 1, "aborted": 1, "undecided": 0, "blocked": 0,
        "blocking_p50_s": pytest.approx(0.50000001), "blocking_p99_s": pytest.approx(0.99, abs=1e-6),
        "blocking_max_s": 1.0,
    }  # fmt: skip


def test_a_coordinator_that_stays_down_may_block_two_phase_commit() -> None:
    log = CORRECT[:4]
    verdict = check(columns(log, [True, False, False]))
    assert verdict.verdict == "valid" and (verdict.figures["blocked"], verdict.figures["blocking_max_s"]) == (2, 2e-9)
    assert check(columns(log, [True, False, False]), nonblocking=True).violated == ("termination",)
    assert check(columns(log, [False] * 3)).violated == ("termination",)
    assert check(columns(log, [False] * 3, settled=False)).verdict == "unknown"


def test_what_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="only a failure may have -1"):
        columns([(-1, 0, "commit", 1)], [False])
    with pytest.raises(UsageError, match="row 1: time runs backwards at node 0"):
        columns([(0, 0, "yes", 5), (0, 0, "commit", 4)], [False])
    with pytest.raises(UsageError, match="not of one log"):
        replace(columns(CORRECT, [False] * 3), at=np.zeros(1, int))


def test_an_empty_log_is_valid() -> None:
    assert check(columns([], [False])).verdict == "valid"


FAULTS = {
    "an abort forgives a commit": ("commits >= 0) & (aborts >= 0)", "commits > 0) & (aborts > 0)"),
    "reversal only to abort": ("(commit >= 0) & (abort >= 0)", "(commit >= 0) & (abort > commit)"),
    "a no is overruled": ("((no >= 0) | ~voted | late)", "(~voted | late)"),
    "who did not vote agrees": ("((no >= 0) | ~voted | late)", "((no >= 0) | late)"),
    "late votes count": ("((no >= 0) | ~voted | late)", "((no >= 0) | ~voted)"),
    "by the last commit": ("np.lexsort((rows[there], when))[::-1]", "np.lexsort((rows[there], when))"),
    "failures are no cause": ("for kind in (NO, FAILURE):", "for kind in (NO,):"),
    "a cause may come later": ("(log.at[row] <= log.at[abort])", "(log.at[row] >= 0)"),
    "failures of all are none": ("everywhere = np.flatnonzero(log.transaction < 0)", "everywhere = log.at[:0]"),
    "crashed ones owe a decision": (" & ~state.log.crashed[state.node])", ")"),
    "nonblocking blocks": ("(nonblocking or not state.log.crashed.any())", "not state.log.crashed.any()"),
    "the last decision": ("rows[::-1][chosen]  #", "rows[::-1][chosen] * 0 + rows[0]  #"),
    "blocked from the beginning": ("log.at[done[ended]] - log.at[yes[ended]]", "log.at[done[ended]]"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str) -> None:
    assert sees(Fault("commitment", *FAULTS[name]), problem), "the fuzzing does not see it"
