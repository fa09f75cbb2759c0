"""Queues and stacks whose values differ are decided, whatever was left unanswered and however long they are."""

from __future__ import annotations

from collections import Counter
from random import Random
from time import monotonic

import msgspec
import pytest

from bench.checkers import models
from bench.checkers.objects import _Judge
from bench.history.history import OK

from . import brute_models
from .fuzzing import LINES, lines, seeds
from .random_lines import NAMES, draw, long
from .test_models import op


@pytest.mark.parametrize("model", NAMES)
def test_the_quick_algorithms_against_the_definition(model: str) -> None:
    counts: Counter[str] = Counter()
    wrong = [problem for seed in seeds(1500) if (problem := lines(model, seed, counts))]
    assert wrong == []
    assert min(counts["True"], counts["False"]) > sum(counts.values()) // 12, counts


@pytest.mark.parametrize("model", NAMES)
@pytest.mark.parametrize("unanswered", [0.0, 0.01, 0.1])
@pytest.mark.parametrize("puts", [0.5, 0.6])
def test_long_ones_end_with_a_verdict(model: str, unanswered: float, puts: float) -> None:
    history = long(model, 5_000, clients=10, puts=puts, unanswered=unanswered, seed=1)
    assert models.check(history, models.model(model)).verdict == "valid"
    # Two takes that ended far apart told each other's values.
    out = NAMES[model][1]
    takes = [row for row, each in enumerate(history) if each.function == out and each.outcome == OK and each.result]
    one, two = takes[len(takes) // 3], takes[2 * len(takes) // 3]
    results = history[one].result, history[two].result
    history[one] = msgspec.structs.replace(history[one], result=results[1])
    history[two] = msgspec.structs.replace(history[two], result=results[0])
    verdict = models.check(history, models.model(model))
    assert verdict.verdict == "invalid"
    assert len(verdict.rows) <= 4
    assert not brute_models.linearizable([history[row] for row in verdict.rows], LINES[model])


def test_a_deep_stack_comes_off_in_one_go() -> None:
    """All pushed, then all popped: every value lies upon another."""
    count = 50_000
    pushes = [op("push", 2 * n, 2 * n + 1, n) for n in range(count)]
    pops = [op("pop", 2 * (count + n), 2 * (count + n) + 1, result=count - 1 - n) for n in range(count)]
    began = monotonic()
    assert models.check([*pushes, *pops], models.model("stack")).verdict == "valid"
    assert monotonic() - began < 10
    pops[7], pops[8] = (
        msgspec.structs.replace(pops[7], result=pops[8].result),
        msgspec.structs.replace(pops[8], result=pops[7].result),
    )
    verdict = models.check([*pushes, *pops], models.model("stack"))
    assert verdict.verdict == "invalid" and len(verdict.rows) == 4


def test_unanswered_pops_that_are_too_few() -> None:
    """Of three left-over values two are in the way, and one pop without answer had begun."""
    history = [
        op("push", 0, 1, 1),
        op("push", 2, 3, 2),
        op("push", 4, 5, 3),
        op("pop", 6, None),
        op("pop", 8, 9, result=1),
        op("pop", 10, None),
    ]
    verdict = models.check(history, models.model("stack"))
    assert verdict.verdict == "invalid" and verdict.rows == (0, 1, 2, 3, 4)
    assert "1 pop without answer cannot have removed it in time" in verdict.reason
    assert models.check([*history, op("pop", 7, None)], models.model("stack")).verdict == "valid"


def test_unanswered_dequeues_that_are_too_few() -> None:
    history = [
        op("enqueue", 0, 1, 1),
        op("enqueue", 0, 1, 2),
        op("enqueue", 2, 3, 3),
        op("dequeue", 4, None),
        op("dequeue", 5, 6, result=3),
        op("dequeue", 7, None),
    ]
    verdict = models.check(history, models.model("queue"))
    assert verdict.verdict == "invalid" and verdict.rows == (0, 1, 2, 3, 4)
    assert "of the dequeues without answer only 1 had begun" in verdict.reason
    assert models.check([*history, op("dequeue", 6, None)], models.model("queue")).verdict == "valid"


def test_none_of_these_is_left_to_the_search() -> None:
    undecided = 0
    for model in NAMES:
        for seed in range(300):
            history = draw(model, Random(f"{model}/{seed}"))
            judge = _Judge(history, models.model(model), monotonic() + 10)
            undecided += judge._shortcut(range(len(history))) is None
    assert undecided == 0
