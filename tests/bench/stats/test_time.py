"""What depends on time and order: warm-up, drift, and looks at trials as they come in."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.errors import UsageError
from bench.history.history import FAIL, OK, WRITE, HistoryBuilder
from bench.stats.intervals import interval
from bench.stats.looks import Precision, look
from bench.stats.order import order_effect
from bench.stats.steady import mser, steady_from


def brute_mser(values: np.ndarray) -> int:
    """The definition, without sums kept."""
    means = values[: len(values) // 5 * 5].reshape(-1, 5).mean(axis=1)
    m = len(means)
    errors = [float(((means[d:] - means[d:].mean()) ** 2).sum()) / (m - d) ** 2 for d in range(m - 5)]
    return int(np.argmin(errors)) * 5


def test_mser_is_its_definition() -> None:
    rng = np.random.default_rng(7)
    for transient in (0, 50, 200):
        values = rng.normal(10, 1, 1000)
        values[:transient] += np.linspace(20, 0, transient)
        assert mser(values).observations == brute_mser(values)


def test_a_transient_is_found_and_a_steady_series_needs_none() -> None:
    rng = np.random.default_rng(8)
    values = rng.exponential(1.0, 2000)
    assert (mser(values).observations or 0) < 300
    values[:400] += 10
    assert mser(values).observations in range(395, 700)


def test_what_never_becomes_steady_is_said_to_be_so() -> None:
    assert mser(np.linspace(0, 100, 1000)).observations is None
    assert mser(np.ones(40)).observations is None, "too few to say"
    assert mser(np.ones(100)).observations == 0


def test_a_history_is_steady_once_its_slow_start_is_over() -> None:
    rng = np.random.default_rng(9)
    builder = HistoryBuilder()
    for i in range(2000):
        at = i * 1_000_000
        response = int(rng.exponential(2_000_000)) + (30_000_000 if at < 400_000_000 else 0)
        row = {"process": i, "key": 0, "expected": -2, "client": 0, "intended": at, "invoked": at, "argument": i}
        outcome = FAIL if i % 10 == 0 else OK
        builder.add(function=WRITE, result=-2, completed=at + response, outcome=outcome, **row)
    found = steady_from(builder.build(), 2_000_000_000)
    assert found is not None
    assert 395_000_000 <= found <= 600_000_000
    assert steady_from(builder.build(), 20_000_000) is None, "before that there is too little to say"


# --- order ---------------------------------------------------------------------------------------------------------


def test_cells_may_differ_as_they_like_without_an_effect_of_order() -> None:
    cells = [i % 4 for i in range(40)]
    rng = np.random.default_rng(10)
    found = order_effect([10.0**cell * rng.lognormal(0, 0.1) for cell in cells], cells)
    assert not found.effect
    assert "shows no effect on p50" in found.sentence("p50")
    assert 0.2 < found.visible < 0.5


def test_a_drift_is_seen_in_its_direction() -> None:
    cells = [i % 4 for i in range(40)]
    rng = np.random.default_rng(11)
    values = [10.0**cell * (1 + 0.02 * i) * rng.lognormal(0, 0.1) for i, cell in enumerate(cells)]
    up, down = order_effect(values, cells), order_effect([-v for v in values], cells)
    assert up.effect and down.effect
    assert up.correlation == pytest.approx(-down.correlation)
    assert up.sentence("p50").startswith("Order matters: p50 is higher in later trials")


def test_the_order_test_raises_no_more_alarms_than_it_says() -> None:
    rng = np.random.default_rng(12)
    cells = [i % 3 for i in range(15)]
    alarms = sum(order_effect(rng.normal(size=15), cells).effect for _ in range(150))
    assert alarms <= 16, "5% of 150 are 7.5"


def test_too_few_or_equal_trials_say_nothing() -> None:
    assert not order_effect([1.0, 2.0, 3.0], [0, 0, 0]).known
    assert not order_effect(np.arange(20.0), range(20)).known, "each cell once"
    same = order_effect([5.0] * 20, [0] * 20)
    assert same.known and not same.effect
    assert order_effect([math.nan, *range(9)], [0] * 10).trials == 9


# --- looks ---------------------------------------------------------------------------------------------------------


def test_looks_are_fixed_and_their_intervals_wider() -> None:
    asked = Precision(metric="p99_s", width=0.05, first=20, step=30, most=100)
    assert asked.looks() == (20, 50, 80, 100)
    assert asked.each_level() == pytest.approx(1 - 0.05 / 4)
    values = np.random.default_rng(13).lognormal(0, 0.5, 20)
    assert look(values, 20, asked).interval.low < interval(values).low
    assert Precision(metric="x", width=0.1, first=20, most=20).looks() == (20,)


def test_a_narrow_interval_ends_it_and_a_wide_one_does_not() -> None:
    asked = Precision(metric="x", width=0.05)
    rng = np.random.default_rng(14)
    assert look(rng.normal(10, 0.1, 20), 20, asked).narrow
    assert not look(rng.normal(10, 5, 20), 20, asked).narrow
    assert not look([10.0, 10.1, 9.9], 20, asked).narrow, "most trials had no such value"
    assert not look([math.inf] * 20, 20, asked).narrow


def test_stopping_at_a_narrow_interval_does_not_bias_the_coverage() -> None:
    """The interval at which each of 100 sequences stops covers the truth as often as was asked for."""
    asked = Precision(metric="x", width=0.12, step=10, most=60)
    rng = np.random.default_rng(15)
    covered = 0
    for _ in range(100):
        values = rng.lognormal(0.0, 0.35, asked.most)
        for n in asked.looks():
            found = look(values[:n], n, asked)
            if found.narrow:
                break
        covered += found.interval.low <= 1.0 <= found.interval.high
    assert covered >= 90


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"first": 10}, "no look before 20 trials"),
        ({"width": 0.0}, "width 0 is out of range"),
        ({"most": 10}, "at least first, 20"),
        ({"step": 0}, "step 0"),
        ({"q": 1.0}, "q 1"),
    ],
)
def test_a_precision_that_cannot_be_is_refused(changes: dict[str, float], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        Precision(**({"metric": "x", "width": 0.1} | changes)).validate()  # type: ignore[arg-type]
