"""Histories of several clocks: what is certain of their order, and how much is lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from bench.history import FAIL, INFO, NEVER, OK, History
from bench.history.clocks import power_lost, views
from bench.history.history import CLOCK_COLUMNS
from bench.history.storage import HistoryWriter, read_history, write_history
from tests.bench.checkers.histories import simulated
from tests.bench.histories import history

MS = 1_000_000


def by_clocks(single: History, clocks: list[int], slacks: dict[int, int]) -> History:
    """The history as if these clocks, a row each, had recorded it."""
    slack = np.array([slacks[clock] for clock in clocks], dtype=np.int64)
    return replace(single, clock=np.array(clocks, dtype=np.int8), slack=slack)


def test_one_clock_is_one_view_as_it_was_recorded() -> None:
    single = history([{"completed": 5}, {"completed": 9}])
    assert views(single)[0].history is single
    (view,) = views(by_clocks(single, [1, 1], {1: 7}))
    assert view.clock == 1 and view.history.clock is None
    assert view.history.completed.tolist() == [5, 9]
    assert power_lost(single) == power_lost(by_clocks(single, [1, 1], {1: 7})) == (0.0, 0.0)


def test_each_clock_sees_its_own_as_recorded_and_others_widened() -> None:
    rows = [
        {"invoked": 100, "completed": 200, "intended": 100},
        {"invoked": 300, "completed": NEVER, "intended": 300, "outcome": INFO},
    ]
    first, second = views(by_clocks(history(rows), [0, 1], {0: 10, 1: 7}))
    assert (first.clock, second.clock) == (0, 1)
    assert first.history.invoked.tolist() == [100, 300 - 17]
    assert first.history.completed.tolist() == [200, NEVER], "never stays never"
    assert second.history.invoked.tolist() == [100 - 17, 300]
    assert second.history.completed.tolist() == [217, NEVER]
    assert first.history.intended.tolist() == [100, 300]


def certain(found: History, one: int, other: int) -> bool:
    """Whether some view has the first end before the other begins."""
    return any(view.history.completed[one] < view.history.invoked[other] for view in views(found))


def lost_by_counting(found: History) -> tuple[float, float]:
    ordered = lost = followers = lonely = 0
    rows = range(len(found))
    for other in rows:
        if found.outcome[other] == FAIL:
            continue
        before = [
            row
            for row in rows
            if found.key[row] == found.key[other]
            and found.outcome[row] == OK
            and found.completed[row] < found.invoked[other]
        ]
        ordered += len(before)
        lost += sum(not certain(found, row, other) for row in before)
        if before:
            followers += 1
            lonely += not certain(found, max(before, key=lambda row: (found.completed[row], row)), other)
    return lost / ordered, lonely / followers


@pytest.mark.parametrize("seed", range(6))
def test_the_power_lost_is_what_counting_pairs_in_the_views_gives(seed: int) -> None:
    rng = Random(seed)
    single = simulated(rng, 120, clients=6, keys=3, unanswered=0.1)
    clocks = (single.client % 3).tolist()
    found = by_clocks(single, clocks, {0: 0, 1: rng.randrange(MS), 2: rng.randrange(MS)})
    pairs, neighbours = power_lost(found)
    assert pairs > 0 and (pairs, neighbours) == pytest.approx(lost_by_counting(found))


def test_a_history_of_several_clocks_is_stored_with_them(tmp_path: Path) -> None:
    found = by_clocks(simulated(Random(1), 50), [row % 2 for row in range(50)], {0: 0, 1: 5})
    write_history(found, tmp_path / "two.parquet")
    again = read_history(tmp_path / "two.parquet")
    assert again.clock is not None and again.slack is not None
    for name, column in found.columns().items():
        assert np.array_equal(column, getattr(again, name)), name


def test_a_stream_of_several_clocks_is_read_with_them(tmp_path: Path) -> None:
    found = by_clocks(simulated(Random(2), 20), [row % 2 for row in range(20)], {0: 0, 1: 5})
    with HistoryWriter(tmp_path / "two.parquet", clocks=True) as writer:
        writer.extend({name: column.tobytes() for name, column in found.columns().items()})
        writer.flush()
        left = read_history(writer.unfinished)
        assert left.clock is not None and left.clock.tolist() == found.clock.tolist()  # type: ignore[union-attr]
    whole = read_history(tmp_path / "two.parquet")
    assert set(whole.columns()) >= set(CLOCK_COLUMNS) and len(whole) == 20
