"""What exchanges say of another clock, against clocks whose true difference is known."""

from __future__ import annotations

from math import pi, sin

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import HarnessError
from bench.runtime.ray.offsets import DRIFT, Exchange, estimate

MS = 1_000_000
S = 1_000_000_000
START = 5 * 10**14
"""By our clock: six days after it began."""


class Other:
    """A clock that is ahead of ours by ``offset``, and drifts to and fro within the bound of the estimator."""

    def __init__(self, offset: int, period: int, phase: float) -> None:
        self.offset = offset
        self.period = period
        self.phase = phase
        self.swing = 0.99 * DRIFT * period / (2 * pi)  # so that it is never steeper than DRIFT

    def ahead(self, ours: int) -> float:
        return self.offset + self.swing * sin(2 * pi * (ours - START) / self.period + self.phase)

    def shows(self, ours: int) -> int:
        return round(ours + self.ahead(ours))


clocks = st.builds(Other, st.integers(-(10**13), 10**13), st.integers(S // 10, 1000 * S), st.floats(0, 6.3))
ways = st.one_of(st.integers(20_000, 200_000), st.integers(20_000, 50 * MS))
"""ns in one direction, each direction for itself: mostly quick, sometimes very slow, symmetric only by chance."""
exchanges = st.lists(st.tuples(st.integers(0, 2 * S), ways, ways), min_size=1, max_size=40)


def talk(other: Other, plan: list[tuple[int, int, int]]) -> tuple[list[Exchange], int]:
    """The exchanges, and when the last of them ended."""
    now, found = START, []
    for pause, there, back in plan:
        now += pause
        found.append(Exchange(now, other.shows(now + there), now + there + back))
    return found, max(each.received for each in found)


@settings(max_examples=300, deadline=None)
@given(other=clocks, plan=exchanges, moments=st.lists(st.integers(-S, S), min_size=1, max_size=10))
def test_the_true_offset_always_lies_within_the_bound(
    other: Other, plan: list[tuple[int, int, int]], moments: list[int]
) -> None:
    found, end = talk(other, plan)
    known = estimate(found)
    assert known.drift == DRIFT, "nothing contradicts it"
    asked = sorted(START + round((end - START) * (moment / S)) for moment in moments)
    there = np.array([other.shows(ours) for ours in asked], dtype=np.int64)
    offsets, bounds = known.offsets(there), known.bounds(there)
    for ours, offset, bound in zip(asked, offsets.tolist(), bounds.tolist(), strict=True):
        assert abs(offset - other.ahead(ours)) <= bound
        assert bound <= known.worst(int(there[0]), int(there[-1]))
    moved = known.to_ours(there)
    assert np.all(np.diff(moved) >= 0), "moving times keeps their order"
    assert np.all(np.abs(moved - np.array(asked)) <= bounds)


@settings(max_examples=100, deadline=None)
@given(other=clocks, plan=exchanges, moment=st.integers(0, S))
def test_what_one_clock_shows_is_found_from_the_other(
    other: Other, plan: list[tuple[int, int, int]], moment: int
) -> None:
    found, end = talk(other, plan)
    known = estimate(found)
    ours = START + (end - START) * moment // S
    assert abs(known.to_theirs(ours) - other.shows(ours)) <= 1.01 * known.bound(other.shows(ours)) + 2


def test_the_bound_is_half_of_the_quickest_exchange_and_grows_with_the_drift() -> None:
    other = Other(3 * S, 10**6, 0.0)
    slow = Exchange(START, other.shows(START + 5 * MS), START + 30 * MS)
    quick = Exchange(START + S, other.shows(START + S + 40_000), START + S + 100_000)
    known = estimate([slow, quick])
    assert known.bound(quick.there) == pytest.approx(50_000, abs=2)
    assert known.bound(quick.there + S) == pytest.approx(50_000 + DRIFT * S, abs=3)
    assert known.bound(slow.there) == pytest.approx(50_000 + DRIFT * (quick.there - slow.there), rel=0.01)
    assert (known.exchanges, known.fastest) == (2, 100_000)


def test_two_exchanges_bound_each_end_better_than_one() -> None:
    """One was slow on the way there, one on the way back: together they know what neither knows."""
    there = Exchange(0, 9 * MS + 100, 9 * MS + 200)
    back = Exchange(10 * MS, 10 * MS + 100, 19 * MS)
    alone = min(estimate([there]).bound(10 * MS), estimate([back]).bound(10 * MS))
    assert alone > 4 * MS
    assert estimate([there, back]).bound(10 * MS) < 5_000


def test_a_clock_that_drifts_more_than_was_assumed_is_noticed() -> None:
    """Each bound of 20 us holds, but 1,000 ppm over 10 s are 10 ms: the assumption gives way."""
    ours = [START + number * S for number in range(10)]
    found = [Exchange(each, each + (each - START) // 1000, each + 20_000) for each in ours]
    known = estimate(found)
    assert 1000e-6 / 2 <= known.drift <= 0.002
    for each in ours:
        assert abs(known.offset(each + (each - START) // 1000) - (each - START) // 1000) <= known.bound(each) + 1


def test_a_clock_that_jumps_ends_the_trial() -> None:
    found = [Exchange(START, START, START + 100_000), Exchange(START + S, START + 3 * S, START + S + 100_000)]
    with pytest.raises(HarnessError, match="jumped during the trial"):
        estimate(found)


def test_without_exchanges_nothing_is_known() -> None:
    with pytest.raises(HarnessError, match="no exchange with it succeeded"):
        estimate([])
