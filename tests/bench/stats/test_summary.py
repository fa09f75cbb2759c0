"""Figures of histories small enough to be worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench.faults.spec import FaultRecord
from bench.history import FAIL, INFO, NEVER
from bench.runtime.record import Mark
from bench.stats import summary

from ..histories import MS, S, history, steady

NAMES = ("suspected", "elected", "committed")


def crash(at: int, *targets: str) -> FaultRecord:
    return FaultRecord(kind="crash", targets=targets or ("n1",), start=at, end=at + S)


def test_latency_counts_from_the_intended_start_and_only_inside_the_window() -> None:
    rows = [{"intended": 0, "invoked": i * MS // 2, "completed": i * MS} for i in range(1, 101)]
    found = summary.latencies(history(rows), 0, 100 * MS)
    assert (found.response.p50, found.response.p90, found.response.p99, found.response.max) == (0.05, 0.09, 0.099, 0.1)
    assert found.service.p50 == found.queue.p50 == pytest.approx(0.025)
    late = summary.latencies(history(rows), 51 * MS, 60 * MS)
    assert late.response.p50 == 0.055
    assert late.response.max == 0.06


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


def test_expected_maximal_gap_is_the_harmonic_number_over_the_rate() -> None:
    assert summary.expected_maximal_gap(1, 10) == pytest.approx(0.1)
    assert summary.expected_maximal_gap(3, 10) == pytest.approx((1 + 1 / 2 + 1 / 3) / 10)
    assert summary.expected_maximal_gap(200, 1) == pytest.approx(sum(1 / k for k in range(1, 201)), rel=1e-6)


def test_gap_formulas_agree_with_simulated_gaps() -> None:
    longest = np.random.default_rng(7).exponential(1 / 50, size=(4000, 300)).max(axis=1)
    assert summary.expected_maximal_gap(300, 50) == pytest.approx(longest.mean(), rel=0.02)
    assert summary.maximal_gap_quantile(300, 50) == pytest.approx(np.quantile(longest, 0.95), rel=0.03)


def test_the_outage_is_what_exceeds_the_gap_expected_before_the_fault() -> None:
    rows = steady(0, S, 10 * MS) + steady(1990 * MS, 3 * S, 10 * MS)
    found = summary.unavailability(history(rows), 0, 3 * S, [crash(S)])
    assert found is not None
    assert found.longest == pytest.approx(1.0)
    assert found.starts == 990 * MS
    assert found.rate == pytest.approx(99)
    gaps = len(rows) + 1
    assert found.unavailable == pytest.approx(1.0 - sum(1 / k for k in range(1, gaps + 1)) / 99, abs=1e-5)
    assert found.resolution == pytest.approx(summary.maximal_gap_quantile(gaps, 99) - found.expected)


@pytest.mark.parametrize(("start", "end"), [(0, 2), (2, 4)])
def test_the_edges_of_the_window_count(start: int, end: int) -> None:
    """Nothing in the first half, or nothing in the last: two seconds of silence either way."""
    rows = steady(start * S, end * S, 5 * MS)
    found = summary.unavailability(history(rows), 0, 4 * S)
    assert found is not None
    assert found.longest == pytest.approx(2.0, abs=0.006)
    assert found.unavailable > 1.9


def test_undisturbed_random_arrivals_are_rarely_beyond_the_resolution() -> None:
    rng = np.random.default_rng(3)
    beyond = 0
    for _ in range(300):
        times = np.cumsum(rng.exponential(5 * MS, size=400)).astype(int)
        found = summary.unavailability(history({"completed": int(t)} for t in times), 0, int(times[-1]))
        assert found is not None
        assert found.resolution is not None
        beyond += found.unavailable > found.resolution
    assert beyond / 300 < 0.1


def test_nothing_acknowledged_is_unavailable_throughout_without_a_resolution() -> None:
    found = summary.unavailability(history([]), S, 4 * S)
    assert found is not None
    assert (found.unavailable, found.resolution) == (3.0, None)
    assert summary.unavailability(history([]), S, S) is None


def test_a_slow_start_does_not_dilute_the_rate_before_the_fault() -> None:
    rows = steady(800 * MS, 1000 * MS, 5 * MS) + steady(2 * S, 3 * S, 5 * MS)
    found = summary.unavailability(history(rows), 0, 3 * S, [crash(S)])
    assert found is not None
    assert found.rate == pytest.approx(200, rel=0.03)


# --- recovery -------------------------------------------------------------------------------------------------------


def mark(at: int, node: str, name: str, **fields: object) -> Mark:
    return Mark(at=at * MS, node=node, name=name, fields=dict(fields))


LEADERS = [(100 * MS, "n1"), (1400 * MS, "n2")]


def test_recovery_is_split_at_suspicion_and_election() -> None:
    marks = [
        mark(50, "n1", "suspected", term=1),
        mark(100, "n1", "elected", term=1),
        mark(110, "n1", "committed", term=1),
        mark(1200, "n2", "suspected", term=2),
        mark(1400, "n2", "elected", term=2),
        mark(1450, "n2", "committed", term=2),
    ]
    found = summary.recovery(marks, [crash(S)], LEADERS, NAMES)
    assert (found.detect, found.elect, found.commit) == pytest.approx((0.2, 0.2, 0.05))


def test_an_election_that_led_to_no_commit_is_time_spent_electing() -> None:
    marks = [
        mark(100, "n1", "elected", term=1),
        mark(1200, "n2", "suspected", term=2),
        mark(1300, "n2", "elected", term=2),
        mark(1500, "n3", "elected", term=3),
        mark(1550, "n3", "committed", term=3),
    ]
    found = summary.recovery(marks, [crash(S)], LEADERS, NAMES)
    assert (found.detect, found.elect, found.commit) == pytest.approx((0.2, 0.3, 0.05))


def test_a_commit_of_the_fallen_leaders_term_does_not_end_the_outage() -> None:
    marks = [
        mark(100, "n1", "elected", term=4),
        mark(1100, "n2", "suspected", term=5),
        mark(1110, "n1", "committed", term=4),
        mark(1300, "n2", "elected", term=5),
    ]
    found = summary.recovery(marks, [crash(S)], LEADERS, NAMES)
    assert (found.detect, found.elect, found.commit) == (pytest.approx(0.1), pytest.approx(0.2), None)


def test_marks_without_terms_are_taken_in_order() -> None:
    marks = [mark(1200, "n2", "suspected"), mark(1400, "n2", "elected"), mark(1450, "n2", "committed")]
    found = summary.recovery(marks, [crash(S)], LEADERS, NAMES)
    assert (found.detect, found.elect, found.commit) == pytest.approx((0.2, 0.2, 0.05))


def test_only_faults_that_silence_the_leader_of_the_moment_count() -> None:
    marks = [mark(1200, "n2", "suspected")]
    slow = FaultRecord(kind="slow-node", targets=("n1",), start=S, end=None)
    for faults in ([crash(S, "n3")], [slow], [crash(50 * MS, "n1")]):
        assert summary.recovery(marks, faults, LEADERS, NAMES) == summary.Recovery()
    assert summary.recovery(marks, [crash(S, "n1")], LEADERS, NAMES).detect == pytest.approx(0.2)
    assert summary.recovery(marks, [crash(S, "n1")], [], NAMES) == summary.Recovery()


def test_maximal_gap_quantile_of_one_gap_is_the_exponential_quantile() -> None:
    assert summary.maximal_gap_quantile(1, 2.0, 0.5) == pytest.approx(math.log(2) / 2)


def test_the_rate_before_the_fault_counts_the_warm_up_while_the_outage_does_not() -> None:
    rows = steady(900 * MS, 1200 * MS, 5 * MS) + steady(2 * S, 3 * S, 5 * MS)
    found = summary.unavailability(history(rows), 1100 * MS, 3 * S, [crash(1200 * MS)])
    assert found is not None
    assert found.rate == pytest.approx(59 / 0.3)
    assert found.longest == pytest.approx(0.805)
