"""Split brain: what the strategies promise, takeovers with and without a fence, and every mistake caught."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.campaign import judge
from bench.faults.spec import Partition, Pause
from bench.mutation import changed_lines
from bench.run import run_trial
from bench.trial import Result, Trial
from bench.workload.spec import Workload
from protocols.family import Mutant
from protocols.membership.splitbrain import ServerConfig
from protocols.membership.splitbrain.mutants import MUTANTS
from protocols.membership.splitbrain.strategy import Strategy, survives

SECOND = 1_000_000_000
DECIDING: tuple[Strategy, ...] = ("static-quorum", "keep-majority", "keep-oldest", "keep-referee")


@pytest.mark.parametrize("strategy", DECIDING)
@given(st.integers(1, 7), st.data())
def test_of_two_sides_at_most_one_survives(strategy: Strategy, count: int, data: st.DataObject) -> None:
    members = {f"n{number}" for number in range(1, count + 1)}
    place = {name: data.draw(st.integers(0, 2)) for name in sorted(members)}
    oldest, referee = (data.draw(st.sampled_from(sorted(members))) for _ in range(2))
    sides = [{name for name in members if place[name] == side} for side in (0, 1)]
    quorum = count // 2 + 1
    alive = [survives(strategy, side, members, quorum=quorum, oldest=oldest, referee=referee) for side in sides if side]
    assert sum(alive) <= 1
    assert survives(strategy, members, members, quorum=quorum, oldest=oldest, referee=referee), "the whole goes on"


@pytest.mark.parametrize(
    ("strategy", "side", "expected"),
    [
        ("static-quorum", "ab", False),
        ("static-quorum", "abc", True),
        ("keep-majority", "ab", True),  # half, with the first by name
        ("keep-majority", "cd", False),
        ("keep-oldest", "d", False),  # alone among several
        ("keep-oldest", "abc", True),  # all but the oldest
        ("keep-oldest", "bd", True),
        ("keep-oldest", "ac", False),
        ("keep-referee", "b", True),
        ("keep-referee", "acd", False),
        ("none", "c", True),
    ],
)
def test_who_survives_of_four(strategy: Strategy, side: str, expected: bool) -> None:
    assert survives(strategy, set(side), set("abcd"), quorum=3, oldest="d", referee="b") is expected


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"quorum": 2}, "quorum 2 is out of range: 3 to 5"),
        ({"referee": 6}, "referee 6 is out of range: 1 to 5"),
        ({"timeout_s": 0.05}, "timeout_s 0.05 is out of range"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ServerConfig(**changes).validate(5)


def run(params: dict[str, Any], *faults: Any) -> Result:
    """Five servers, six seconds of load."""
    trial = Trial(
        protocol="splitbrain",
        nodes=5,
        seed=1,
        duration=6 * SECOND,
        params=params,
        faults=faults,
        workload=Workload(clients=4, rate=200.0, keys=1, mix=(("read", 1.0),)),
    )
    return run_trial(trial)[0]


ALONE = Partition(at=2 * SECOND, shape="isolate", target="leader", length=2 * SECOND)


@pytest.mark.parametrize("strategy", ["static-quorum", "keep-majority", "lease-majority"])
def test_the_majority_takes_over(strategy: str) -> None:
    result = run({"strategy": strategy}, ALONE)
    assert result.verdict == "valid"
    assert result.leader_changes >= 1
    assert result.unavailable_s is not None and 0.2 < result.unavailable_s < 1.9, "before the cut heals"
    assert ("fences" in result.coverage) == (strategy != "lease-majority")


def test_a_slow_holder_acts_beside_its_successor_unless_it_is_killed_first() -> None:
    pause = Pause(at=2 * SECOND, target="leader", length=2 * SECOND)
    hoped = run({"fence": False}, pause)
    assert hoped.figures["one_acts.double"] > 0, "it wakes up and does not know"
    fenced = run({"fence": True}, pause)
    assert fenced.figures["one_acts.double"] == 0
    assert fenced.coverage["fences"] >= 1


def test_without_a_strategy_or_a_fence_both_sides_act_until_they_merge() -> None:
    result = run({"strategy": "none", "fence": False}, ALONE)
    assert result.figures["one_acts.double"] > 10
    assert result.coverage["resigned"] >= 1, "one of them stops when they meet again"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_nemesis_catches_it(mutant: Mutant) -> None:
    """The seed is noted by a search (``python -m bench.campaign splitbrain --matrix``)."""
    outcome = judge("splitbrain", mutant.name, mutant.seed)
    assert set(outcome.failed) & set(mutant.caught_by), f"seed {mutant.seed}: {outcome.failed}"
    assert changed_lines("splitbrain", mutant.name) <= 5


@pytest.mark.parametrize("seed", sorted({mutant.seed for mutant in MUTANTS}))
def test_the_real_protocol_passes_the_same_seeds(seed: int) -> None:
    outcome = judge("splitbrain", None, seed)
    assert not outcome.failed, outcome.reason
