"""Failure detection: against looking at whole states again and again, and one deliberate violation of each kind."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from bench.checkers.opinions import PROPERTIES, Opinions, check
from bench.errors import UsageError

from .brute_logs import Opinion, opinions
from .faults import Fault
from .fuzzing import seeds
from .logs import sees

KINDS = ["down", "up", "-", "+"]


def columns(log: list[Opinion], up: list[bool], ends: int, settled: bool = True) -> Opinions:
    at, kind, node, subject = ([each[column] for each in log] for column in range(4))
    return Opinions(
        at=np.array(at, np.int64),
        kind=np.array([KINDS.index(each) for each in kind], np.int8),
        node=np.array(node, np.int32),
        subject=np.array(subject, np.int32),
        up=np.array(up),
        ends=ends,
        settled=settled,
    )


def drawn(seed: int) -> tuple[list[Opinion], list[bool], int]:
    """Nodes that come and go, with others that find out after a while, mostly; and some false alarms."""
    rng = Random(seed)
    nodes = rng.randint(1, 4)
    up = [rng.random() < 0.8 for _ in range(nodes)]
    log: list[Opinion] = []
    alive = list(up)
    for at in sorted(rng.sample(range(60), rng.choice((0, 1, 2, 3, 4)))):
        subject = rng.randrange(nodes)
        alive[subject] = not alive[subject]
        log.append((at, "up" if alive[subject] else "down", subject, subject))
        others = [node for node in range(nodes) if node != subject and rng.random() < 0.85]
        log += [(at + rng.randint(0, 20), "+" if alive[subject] else "-", node, subject) for node in others]
        if rng.random() < 0.1:
            log.append((at, "up" if alive[subject] else "down", subject, subject))
    for _ in range(rng.choice((0, 0, 1, 2, 3))):
        at, node, subject = rng.randint(0, 60), rng.randrange(nodes), rng.randrange(nodes)
        log.append((at, "-", node, subject))
        if rng.random() < 0.7:
            log.append((at + rng.randint(0, 20), "+", node, subject))
    log.sort(key=lambda each: each[0])
    return log, up, (log[-1][0] if log else 0) + rng.randint(0, 9)


def problem(seed: int) -> str | None:
    log, up, ends = drawn(seed)
    expected, figures = opinions(log, up, ends)
    given = columns(log, up, ends)
    verdict = check(given, properties=PROPERTIES)
    if {*verdict.violated} != expected:
        return f"seed {seed}: {verdict.violated}, by the definition {expected}: {log} {up}"
    if {name: verdict.figures[name] for name in figures} != figures:
        return f"seed {seed}: {verdict.figures}, by hand {figures}: {log} {up} {ends}"
    for name in expected:
        shown = [log[row] for row in check(given, properties=(name,)).rows]
        if name == "strong-accuracy":
            good = len(shown) == 1 and shown[0][1] == "-"
        else:  # the last thing that happened to the subject, and the last that was thought of it
            good = len(shown) <= 2 and len({each[3] for each in shown}) <= 1
            good = good and (name == "strong-completeness" or (bool(shown) and shown[-1][1] in ("-", "up")))
        if not good:
            return f"seed {seed}: rows {shown} do not show {name}: {log} {up}"
    return None


def test_random_logs() -> None:
    for seed in seeds(2_000):
        assert (found := problem(seed)) is None, found


S = 10**9
CORRECT: list[Opinion] = [
    (1 * S, "down", 2, 2), (2 * S, "-", 0, 2), (4 * S, "-", 1, 2), (6 * S, "up", 2, 2), (7 * S, "+", 1, 2),
    (8 * S, "+", 0, 2), (9 * S, "-", 0, 1), (10 * S, "+", 0, 1),
]  # fmt: skip


def test_a_correct_log() -> None:
    verdict = check(columns(CORRECT, [True] * 3, 20 * S))
    assert (verdict.verdict, verdict.satisfied) == ("valid", ("strong-completeness", "eventual-accuracy"))
    assert verdict.figures == {
        "changes": 2, "convergence_p50_s": 2.5, "convergence_max_s": 3, "unconverged": 0, "detection_p50_s": 2,
        "detection_max_s": 3, "undetected": 0, "false_positives": 1, "mistake_mean_s": 1, "mistake_max_s": 1,
    }  # fmt: skip


VIOLATIONS: dict[str, tuple[list[Opinion], tuple[int, ...]]] = {
    "strong-completeness": ([CORRECT[0], CORRECT[1]], (0,)),
    "eventual-accuracy": (CORRECT[:7], (6,)),
    "strong-accuracy": (CORRECT, (6,)),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_deliberate_violation(name: str) -> None:
    log, rows = VIOLATIONS[name]
    verdict = check(columns(log, [True] * 3, 20 * S), properties=(name,))
    assert (verdict.verdict, verdict.violated, verdict.rows) == ("invalid", (name,), rows), verdict
    assert check(columns(CORRECT[:6], [True] * 3, 20 * S), properties=(name,)).verdict == "valid"


def test_limits() -> None:
    log = columns(CORRECT, [True] * 3, 20 * S)
    assert check(log, detection_max_s=3).verdict == "valid"
    verdict = check(log, detection_max_s=2.5, false_positives=0)
    assert (verdict.verdict, verdict.violated) == ("invalid", ("detection_max_s", "false_positives"))
    assert verdict.reason == "detection_max_s is 3, over 2.5"
    with pytest.raises(UsageError, match="unknown figure 'detection_s'"):
        check(log, detection_s=3)


def test_what_may_still_come_is_unknown() -> None:
    verdict = check(columns(CORRECT[:2], [True] * 3, 20 * S, settled=False))
    assert verdict.verdict == "unknown" and "node 1 deems node 2 up, which is down" in verdict.reason


def test_what_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="row 1: time runs backwards"):
        columns([(5, "down", 0, 0), (4, "up", 0, 0)], [True], 9)
    with pytest.raises(UsageError, match="the log ends at 4, before its last row at 5"):
        columns([(5, "down", 0, 0)], [True], 4)


def test_an_empty_log_is_valid() -> None:
    assert check(columns([], [], 0), properties=PROPERTIES).verdict == "valid"


FAULTS = {
    "opinions of crashed ones count": ("self.wrong[own] += 1 if up else -1", "pass"),
    "of itself too": ("others[subject] = False", "pass"),
    "a second crash has converged": ("            self.unconverged += 1\n", "            pass\n"),
    "who crashed must detect": ("            who.discard(subject)", "            pass"),
    "who knew before has not detected": ("self.detected += [0] * int((others & ~mistaken).sum())", "pass"),
    "an early return is no miss": ("self.undetected += len(self.seeking.pop(subject)[1])",
                                   "self.undetected += 0 * len(self.seeking.pop(subject)[1])"),
    "mistakes outlive a crash": ("for pair in [pair for pair in self.mistakes if subject in pair]:", "for pair in []:"),
    "a mistake ends with its subject only": ("if subject in pair]", "if subject == pair[1]]"),
    "mistakes at the end are none": ("self.mistaken += [log.ends", "_ = [log.ends"),
    "all wrong opinions are false suspicions": ("elif not up and not right:", "elif not right:"),
    "completeness of crashed ones": ("off = self.up[:, None] & (self.deems", "off = (self.deems"),
    "repeated opinions count": ("and self.deems[node, subject] != (kind == DEEMS_UP)", ""),
    "repeated crashes count": ("if self.up[subject] != (kind == UP):", "if True:"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str) -> None:
    assert sees(Fault("opinions", *FAULTS[name]), problem), "the fuzzing does not see it"
