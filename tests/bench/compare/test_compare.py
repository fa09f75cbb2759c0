"""Comparing runs: what is seen, what is not, and what is refused."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from bench.compare import Side, compare, load
from bench.compare.comparing import holm, least_p, mann_whitney, size, with_intervals
from bench.compare.power import drawn, false_alarms, power
from bench.compare.sides import of_results
from bench.compare.words import conclusion, lines
from bench.errors import UsageError
from bench.network import Lognormal, Network
from bench.run import run_trial
from bench.trial import Latency, Result, Trial
from bench.units import nanoseconds
from bench.workload.spec import Workload
from tests.bench.sweep import fake

# --- statistics -----------------------------------------------------------------------------------------------------


def test_cliffs_delta_counts_pairs() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        a, b = rng.integers(0, 6, 7).tolist(), rng.integers(0, 6, 9).tolist()
        pairs = sum((y > x) - (y < x) for x in a for y in b)
        found = mann_whitney(a, b)
        assert found is not None and found[0] == pytest.approx(pairs / 63)
    assert mann_whitney([1.0] * 5, [2.0] * 5) == (1.0, pytest.approx(least_p(5, 5)))
    assert mann_whitney([1.0, 1.0], [1.0]) is None


def test_infinite_values_rank_last_and_tie() -> None:
    found = mann_whitney([1.0, 2.0, math.inf], [3.0, math.inf, math.inf])
    assert found is not None and found[0] == pytest.approx((4 + 2 + 0 - 1) / 9)


def test_holm_steps_down() -> None:
    """The example of Holm's paper in small: 0.01, 0.04, 0.03, 0.005 of four."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == [] and holm([0.9, 0.8]) == [1.0, 1.0]


def test_sizes() -> None:
    assert [size(value) for value in (0.0, 0.2, -0.4, 0.9)] == ["negligible", "small", "medium", "large"]


# --- the bars -------------------------------------------------------------------------------------------------------


def test_equal_sides_are_told_equal() -> None:
    """The bar is 95 of 100; alpha is 1%. docs/comparing.md has the figures of `python -m bench.compare.power`."""
    assert false_alarms(60, trials=30, noise=0.08) <= 0.05


def test_a_slowdown_of_p99_by_a_tenth_is_found_at_30_trials() -> None:
    """With a noise of 5% between trials, among twenty comparisons."""
    assert power(20, trials=30, noise=0.05, slower=0.10) >= 0.95


def simulated(seed: int, delay_ms: float = 5.0) -> Result:
    """A short trial of Raft, really simulated; its p99 follows the network's delay."""
    trial = Trial(
        protocol="raft",
        seed=seed,
        duration=nanoseconds(0.5),
        liveness=nanoseconds(2),
        network=Network(latency=Lognormal(nanoseconds(delay_ms / 1e3), 0.2)),
        workload=Workload(clients=4, rate=300.0),
        invariants=False,
    )
    result, _ = run_trial(trial)
    return msgspec.structs.replace(result, provenance={})


@functools.cache
def pool(count: int, delay_ms: float = 5.0) -> tuple[Result, ...]:
    return tuple(simulated(seed, delay_ms) for seed in range(1, count + 1))


def side(results: Sequence[Result], name: str = "run") -> Side:
    return Side(name=name, cells={"raft (simulated)": tuple(results)})


def split(results: Sequence[Result], number: int) -> tuple[Side, Side]:
    order = np.random.default_rng(number).permutation(len(results))
    half = len(results) // 2
    return side([results[i] for i in order[:half]]), side([results[i] for i in order[half:]])


def test_equal_simulated_runs_are_told_equal() -> None:
    """Trials of one commit with different seeds, divided at random into two runs of 30, again and again."""
    different = sum(compare(*split(pool(60), number)).different for number in range(100))
    assert different <= 5


def test_a_network_slower_by_a_tenth_is_found_in_simulated_runs() -> None:
    found = compare(side(pool(60)[:30]), side(pool(30, 5.5)))
    assert {each.metric for each in found.regressions} >= {"p50_s", "p99_s"}
    p99 = next(each for each in found.changes if each.metric == "p99_s")
    assert p99.change == pytest.approx(0.1, abs=0.05)
    assert found.exit_code() == 4


def test_the_same_seeds_on_the_same_code_are_identical() -> None:
    found = compare(side(pool(60)[:30]), side(pool(60)[:30]))
    assert not found.different and found.exit_code() == 0
    assert any("30 of 30 simulated trials with the same seed are identical" in note for note in found.notes)


# --- verdicts and words ---------------------------------------------------------------------------------------------


def results(count: int, start: int = 0, **changes: Any) -> list[Result]:
    return [fake.result(Trial(protocol="raft", seed=start + seed), **changes) for seed in range(1, count + 1)]


def test_a_new_violation_comes_first_and_outranks_all() -> None:
    broken = [*results(29), *results(1, start=50, verdict="invalid")]
    found = compare(side(results(30)), side(broken))
    assert found.exit_code() == 1
    texts = [text for _, text in lines(found)]
    verdict = next(i for i, text in enumerate(texts) if "verdict worse" in text)
    assert "violated 0 of 30 -> 1 of 30" in texts[verdict]
    assert not any("regression" in text or "improvement" in text for text in texts[:verdict])
    assert conclusion(found)[1].startswith("VIOLATION")
    mended = compare(side(broken), side(results(30)))
    assert mended.exit_code() == 0 and mended.verdicts[0].word == "better"
    assert compare(side(broken), side(broken)).exit_code() == 0, "nothing is new"


def test_more_void_trials_are_a_regression_and_a_single_one_is_not() -> None:
    void: dict[str, Any] = {"trial": "void", "void_reason": "too little load", "verdict": "unknown"}
    assert compare(side(results(30)), side([*results(29), *results(1, **void)])).exit_code() == 0
    found = compare(side(results(30)), side([*results(15), *results(15, start=15, **void)]))
    assert found.verdicts[0].word == "worse" and found.exit_code() == 4


def test_void_trials_enter_no_figure() -> None:
    void: dict[str, Any] = {"trial": "void", "void_reason": "x", "latency_s": Latency(p50=9.0, p99=9.0)}
    found = compare(side(results(30)), side([*results(29), *results(1, start=29, **void)]), metrics=["p99_s"])
    assert found.changes[0].trials == (30, 29) and found.changes[0].after == 0.01


def test_an_outage_that_did_not_end_is_worse_than_all_that_did() -> None:
    silent = results(30, unavailable=0.5, unavailable_censored=True)
    found = compare(side(results(30, unavailable=1.0)), side(silent), metrics=["unavailable_s"])
    change = found.changes[0]
    assert change.word == "worse" and change.after is None and change.regression
    assert "beyond what was observed" in "\n".join(text for _, text in lines(found))


def test_what_is_tolerated_is_no_regression() -> None:
    rng = np.random.default_rng(3)
    before, after = drawn(rng, 30, 0.03), drawn(rng, 30, 0.03, slower=0.1)
    strict = compare(before, after)
    assert strict.exit_code() == 4
    mild = compare(before, after, tolerated={"p99_s": 0.2})
    assert mild.exit_code() == 0 and mild.different
    assert any("worse, but tolerated (20%)" in text for _, text in lines(mild))


def test_an_improvement_is_said_and_passes() -> None:
    rng = np.random.default_rng(3)
    slow = drawn(rng, 30, 0.03, slower=0.1)
    found = compare(slow, drawn(rng, 30, 0.03))
    assert found.exit_code() == 0
    assert "NO REGRESSION, but a difference" in conclusion(found)[1]


def test_too_few_trials_say_so() -> None:
    rng = np.random.default_rng(3)
    before, after = drawn(rng, 3, 0.03), drawn(rng, 3, 0.03, slower=3.0)
    found = compare(before, after)
    assert found.exit_code() == 3 and conclusion(found)[1] == "UNKNOWN: too few trials to tell"
    assert any("not even a complete separation" in text for _, text in lines(found))
    told = compare(before, after, tolerated={"p99_s": 0.5})
    assert told.exit_code() == 4, "by the medians alone, as it was asked for"
    assert any("by the medians of 3 and 3 trials alone" in text for _, text in lines(told))


def test_intervals_hold_the_change() -> None:
    rng = np.random.default_rng(5)
    before, after = drawn(rng, 40, 0.05), drawn(rng, 40, 0.05, slower=0.1)
    found = with_intervals(compare(before, after), before, after)
    p99 = next(each for each in found.changes if each.metric == "p99_s" and each.cell.startswith("a"))
    assert p99.low is not None and p99.high is not None and p99.change is not None
    assert 0 < p99.low < p99.change < p99.high < 0.25
    assert any("about what would be missed" in text for _, text in lines(found))


# --- what is compared with what -------------------------------------------------------------------------------------


def test_machines_that_differ_are_refused_unless_forced() -> None:
    a = Side("a", side(results(30)).cells, machines={"1": "an old one, 2 cores"})
    b = Side("b", side(results(30)).cells, machines={"2": "a new one, 4 cores"})
    with pytest.raises(UsageError, match="the machines differ: a ran on an old one"):
        compare(a, b)
    found = compare(a, b, force=True)
    assert any("machines differ" in note for note in found.notes)


def test_cells_on_one_side_only_are_named_and_leave_it_open() -> None:
    both = Side("b", {**side(results(30)).cells, "other (live)": tuple(results(3))})
    found = compare(side(results(30)), both)
    assert found.missing == ("other (live): only in b",)
    assert found.exit_code() == 3
    with pytest.raises(UsageError, match="no cell in common"):
        compare(Side("a", {"x": tuple(results(3))}), Side("b", {"y": tuple(results(3))}))


def test_single_runs_are_cells_by_what_was_run() -> None:
    listed = [fake.result(Trial(protocol="raft", seed=seed, nodes=nodes)) for seed in (1, 2) for nodes in (3, 5)]
    found = of_results("runs", listed)
    assert [len(each) for each in found.cells.values()] == [2, 2]
    assert all(name.startswith("raft, ") for name in found.cells)


def test_bad_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'p99_s'"):
        compare(side(results(3)), side(results(3)), metrics=["p99"])
    with pytest.raises(UsageError, match="there is no run"):
        load(tmp_path / "nothing")
    with pytest.raises(UsageError, match="neither a sweep"):
        load(tmp_path)
    (tmp_path / "result.json").write_text("{}")
    with pytest.raises(UsageError, match="is not the result of a run"):
        load(tmp_path)
    with pytest.raises(UsageError, match="alpha 2 is out of range"):
        compare(side(results(3)), side(results(3)), alpha=2)
