"""Every classic mistake is caught at the seed noted with it, by the general nemesis; the real protocol passes there."""

import pytest

from bench.campaign import judge
from protocols.family import Mutant
from protocols.replication.leaderless.mutants import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_nemesis_catches_it(mutant: Mutant) -> None:
    """The seed is noted by a search (``python -m bench.campaign leaderless --matrix``); it may go stale."""
    outcome = judge("leaderless", mutant.name, mutant.seed)
    assert outcome.failed, f"seed {mutant.seed} no longer catches {mutant.name}: search for another"
    assert set(outcome.failed) & set(mutant.caught_by), f"caught by {outcome.failed}, not by {mutant.caught_by}"


@pytest.mark.parametrize("seed", sorted({mutant.seed for mutant in MUTANTS}))
def test_the_real_protocol_passes_the_same_seeds(seed: int) -> None:
    outcome = judge("leaderless", None, seed)
    assert not outcome.failed, outcome.reason


def test_there_are_at_least_eight() -> None:
    assert len({mutant.name for mutant in MUTANTS}) >= 8
