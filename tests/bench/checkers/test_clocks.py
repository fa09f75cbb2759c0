"""Verdicts on histories that several clocks recorded: never false, and as sharp as they can be."""

from __future__ import annotations

from dataclasses import replace
from math import pi, sin
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.checkers import linearizability
from bench.checkers.clocks import in_every_clock
from bench.checkers.registry import checks_for
from bench.history import NEVER, History
from bench.history.clocks import power_lost

from .histories import Script, simulated

MS = 1_000_000
check = in_every_clock(linearizability.check)


def recorded(true: History, clocks: int, error: int, rng: Random, *, slack: int | None = None) -> History:
    """A history as clocks that are wrong by up to ``error``, each in a way of its own, record it.

    Args:
        true: in true time; client c's clock is c modulo ``clocks``.
        slack: that is believed; by default all there is.
    """
    found = np.array(true.client % clocks, dtype=np.int8)
    columns = {name: getattr(true, name).copy() for name in ("intended", "invoked", "completed")}
    for clock in range(clocks):
        own = found == clock
        # slower than the error is large, so that no clock ever goes backwards
        period, phase, swing = rng.uniform(8, 50) * max(error, 1), rng.uniform(0, 2 * pi), rng.uniform(0, error)
        shift = rng.choice((-1, 1)) * (error - swing)
        for name, column in columns.items():
            wrong = [
                time if time >= NEVER else time + round(shift + swing * sin(2 * pi * time / period + phase))
                for time in column[own].tolist()
            ]
            columns[name][own] = wrong
    believed = np.full(len(true), error + 1 if slack is None else slack, dtype=np.int64)
    return replace(true, **columns, clock=found, slack=believed)


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 10**9),
    clocks=st.integers(2, 3),
    error=st.sampled_from((10_000, 300_000, 2 * MS, 50 * MS)),
    values=st.sampled_from((None, 3)),
)
def test_no_error_within_the_bounds_makes_a_correct_store_look_wrong(
    seed: int, clocks: int, error: int, values: int | None
) -> None:
    rng = Random(seed)
    true = simulated(rng, 80, clients=6, keys=2, values=values, unanswered=0.05)
    assert linearizability.check(true).verdict == "valid"
    assert check(recorded(true, clocks, error, rng), 20.0).verdict == "valid"


def test_without_the_bounds_the_same_histories_are_called_wrong() -> None:
    """So that the test above could fail."""
    wrong = 0
    for seed in range(20):
        rng = Random(seed)
        true = simulated(rng, 80, clients=6, keys=2)
        wrong += check(recorded(true, 2, 2 * MS, rng, slack=0), 20.0).verdict == "invalid"
    assert wrong >= 15


def with_clocks(history: History, clocks: list[int], slack: int) -> History:
    """Rows recorded by these clocks; the first is certain."""
    found = np.array(clocks, dtype=np.int8)
    return replace(history, clock=found, slack=np.where(found == 0, 0, slack).astype(np.int64))


def deposed_leader() -> History:
    """A write is acknowledged; a leader that has been deposed goes on answering a client's reads, 5 ms later."""
    script = Script()
    script.write(1, 0, 1).write(2, 8, 10).read(1, 15, 16)
    return script.history


def test_a_stale_read_is_caught_across_clocks_where_it_is_certain() -> None:
    found = check(with_clocks(deposed_leader(), [0, 0, 1], slack=4 * MS), 20.0)
    assert found.verdict == "invalid" and found.rows == (0, 1, 2)
    assert "stale" in found.reason and found.reason.endswith("others widened by what theirs may be wrong)")


def test_a_stale_read_that_may_be_none_is_not_called_one_and_the_loss_is_counted() -> None:
    uncertain = with_clocks(deposed_leader(), [0, 0, 1], slack=5 * MS)
    assert check(uncertain, 20.0).verdict == "valid"
    assert power_lost(uncertain) == (1 / 3, 1 / 2)
    assert power_lost(with_clocks(deposed_leader(), [0, 0, 1], slack=4 * MS)) == (0.0, 0.0)


@pytest.mark.parametrize("clock", [0, 1])
def test_what_one_clock_recorded_is_judged_as_if_there_were_no_other(clock: int) -> None:
    """However wide the bound is, program order and all other order within a clock is kept."""
    script = Script()
    script.write(1, 0, 10).write(2, 11, 20).read(1, 21, 30)  # right after the answer to its own write
    script.write(9, 0, 40, key=1)
    history = script.history
    own = [1 - clock if key == 1 else clock for key in history.key.tolist()]
    found = check(with_clocks(history, own, slack=10**12), 20.0)
    assert found.verdict == "invalid"
    assert {int(history.key[row]) for row in found.rows} == {0}


def test_mutants_of_a_store_are_caught_as_long_as_the_bound_is_small() -> None:
    """One stale read in twenty, latencies of a millisecond: bounds of 0.1 ms hide few of them."""
    caught = dict.fromkeys((0, 100000, 10 * MS), 0)
    for seed in range(15):
        rng = Random(seed)
        wrong = simulated(rng, 400, clients=8, keys=2, stale=0.05)
        if linearizability.check(wrong).verdict != "invalid":
            continue
        for error in caught:
            caught[error] += check(recorded(wrong, 2, error, Random(seed)), 20.0).verdict == "invalid"
    assert caught[0] >= 5
    assert caught[100_000] >= 0.8 * caught[0]
    assert caught[10 * MS] <= caught[100_000]


def test_every_model_is_checked_so() -> None:
    (registered,) = checks_for("register")
    assert registered(with_clocks(deposed_leader(), [0, 0, 1], slack=5 * MS), 20.0).verdict == "valid"
