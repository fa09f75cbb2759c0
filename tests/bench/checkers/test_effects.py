"""Effects: against counting by hand, and one deliberate violation of each kind."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from bench.checkers.effects import ATTEMPT, DEMANDS, EFFECT, Effects, check
from bench.errors import UsageError

from .faults import Fault
from .fuzzing import seeds
from .logs import sees

Log = list[tuple[str, int]]
"""("ok", "fail", "info" or "effect", request)"""


def columns(log: Log, settled: bool = True) -> Effects:
    return Effects(
        kind=np.array([EFFECT if what == "effect" else ATTEMPT for what, _ in log], np.int8),
        request=np.array([request for _, request in log], np.int64),
        outcome=np.array([["ok", "fail", "info", "effect"].index(what) for what, _ in log], np.int8),
        settled=settled,
    )


def drawn(seed: int) -> Log:
    """A service that does each request once and sometimes does not."""
    rng = Random(seed)
    log: Log = []
    for request in rng.sample(range(50), rng.randint(0, 6)):
        answers = [rng.choice(("info", "fail")) for _ in range(rng.choice((0, 0, 1, 2)))]
        answers += [rng.choice(("ok", "ok", "fail", "info"))]
        times = 1 if "ok" in answers else 0 if set(answers) == {"fail"} else rng.randint(0, 1)
        if rng.random() < 0.2:
            times = rng.randint(0, 3)
        if rng.random() < 0.05:
            answers = []
        log += [(answer, request) for answer in answers] + [("effect", request)] * times
    rng.shuffle(log)
    return log


def wrong(log: Log, demand: str) -> set[str]:
    """The ways in which the demand is violated."""
    ways = set()
    for request in {request for _, request in log}:
        said = [what for what, which in log if which == request]
        times = said.count("effect")
        answers = [what for what in said if what != "effect"]
        if not answers:
            ways.add("invented")
        elif "ok" in answers:
            if times == 0 and demand != "at-most-once":
                ways.add("lost")
        elif "info" not in answers and times:
            ways.add("denied")
        if times > 1 and demand != "at-least-once":
            ways.add("duplicated")
    return ways


def problem(seed: int) -> str | None:
    log = drawn(seed)
    for demand in DEMANDS:
        verdict, expected = check(columns(log), demand=demand), wrong(log, demand)
        if (verdict.verdict == "invalid") != bool(expected) or {*verdict.anomalies} != expected:
            return f"seed {seed}: {demand} {verdict.anomalies}, by counting {expected}: {log}"
        if expected:
            shown = [log[row] for row in verdict.rows]
            way = verdict.explanations[0].split(":")[0]
            if len({request for _, request in shown}) != 1 or not _shows(
                way, [what for what, _ in shown], shown[0][1], log
            ):
                return f"seed {seed}: rows {verdict.rows} do not show {way}: {log}"
    return None


def _shows(way: str, shown: list[str], request: int, log: Log) -> bool:
    said = [what for what, which in log if which == request]
    return {
        "lost": shown == ["ok"] and "effect" not in said,
        "duplicated": shown == ["effect", "effect"],
        "denied": sorted(shown) == ["effect", *["fail"] * (len(shown) - 1)] and len(shown) == 1 + said.count("fail"),
        "invented": shown == ["effect"] and {*said} == {"effect"},
    }[way]


def test_random_logs() -> None:
    for seed in seeds(2_000):
        assert (found := problem(seed)) is None, found


CORRECT: Log = [("info", 1), ("ok", 1), ("effect", 1), ("fail", 2), ("info", 3), ("effect", 3), ("info", 4), ("ok", 5)]
CORRECT += [("effect", 5)]


def test_a_correct_log() -> None:
    for demand in DEMANDS:
        verdict = check(columns(CORRECT), demand=demand)
        assert (verdict.verdict, verdict.satisfied) == ("valid", (demand,))
        figures = {"requests": 5.0, "effects": 3.0, "open": 2.0, "open_done": 1.0}
        assert verdict.figures == figures | dict.fromkeys(("lost", "duplicated", "denied", "invented"), 0.0)


VIOLATIONS = {
    "lost": (CORRECT[:8], ("exactly-once", "at-least-once"), (7,)),
    "duplicated": ([*CORRECT, ("effect", 3)], ("exactly-once", "at-most-once"), (5, 9)),
    "denied": ([*CORRECT, ("effect", 2)], tuple(DEMANDS), (3, 9)),
    "invented": ([*CORRECT, ("effect", 9)], tuple(DEMANDS), (9,)),
}


@pytest.mark.parametrize("way", VIOLATIONS)
def test_a_deliberate_violation(way: str) -> None:
    log, demands, rows = VIOLATIONS[way]
    for demand in DEMANDS:
        verdict = check(columns(list(log)), demand=demand)
        expected = ("invalid", (way,), rows) if demand in demands else ("valid", (), ())
        assert (verdict.verdict, verdict.anomalies, verdict.rows) == expected
        assert verdict.figures[way] == 1


def test_what_may_still_come_is_unknown() -> None:
    verdict = check(columns(CORRECT[:8], settled=False))
    assert verdict.verdict == "unknown" and "request 5" in verdict.reason


def test_what_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown demand 'exactly_once': did you mean 'exactly-once'"):
        check(columns(CORRECT), demand="exactly_once")
    with pytest.raises(UsageError, match="outcomes"):
        Effects(np.array([ATTEMPT]), np.array([1]), np.array([7]))


FAULTS = {
    "lost only if it was open": ("done & (effects == 0)", "refused & (effects == 0)"),
    "a third effect is one too many": ("(effects > 1, lambda", "(effects > 2, lambda"),
    "one refusal is enough": ("== tried)", "> 0)"),
    "any attempt is an answer": ("count(attempts & (log.outcome == OK)) > 0", "tried > 0"),
    "inventions are fine": ("(tried == 0, lambda", "(tried < 0, lambda"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str) -> None:
    assert sees(Fault("effects", *FAULTS[name]), problem), "the fuzzing does not see it"
