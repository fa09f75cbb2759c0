"""Load balance: against the definitions, with hypothesis."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.checkers.balance import Placement, check, check_moves, figures, moves
from bench.errors import UsageError

from .faults import Fault
from .fuzzing import seeds
from .logs import sees


def problem(seed: int) -> str | None:
    """What is wrong with the figures of the loads and the change of that seed."""
    rng = Random(seed)
    loads = [rng.choice((0, 0, 1, 2, 5, 100)) for _ in range(rng.randint(1, 6))]
    measured, n, total = figures(np.array(loads, float)), len(loads), sum(loads)
    if total:
        mean = Fraction(total, n)
        by_hand = {
            "max_over_mean": float(max(loads) / mean),
            "cv": float(sum((load - mean) ** 2 for load in loads) / n / mean**2) ** 0.5,
            "gini": float(Fraction(sum(abs(a - b) for a, b in product(loads, loads)), n * n) / (2 * mean)),
        }
    else:
        by_hand = {"max_over_mean": 1.0, "cv": 0.0, "gini": 0.0}
    if measured != pytest.approx(by_hand):
        return f"seed {seed}: {measured}, by hand {by_hand}: {loads}"
    return move_problem(rng)


def move_problem(rng: Random) -> str | None:
    old = rng.sample(range(9), rng.randint(1, 3))
    new = [node for node in old if rng.random() < 0.8] + rng.sample(range(9, 12), rng.randint(0, 2)) or [4]
    before = [rng.choice(old) for _ in range(rng.randint(1, 5))]
    after = [node if node in new and rng.random() < 0.6 else rng.choice(new) for node in before]
    load = [rng.choice((1, 1, 2)) for _ in before] if rng.random() < 0.5 else None
    arrays = [np.array(each) for each in (before, after, old, new)]
    placement = Placement(*arrays, load=None if load is None else np.array(load, float))
    weights = load or [1] * len(before)
    total = sum(weights)

    def at(node: int, where: list[int]) -> int:
        return sum(weight for weight, each in zip(weights, where, strict=True) if each == node)

    moved = [(a, b, weight) for a, b, weight in zip(before, after, weights, strict=True) if a != b]
    stayed = {*old} & {*new}
    by_hand = {
        "moved_share": sum(weight for _, _, weight in moved) / total,
        "moved_between_old_share": sum(weight for a, b, weight in moved if {a, b} <= stayed) / total,
        "least_share_for_even": sum(max(0.0, total / len(new) - at(node, before)) for node in new) / total,
    } | figures(np.array([at(node, after) for node in new], float))
    if load is None:  # the least number of unit keys that have to move, by trying all targets with these loads
        targets = [each for each in product(new, repeat=len(before)) if sorted(each) == sorted(after)]
        least = min(sum(a != b for a, b in zip(before, each, strict=True)) for each in targets)
        by_hand["least_share_for_result"] = least / total
    measured = moves(placement)
    if {name: measured[name] for name in by_hand} != pytest.approx(by_hand):
        return f"{measured}, by hand {by_hand}: {before} -> {after} of {old} -> {new}, {load}"
    verdict = check_moves(placement, monotone=True)
    flawed = [key for key, (a, b) in enumerate(zip(before, after, strict=True)) if a != b and {a, b} <= stayed]
    if (verdict.verdict, verdict.rows) != (("invalid", (flawed[0],)) if flawed else ("valid", ())):
        return f"{verdict}: {before} -> {after} of {old} -> {new}"
    return None


def test_random_loads_and_changes() -> None:
    for seed in seeds(1_000):
        assert (found := problem(seed)) is None, found


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20), st.floats(0.1, 1e3))
def test_what_the_unit_is_does_not_matter(loads: list[float], unit: float) -> None:
    some = np.array(loads)
    if some.sum() > 1e-3:
        measured = figures(some)
        assert figures(some * unit) == pytest.approx(measured, rel=1e-6, abs=1e-6)
        assert measured["max_over_mean"] > 1 - 1e-9 and 0 <= measured["gini"] < 1


def test_limits() -> None:
    loads = np.array([1.0, 1.0, 4.0])
    assert check(loads).verdict == "valid"
    assert check(loads, max_over_mean=2.0).verdict == "valid"
    verdict = check(loads, max_over_mean=1.5, gini=0.9)
    assert (verdict.verdict, verdict.violated, verdict.rows) == ("invalid", ("max_over_mean",), (2,))
    assert verdict.reason == "max_over_mean is 2, over 1.5; node 2 has the greatest load"
    assert check(np.array([])).verdict == "unknown"
    with pytest.raises(UsageError, match="unknown figure 'max'"):
        check(loads, max=1.0)
    with pytest.raises(UsageError, match="not finite"):
        check(np.array([1.0, np.nan]))


def test_one_node_more_takes_its_share_from_all() -> None:
    before = np.arange(12) % 3
    after = np.where(np.arange(12) < 3, 3, before)
    nodes = np.arange(3), np.arange(4)
    verdict = check_moves(Placement(before, after, *nodes), monotone=True, moved_share=0.25)
    assert verdict.verdict == "valid"
    shares = {name: verdict.figures[name] for name in ("moved_share", "least_share_for_result", "least_share_for_even")}
    assert shares == dict.fromkeys(shares, 0.25)
    modulo = check_moves(Placement(before, np.arange(12) % 4, *nodes), monotone=True, moved_share=0.25)
    assert (modulo.violated, modulo.rows) == (("monotone", "moved_share"), (4,))


def test_a_placement_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="a key lies on node 7 after the change"):
        Placement(np.array([0]), np.array([7]), np.array([0]), np.array([0, 1]))
    with pytest.raises(UsageError, match="not the same keys"):
        Placement(np.array([0]), np.array([0, 0]), np.array([0]), np.array([0]))


FAULTS = {
    "nodes without load left out": ("mean = float(np.mean(loads))", "mean = float(np.mean(loads[loads > 0]))"),
    "variance of a sample": ("np.std(ordered)", "np.std(ordered, ddof=1)"),
    "gini over pairs of others": ("/ (n * n))", "/ (n * (n - 1)))"),
    "unsorted": ("np.sort(loads) / mean", "loads / mean"),
    "keys, not load": ("load[placement.before != placement.after]", "(placement.before != placement.after)"),
    "what left counts as what came": ("np.maximum(has - had, 0).sum()", "np.abs(has - had).sum()"),
    "even over all that ever were": ("even = np.where(now, ", "even = np.where(now | True, "),
    "old nodes are all": ("stayed = np.intersect1d(", "stayed = np.union1d("),
    "evenness of all nodes": ("figures(has[now])", "figures(has)"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str) -> None:
    assert sees(Fault("balance", *FAULTS[name]), problem), "the fuzzing does not see it"
