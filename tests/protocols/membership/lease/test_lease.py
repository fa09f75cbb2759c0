"""Leases: the arithmetic of terms and drift, the real protocol under bad clocks, and every mistake caught."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.campaign import judge
from bench.faults.spec import Partition
from bench.mutation import changed_lines
from bench.network import Constant, Network
from bench.run import run_trial
from bench.trial import Result, Trial
from bench.workload.spec import Workload
from protocols.family import Mutant
from protocols.membership.lease import ServerConfig
from protocols.membership.lease.mutants import MUTANTS

SECOND = 1_000_000_000
MS = 1_000_000


@given(st.floats(0.01, 10), st.floats(0, 0.5), st.floats(-1, 1), st.floats(-1, 1))
def test_within_the_bound_a_holder_stops_before_a_grantor_grants_again(
    term_s: float, bound: float, holder: float, grantor: float
) -> None:
    """True time until each is through, with clocks at 1 + x * bound of true speed for any x between -1 and 1."""
    config = ServerConfig(term_s=term_s, drift_bound=bound)
    stops = config.held / (1 + holder * bound)
    grants = config.waited / (1 + grantor * bound)
    assert stops <= grants


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"term_s": 0.001}, "term_s 0.001 is out of range"),
        ({"drift_bound": 0.6}, "drift_bound 0.6 is out of range"),
        ({"term_s": 0.5, "renew_s": 0.5}, "renew_s 0.5 is out of range"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ServerConfig(**changes).validate(3)


def cut_off(drift: float, bound: float, seed: int) -> Result:
    """The holder alone with some of the clients for longer than its term, on clocks of that drift."""
    trial = Trial(
        protocol="lease",
        seed=seed,
        duration=3 * SECOND,
        clock_drift_ppm=drift * 1e6,
        network=Network(latency=Constant(MS)),
        params={"term_s": 0.5, "drift_bound": bound},
        faults=(Partition(at=SECOND, shape="isolate", target="leader", length=3 * SECOND // 2),),
        workload=Workload(clients=6, rate=900.0, keys=2, mix=(("read", 0.8), ("write", 0.2))),
    )
    return run_trial(trial)[0]


def test_clocks_within_the_bound_have_one_holder_and_worse_ones_two() -> None:
    seeds = range(1, 13)
    assert {cut_off(0.3, 0.3, seed).verdict for seed in seeds} == {"valid"}
    worse = [cut_off(0.3, 0.0, seed).checks["one_holder"] for seed in seeds]
    assert "invalid" in worse


def test_the_holder_serves_until_its_term_ends_and_then_the_others_do() -> None:
    result = cut_off(0.0, 0.01, 1)
    assert result.verdict == "valid"
    assert result.leader_changes >= 1
    assert result.unavailable_s < 1.5, "the others do not wait for the cut to heal"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_nemesis_catches_it(mutant: Mutant) -> None:
    """The seed is noted by a search (``python -m bench.campaign lease --matrix``); a change may call for another."""
    outcome = judge("lease", mutant.name, mutant.seed)
    assert set(outcome.failed) & set(mutant.caught_by), f"seed {mutant.seed}: {outcome.failed}"
    assert changed_lines("lease", mutant.name) <= 5


@pytest.mark.parametrize("seed", sorted({mutant.seed for mutant in MUTANTS}))
def test_the_real_protocol_passes_the_same_seeds(seed: int) -> None:
    outcome = judge("lease", None, seed)
    assert not outcome.failed, outcome.reason
