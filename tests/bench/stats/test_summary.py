"""Figures of histories small enough to be worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.faults.spec import FaultRecord
from bench.history import FAIL, INFO, NEVER
from bench.stats import summary

from ..histories import MS, S, history, steady


def crash(at: int, *targets: str) -> FaultRecord:
    return FaultRecord(kind="crash", targets=targets or ("n1",), start=at, end=at + S)


def test_latency_counts_from_the_intended_start_of_what_was_intended_inside_the_window() -> None:
    rows = [{"intended": i * MS // 4, "invoked": i * MS // 2, "completed": 5 * i * MS // 4} for i in range(1, 101)]
    found = summary.latencies(history(rows), 0, 100 * MS)
    assert (found.response.p50, found.response.p90, found.response.p99, found.response.max) == (0.05, 0.09, 0.099, 0.1)
    assert found.service.p50 == pytest.approx(0.0375)
    assert found.queue.p50 == pytest.approx(0.0125)
    late = summary.latencies(history(rows), 15 * MS, 20 * MS)  # also what was answered after it
    assert late.response.p50 == 0.069
    assert late.response.max == 0.079
    assert late.response.censored == 0


@pytest.mark.parametrize("outcome", [FAIL, INFO])
def test_an_operation_that_was_not_acknowledged_is_slower_than_any_that_was(outcome: int) -> None:
    """A hundred are asked for and the ten that would have been slow are not answered: they are the tail."""
    rows = [{"intended": 0, "invoked": 0, "completed": i * MS} for i in range(1, 91)]
    rows += [{"intended": 0, "invoked": 2, "completed": NEVER if i % 2 else 5, "outcome": outcome} for i in range(10)]
    found = summary.latencies(history(rows), 0, S)
    assert (found.response.p50, found.response.p90, found.response.p99, found.response.p999) == (0.05, 0.09, None, None)
    assert found.response.max is None
    assert found.response.censored == found.service.censored == pytest.approx(0.1)
    assert found.queue.max == pytest.approx(2e-9), "how long it waited to be sent is known"
    assert found.queue.censored == 0


def test_shed_operations_are_in_the_tail_too() -> None:
    rows = [{"intended": 0, "invoked": 0, "completed": i * MS} for i in range(1, 51)]
    found = summary.latencies(history(rows), 0, S, shed=50)
    assert (found.response.p50, found.response.p90) == (0.05, None)
    assert found.response.censored == found.queue.censored == 0.5


def test_the_probes_after_the_load_are_not_of_its_latency() -> None:
    rows = [{"completed": i * MS, "intended": i * MS - 5} for i in range(1, 10)]
    rows += [{"intended": S, "invoked": S, "completed": 9 * S}, {"intended": S, "invoked": S, "completed": NEVER}]
    assert summary.latencies(history(rows), 0, S).response.max == 5e-9


def test_a_rank_is_exact_however_many_operations_there_are() -> None:
    for count in (10, 100, 1000, 70_000):
        found = summary.quantiles(np.arange(1, count + 1, dtype=np.int64) * S)
        assert (found.p90, found.p99) == (count * 9 // 10, max(1, -(-count * 99 // 100)))


def test_an_empty_window_has_no_latency() -> None:
    assert summary.latencies(history([]), 0, S).response == summary.Latency()
    assert summary.throughput(history([]), 0, S) == 0


def test_operations_are_counted_by_how_they_ended_and_unanswered_ones_where_they_began() -> None:
    rows = [
        {"completed": 1 * S},
        {"completed": 2 * S, "outcome": FAIL},
        {"completed": 3 * S, "outcome": INFO},
        {"invoked": 2 * S, "completed": NEVER, "outcome": INFO},
        {"invoked": 8 * S, "completed": NEVER, "outcome": INFO},
        {"completed": 9 * S},
    ]
    assert summary.operations(history(rows), 0, 4 * S) == summary.Operations(ok=1, fail=1, info=2)


def test_throughput_is_over_the_window() -> None:
    assert summary.throughput(history(steady(0, 4 * S, 10 * MS)), 2 * S, 4 * S - 1) == pytest.approx(100)


def test_time_series_counts_each_second() -> None:
    rows = steady(0, S, 100 * MS, latency=5 * MS) + steady(2 * S, 3 * S, 250 * MS, latency=7 * MS)
    assert summary.time_series(history(rows), 3 * S) == ((0.0, 10, 0.005), (1.0, 0, None), (2.0, 4, 0.007))


# --- unavailability -------------------------------------------------------------------------------------------------


def test_the_gap_formula_agrees_with_simulated_gaps() -> None:
    longest = np.random.default_rng(7).exponential(1 / 50, size=(4000, 300)).max(axis=1)
    assert summary.maximal_gap_quantile(300, 50) == pytest.approx(np.quantile(longest, 0.95), rel=0.03)


def test_an_outage_is_its_gap_less_one_mean_gap_however_long_the_trial_around_it() -> None:
    """What chance explains says whether there was an outage, and is not taken off its length."""
    for end in (3 * S, 30 * S):
        rows = steady(0, S, 10 * MS) + steady(1990 * MS, end, 10 * MS)
        found = summary.unavailability(history(rows), 0, end, [crash(S)])
        assert found is not None
        assert found.longest == pytest.approx(1.0)
        assert found.starts == 990 * MS
        assert found.rate == pytest.approx(99)
        assert found.unavailable == pytest.approx(1.0 - 1 / 99)
        gaps = len(rows) + 1
        assert found.threshold == pytest.approx(summary.maximal_gap_quantile(gaps, 99), rel=1e-4)
        assert not found.censored


def test_a_gap_up_to_the_threshold_is_no_outage() -> None:
    def after(gap: int) -> summary.Unavailability:
        rows = steady(0, S, 10 * MS) + steady(990 * MS + gap, 3 * S, 10 * MS)
        found = summary.unavailability(history(rows), 0, 3 * S, [crash(S)])
        assert found is not None and found.threshold is not None
        return found

    assert after(80 * MS).threshold == pytest.approx(0.088, abs=0.001)
    assert after(80 * MS).unavailable == 0
    assert after(95 * MS).unavailable == pytest.approx(0.095 - 1 / 99)


def test_an_outage_that_has_not_ended_is_known_to_be_longer() -> None:
    found = summary.unavailability(history(steady(0, S, 10 * MS)), 0, 3 * S, [crash(S)])
    assert found is not None
    assert found.censored
    assert found.unavailable == pytest.approx(2.01 - 1 / 99)
    # A longer one before it that ended does not hide it.
    rows = steady(0, S, 10 * MS) + steady(2500 * MS, 3 * S, 10 * MS)
    twice = summary.unavailability(history(rows), 0, 4 * S, [crash(S)])
    assert twice is not None
    assert (twice.censored, twice.longest) == (True, pytest.approx(1.51))


@pytest.mark.parametrize(("start", "end"), [(0, 2), (2, 4)])
def test_the_edges_of_the_window_count(start: int, end: int) -> None:
    """Nothing in the first half, or nothing in the last: two seconds of silence either way."""
    rows = steady(start * S, end * S, 5 * MS)
    found = summary.unavailability(history(rows), 0, 4 * S)
    assert found is not None
    assert found.longest == pytest.approx(2.0, abs=0.006)
    assert found.unavailable > 1.9


def test_one_undisturbed_trial_in_twenty_passes_for_disturbed() -> None:
    rng = np.random.default_rng(3)
    beyond = far = 0
    for _ in range(400):
        times = np.cumsum(rng.exponential(5 * MS, size=400)).astype(int)
        found = summary.unavailability(history({"completed": int(t)} for t in times), 0, int(times[-1]))
        assert found is not None and found.threshold is not None
        assert not found.censored
        beyond += found.unavailable > 0
        far += found.longest > 1.5 * found.threshold
    assert 0.02 < beyond / 400 < 0.08
    assert far / 400 < 0.01


def test_nothing_acknowledged_is_unavailable_throughout_without_a_resolution() -> None:
    found = summary.unavailability(history([]), S, 4 * S)
    assert found is not None
    assert (found.unavailable, found.threshold, found.censored) == (3.0, None, True)
    assert summary.unavailability(history([]), S, S) is None


def test_a_slow_start_does_not_dilute_the_rate_before_the_fault() -> None:
    rows = steady(800 * MS, 1000 * MS, 5 * MS) + steady(2 * S, 3 * S, 5 * MS)
    found = summary.unavailability(history(rows), 0, 3 * S, [crash(S)])
    assert found is not None
    assert found.rate == pytest.approx(200, rel=0.03)


def test_maximal_gap_quantile_of_one_gap_is_the_exponential_quantile() -> None:
    assert summary.maximal_gap_quantile(1, 2.0, 0.5) == pytest.approx(math.log(2) / 2)


def test_the_rate_before_the_fault_counts_the_warm_up_while_the_outage_does_not() -> None:
    rows = steady(900 * MS, 1200 * MS, 5 * MS) + steady(2 * S, 3 * S, 5 * MS)
    found = summary.unavailability(history(rows), 1100 * MS, 3 * S, [crash(1200 * MS)])
    assert found is not None
    assert found.rate == pytest.approx(59 / 0.3)
    assert found.longest == pytest.approx(0.805)


def test_answers_that_come_in_groups_leave_no_outages_between_them() -> None:
    """A closed loop of 64 clients, a group every 2 ms: chance would explain a gap of 0.5 ms at that rate."""
    rows = [{"completed": at, "invoked": at - 2 * MS} for at in range(2 * MS, 1000 * MS, 2 * MS) for _ in range(64)]
    found = summary.unavailability(history(rows), 0, 999_900_000)
    assert found is not None
    assert (found.unavailable, found.censored) == (0, False)
