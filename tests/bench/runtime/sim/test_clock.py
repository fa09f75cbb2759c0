"""A node's clocks (DESIGN: monotonic drifts but never jumps, wall jumps, interval is TrueTime's)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bench.runtime.sim.clock import EPOCH, Clock

CHANGES = st.lists(st.tuples(st.integers(0, 10**12), st.floats(0.5, 2.0)), max_size=8)


@settings(deadline=None, derandomize=True)
@given(CHANGES, st.lists(st.integers(0, 10**13), max_size=20))
def test_monotonic_never_falls_whatever_its_rate_does(changes: list[tuple[int, float]], looks: list[int]) -> None:
    clock, last = Clock(), 0
    events = sorted([(at, rate) for at, rate in changes] + [(at, 0.0) for at in looks])
    for at, rate in events:
        if rate:
            before = clock.monotonic(at)
            clock.set_rate(at, rate)
            assert clock.monotonic(at) == before, "a change of rate is no jump"
        now = clock.monotonic(at)
        assert now >= last
        last = now


def test_a_fast_clock_counts_more() -> None:
    clock = Clock(rate=1.5)
    assert clock.monotonic(1000) == 1500
    clock.set_rate(1000, 0.5)
    assert clock.monotonic(3000) == 2500


@settings(deadline=None, derandomize=True)
@given(st.integers(1, 10**11), st.floats(0.5, 2.0), st.integers(0, 10**12))
def test_after_a_true_delay_at_least_the_local_delay_has_passed(delay: int, rate: float, start: int) -> None:
    """No lease may end early because of rounding."""
    clock = Clock(rate=rate)
    elapsed = clock.monotonic(start + clock.true_delay(delay)) - clock.monotonic(start)
    assert delay <= elapsed <= delay + 4


def test_the_wall_clock_jumps_and_the_monotonic_one_does_not() -> None:
    clock = Clock()
    assert clock.wall(5) == EPOCH + 5
    clock.offset -= 10**9
    assert clock.wall(6) == EPOCH + 6 - 10**9
    assert clock.monotonic(6) == 6


@settings(deadline=None, derandomize=True)
@given(st.integers(-(10**9), 10**9), st.integers(0, 10**9), st.integers(0, 10**12))
def test_the_interval_contains_true_time_exactly_while_the_uncertainty_covers_the_offset(
    offset: int, uncertainty: int, now: int
) -> None:
    clock = Clock(offset)
    assert clock.uncertainty == abs(offset)
    clock.uncertainty = uncertainty
    earliest, latest = clock.interval(now)
    assert latest - earliest == 2 * uncertainty
    assert (earliest <= EPOCH + now <= latest) == (uncertainty >= abs(offset))
