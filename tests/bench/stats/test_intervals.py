"""Intervals cover what they claim to, and say so when they cannot."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.stats.intervals import difference, distinguishable, interval, share


@pytest.fixture(name="rng")
def fixture_rng() -> np.random.Generator:
    return np.random.default_rng(11)


def test_a_median_interval_covers_the_true_median_about_as_often_as_it_says(rng: np.random.Generator) -> None:
    covered = 0
    for i in range(150):
        found = interval(rng.lognormal(0.0, 0.6, size=40), seed=i)
        assert found.method in ("bca", "percentile")
        covered += found.low <= 1.0 <= found.high
    assert 0.88 <= covered / 150 <= 0.995


def test_more_trials_narrow_it(rng: np.random.Generator) -> None:
    few, many = interval(rng.normal(5, 1, 20)), interval(rng.normal(5, 1, 800))
    assert many.high - many.low < (few.high - few.low) / 2
    assert not many.few


def test_few_trials_get_a_t_interval_and_a_flag() -> None:
    found = interval([1.0, 2.0, 3.0])
    assert (found.method, found.few, found.estimate) == ("t", True, 2.0)
    assert found.high - 2.0 == pytest.approx(4.303 / math.sqrt(3), rel=1e-3)


@pytest.mark.parametrize("values", [[], [1.0], [math.nan, 3.0]])
def test_one_trial_has_no_bounds(values: list[float]) -> None:
    assert not interval(values).known
    assert not distinguishable(values, [1.0, 2.0, 3.0])


def test_a_tail_quantile_of_few_trials_has_no_bounds(rng: np.random.Generator) -> None:
    assert not interval([1.0, 2.0, 3.0], 0.9).known
    assert interval(rng.normal(size=100), 0.9).known


def test_unobserved_trials_are_left_out(rng: np.random.Generator) -> None:
    values = [*rng.normal(5, 1, 30), math.nan]
    assert interval(values).n == 30


def test_equal_values_give_an_exact_interval() -> None:
    found = interval([0.25] * 12)
    assert (found.low, found.high, found.method) == (0.25, 0.25, "exact")


def test_ties_do_not_leave_it_without_bounds() -> None:
    assert interval([0.0] * 30 + [1.0] * 4).known


def test_cells_far_apart_are_told_apart_and_alike_ones_are_not(rng: np.random.Generator) -> None:
    low, high = rng.normal(1.0, 0.2, 60), rng.normal(1.5, 0.2, 60)
    assert distinguishable(low, high)
    assert difference(low, high).high < 0 < difference(high, low).low
    alike = sum(distinguishable(rng.normal(1, 0.2, 40), rng.normal(1, 0.2, 40), seed=i) for i in range(40))
    assert alike <= 6


def test_a_small_difference_needs_more_trials(rng: np.random.Generator) -> None:
    assert not distinguishable(rng.normal(1.0, 0.5, 10), rng.normal(1.1, 0.5, 10))
    assert distinguishable(rng.normal(1.0, 0.5, 1400), rng.normal(1.1, 0.5, 1400))


def test_two_live_trials_a_cell_are_compared_with_little_confidence() -> None:
    found = difference([1.0, 1.1], [2.0, 2.2])
    assert (found.method, found.few) == ("t", True)
    assert not distinguishable([1.0, 1.0], [2.0, 2.0])


def test_a_share_has_wilsons_interval_even_at_its_ends() -> None:
    none = share([False] * 100)
    assert (none.estimate, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(0.037, abs=0.001)
    half = share([True, False] * 50)
    assert (half.low, half.high) == (pytest.approx(0.404, abs=0.002), pytest.approx(0.596, abs=0.002))
    assert not share([]).known


def test_equal_tails_are_told_apart_about_as_seldom_as_asked(rng: np.random.Generator) -> None:
    alarms = sum(
        distinguishable(rng.lognormal(0, 0.3, 60), rng.lognormal(0, 0.3, 60), 0.9, level=0.975, seed=i)
        for i in range(120)
    )
    assert alarms <= 7  # 3 expected


# --- trials in which it was longer than could be observed -----------------------------------------------------------


def test_a_quantile_among_censored_trials_is_infinite_and_one_below_them_is_not() -> None:
    values = [*range(1, 46), *[math.inf] * 15]
    median, tail = interval(values), interval(values, 0.9)
    assert median.estimate == pytest.approx(30.5)
    assert median.low < 30.5 < median.high
    assert math.isinf(tail.estimate)
    assert tail.known
    assert tail.high == math.inf


def test_few_trials_with_a_censored_one_have_no_mean() -> None:
    found = interval([1.0, 2.0, math.inf])
    assert (found.estimate, found.known, found.n) == (math.inf, False, 3)


def test_all_trials_censored_are_infinite_without_a_doubt() -> None:
    found = interval([math.inf] * 20, 0.9)
    assert (found.estimate, found.low, found.high) == (math.inf, math.inf, math.inf)


def test_a_cell_whose_tail_is_censored_differs_from_one_that_ended() -> None:
    ended = [0.1 + i / 1000 for i in range(60)]
    censored = [*ended[:40], *[math.inf] * 20]
    found = difference(censored, ended, 0.9)
    assert (found.estimate, found.low) == (math.inf, math.inf)
    assert distinguishable(censored, ended, 0.9)
    assert not distinguishable(censored, censored, 0.9), "nothing tells two infinities apart"
    assert not distinguishable(censored[-4:], ended[:4], 0.9), "few"
