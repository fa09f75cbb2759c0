"""Every classic mistake is caught at the seed noted with it, by the general nemesis; the real protocol passes there."""

import msgspec
import pytest

from bench.campaign import judge
from bench.mutation import changed_lines
from bench.run import run_trial
from bench.torture import torture
from protocols.consensus.raft.mutants import MUTANTS
from protocols.family import Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_nemesis_catches_it(mutant: Mutant) -> None:
    """The seed is noted by a search (``python -m bench.campaign raft --matrix``); a change may call for another."""
    outcome = judge("raft", mutant.name, mutant.seed)
    assert outcome.failed, f"seed {mutant.seed} no longer catches {mutant.name}: search for another"
    assert set(outcome.failed) & set(mutant.caught_by), f"caught by {outcome.failed}, not by {mutant.caught_by}"


@pytest.mark.parametrize("seed", sorted({mutant.seed for mutant in MUTANTS}))
def test_the_real_protocol_passes_the_same_seeds(seed: int) -> None:
    outcome = judge("raft", None, seed)
    assert not outcome.failed, outcome.reason


@pytest.mark.parametrize("mutant", [each for each in MUTANTS if each.params], ids=lambda mutant: mutant.name)
def test_the_real_protocol_passes_with_the_mutants_parameters(mutant: Mutant) -> None:
    """It is the mistake that fails there, not a choice of parameters that asks too much."""
    result, _ = run_trial(msgspec.structs.replace(torture("raft", mutant.seed, mutant.name), mutant=None))
    assert not result.violations, result.violations[0].reason


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_is_a_diff_of_at_most_five_lines(mutant: Mutant) -> None:
    assert 1 <= changed_lines("raft", mutant.name) <= 5


def test_there_are_at_least_twelve() -> None:
    assert len({mutant.name for mutant in MUTANTS}) >= 12
