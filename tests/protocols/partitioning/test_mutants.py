"""Every classic mistake is caught at the seed noted with it, by the general nemesis; the real store passes there."""

import pytest

from bench.campaign import judge
from protocols.family import Mutant
from protocols.partitioning.store.mutants import MUTANTS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_nemesis_catches_it(mutant: Mutant) -> None:
    """The seed is noted by a search (``python -m bench.campaign partitioned --matrix``)."""
    outcome = judge("partitioned", mutant.name, mutant.seed)
    assert outcome.failed, f"seed {mutant.seed} no longer catches {mutant.name}: search for another"
    assert set(outcome.failed) & set(mutant.caught_by), f"caught by {outcome.failed}, not by {mutant.caught_by}"


@pytest.mark.parametrize("seed", sorted({mutant.seed for mutant in MUTANTS}))
def test_the_real_store_passes_the_same_seeds(seed: int) -> None:
    outcome = judge("partitioned", None, seed)
    assert not outcome.failed, outcome.reason
