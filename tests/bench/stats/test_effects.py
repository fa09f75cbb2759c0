"""Effect sizes and rankings, against definitions, known values and simulated error rates."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bench.stats.effects import cliffs_delta, effect, ratio
from bench.stats.groups import rank, warnings_of
from bench.stats.intervals import interval


def test_delta_is_what_its_definition_says() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 9, 30).astype(float), rng.integers(0, 9, 20).astype(float)
    pairs = [np.sign(x - y) for x in a for y in b]
    assert cliffs_delta(a, b) == pytest.approx(np.mean(pairs))
    assert cliffs_delta(b, a) == pytest.approx(-np.mean(pairs))
    u = stats.mannwhitneyu(a, b).statistic
    assert cliffs_delta(a, b) == pytest.approx(2 * u / (len(a) * len(b)) - 1)
    assert cliffs_delta([math.inf, math.inf], [1.0, 2.0]) == 1
    assert math.isnan(cliffs_delta([], [1.0]))


def test_the_ratio_of_medians_has_an_interval_that_covers_it() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(60):
        found = ratio(2 * rng.lognormal(0, 0.3, 25), rng.lognormal(0, 0.3, 25))
        covered += found.low <= 2 <= found.high
    assert covered >= 53
    assert math.isnan(ratio([0.0] * 9, [1.0] * 9).estimate), "no ratio to 0"
    assert ratio([math.inf] * 9, [1.0] * 8 + [2.0]).estimate == math.inf


def test_an_effect_in_words() -> None:
    rng = np.random.default_rng(1)
    base = rng.normal(10, 1, 40)
    assert effect(base + 3, base).size == "large"
    assert effect(base, base).size == "negligible"
    assert effect(base[:5] + 3, base[:5]).size == "unknown", "five trials tell no effect"
    assert "1.3 times" in str(effect(base * 1.3, base))


def test_reversed_values_reverse_the_ranking() -> None:
    rng = np.random.default_rng(2)
    cells = {"a": rng.normal(1, 0.1, 30), "b": rng.normal(2, 0.1, 30), "c": rng.normal(3, 0.1, 30)}
    low, high = rank(cells, "p99"), rank(cells, "p99", highest=True)
    assert (low.best, high.best) == ("a", "c")
    assert low.clear and high.clear
    assert low.sentence().startswith("a is the best by p99; the next, b, is at 2")
    assert list(high.cells) == ["c", "b", "a"]


def test_cells_that_are_alike_are_said_to_be() -> None:
    rng = np.random.default_rng(4)
    alike = rank({name: rng.normal(1, 0.1, 30) for name in "abcd"}, "p99")
    assert alike.indistinguishable
    assert alike.sentence() == "This grid cannot tell these cells apart by p99: 30 trials a cell."
    some = rank({"a": rng.normal(1, 0.1, 30), "b": rng.normal(1, 0.1, 30), "c": rng.normal(2, 0.1, 30)}, "p99")
    assert set(some.tied) == {"a", "b"}
    assert "cannot be told from" in some.sentence() and "the rest are worse" in some.sentence()


def test_the_sentence_is_rarely_wrong_for_equal_cells_and_for_different_ones() -> None:
    """Of 40 grids of four equal cells about two may be told apart."""
    rng = np.random.default_rng(6)
    equal = [rank({str(i): rng.normal(1, 0.1, 20) for i in range(4)}, "x") for _ in range(40)]
    assert sum(not each.indistinguishable for each in equal) <= 7
    assert sum(each.clear for each in equal) <= 2
    apart = [rank({str(i): rng.normal(1 + 0.2 * i, 0.1, 20) for i in range(4)}, "x") for _ in range(8)]
    assert not any(each.indistinguishable for each in apart)


def test_few_trials_tell_nothing_and_warn() -> None:
    few = rank({"a": [1.0, 1.1, 1.2], "b": [9.0, 9.1, 9.2]}, "x")
    assert few.indistinguishable and few.few == ("a", "b")
    assert "with fewer than 8 nothing is told apart" in few.sentence()
    cells = [interval([1.0, 2.0, 3.0]), interval(list(range(20)))]
    assert warnings_of(cells)[0].startswith("1 of 2 cells have fewer than 8 trials (the least: 3)")
    assert warnings_of(cells[1:]) == []


def test_trials_that_never_ended_are_the_worst() -> None:
    found = rank({"a": [0.1] * 9 + [math.inf] * 11, "b": np.linspace(1, 2, 20)}, "outage")
    assert found.best == "b"
    assert rank({}, "x").sentence() == "There are no two cells to compare by x."
    same = rank({"a": [1.0] * 20, "b": [1.0] * 20}, "x")
    assert same.indistinguishable
