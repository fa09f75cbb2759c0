"""Delta debugging on sets whose answer is known."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.shrink.ddmin import ddmin


@given(st.sets(st.integers(0, 60)), st.integers(0, 60))
def test_it_finds_exactly_what_is_needed(needed: set[int], more: int) -> None:
    items = list(range(61 + more))
    assert ddmin(items, lambda some: some if needed <= set(some) else None) == sorted(needed)


@given(st.lists(st.sets(st.integers(0, 30), min_size=1), min_size=1, max_size=4))
def test_of_several_causes_one_is_left_and_nothing_more(causes: list[set[int]]) -> None:
    found = ddmin(range(31), lambda some: some if any(cause <= set(some) for cause in causes) else None)
    assert set(found) in causes


def test_what_comes_after_the_failure_is_dropped_unasked() -> None:
    """A test may return less than it was given."""
    tried = []

    def fails(some: list[int]) -> list[int] | None:
        tried.append(some)
        return [each for each in some if each <= 10] if 10 in some else None

    assert ddmin(range(1000), fails) == [10]
    assert len(tried) < 30


def test_it_is_quick_where_little_is_needed() -> None:
    tried = []

    def fails(some: list[int]) -> list[int] | None:
        tried.append(some)
        return some if 137 in some else None

    assert ddmin(range(1024), fails) == [137]
    assert len(tried) < 40
