"""Torture trials: the real Raft survives the full nemesis, and its mutants do not survive the same seeds."""

from __future__ import annotations

from collections import Counter

import pytest

from bench.campaign import Outcome, judge
from bench.faults.nemesis import GENERAL, KINDS
from bench.run import run_trial
from bench.torture import torture
from protocols.registry import load

SEEDS = range(60)
FAST = ("term-not-persisted", "double-vote", "sessions-not-replicated")
"""Mutants that a few seeds catch; each of the others has a seed noted with it, and a test beside the protocol's own."""


@pytest.fixture(scope="module")
def real() -> list[Outcome]:
    """The real protocol under every seed."""
    return [judge("raft", None, seed) for seed in SEEDS]


def test_the_real_raft_survives_the_full_nemesis(real: list[Outcome]) -> None:
    """Five invariants after every turn, linearizability of the history, liveness after the heal, no crash."""
    assert [(each.seed, each.failed, each.reason) for each in real if each.failed] == []
    assert [each.seed for each in real if each.unknown] == [], "every verdict was reached"


def test_the_seeds_are_not_vacuous(real: list[Outcome]) -> None:
    """A seed counts with 50 ok operations, a fault and a change of leader; most do, and together they go everywhere."""
    assert sum(each.counts for each in real) > len(real) // 2
    marks: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    for each in real:
        marks.update(each.marks)
        faults.update(each.faults)
    assert {"suspected", "elected", "committed", "retired", "truncated", "quorum_lost"} <= set(marks)
    assert len(faults) >= len(KINDS) - 2, f"never fired: {set(KINDS) - set(faults)}"
    assert sum(each.events for each in real) > 200_000


@pytest.mark.parametrize("mutant", FAST)
def test_a_mutant_is_caught_where_the_real_protocol_passes(mutant: str, real: list[Outcome]) -> None:
    assert not any(each.failed for each in real)
    caught = next((seed for seed in SEEDS if judge("raft", mutant, seed).failed), None)
    assert caught is not None, f"{mutant} survived {len(SEEDS)} seeds"


def test_a_torture_trial_follows_from_its_seed() -> None:
    assert torture("raft", 7) == torture("raft", 7)
    assert torture("raft", 7) != torture("raft", 8)
    mutant = torture("raft", 7, "double-vote")
    assert mutant.mutant == "double-vote"
    assert (mutant.nodes, mutant.network, mutant.nemesis) == (
        torture("raft", 7).nodes,
        torture("raft", 7).network,
        torture("raft", 7).nemesis,
    ), "a mutant is put to the same test"


def test_seeds_differ_in_everything_a_seed_can_vary() -> None:
    trials = [torture("raft", seed) for seed in range(200)]
    assert {trial.nodes for trial in trials} == {3, 4, 5}
    assert len({type(trial.network.latency) for trial in trials}) == 4
    assert len({trial.network.fifo for trial in trials}) == 2
    assert len({trial.service.fsync for trial in trials}) >= 3
    kinds = [set(trial.nemesis.kinds) for trial in trials if trial.nemesis]
    assert {len(each - {"membership"}) for each in kinds} == {0, 1, 2, 3, len(GENERAL["sim"])}
    operated = [each for each in kinds if "membership" in each]
    assert 0.2 < len(operated) / len(kinds) < 0.5, "every third has an operator"
    assert not any("membership" in torture("abd", seed).nemesis.kinds for seed in range(50)), "who cannot, is not asked"  # type: ignore[union-attr]
    assert len({str(trial.params) for trial in trials}) == len(load("raft").variants)


def test_fields_can_be_set_otherwise() -> None:
    trial = torture("raft", 3, trace=True, nodes=7)
    assert (trial.trace, trial.nodes) == (True, 7)
    result, record = run_trial(torture("raft", 3, duration=300_000_000, trace=True))
    assert record.trace
    assert result.duration_s == pytest.approx(0.3, abs=0.01)
