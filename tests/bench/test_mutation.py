"""Mutants are the real source but for a few lines, loaded beside it."""

from __future__ import annotations

import sys

import pytest

from bench.errors import UsageError
from bench.mutation import MutationError, changed_lines, diff, find_mutant, load_family, mutate
from protocols.family import Mutant
from protocols.registry import MODULES, load


def test_edits_apply_in_order_and_only_where_they_fit() -> None:
    assert mutate("a b c", [("a", "x"), ("x b", "y")]) == "y c"
    with pytest.raises(MutationError, match="here: the text to replace occurs 0 times, not once:\nz"):
        mutate("a b c", [("z", "x")], "here")
    with pytest.raises(MutationError, match="occurs 2 times"):
        mutate("a a", [("a", "x")])


def test_a_mutated_family_lives_beside_the_real_one() -> None:
    real, mutated = load_family("raft"), load_family("raft", "double-vote")
    assert real is load("raft")
    assert mutated is load_family("raft", "double-vote"), "loaded once"
    assert mutated.server is not real.server
    assert mutated.server.__module__ == "protocols.consensus.raft__mutant_double_vote.server"
    assert [each.name for each in mutated.invariants()] == [each.name for each in real.invariants()]
    assert sys.modules["protocols.consensus.raft"].family is real
    other = load_family("raft", "vote-not-persisted")
    assert other.server is not mutated.server


def test_only_the_mutated_file_differs() -> None:
    import inspect

    mutated = load_family("raft", "log-comparison-by-length")
    module = sys.modules[mutated.server.__module__.rpartition(".")[0] + ".quorum"]
    assert not module.up_to_date(9, 1, 1, 2)
    assert load("raft").server.__init__.__code__.co_code == mutated.server.__init__.__code__.co_code
    assert inspect.signature(mutated.server.start) == inspect.signature(load("raft").server.start)


@pytest.mark.parametrize("name", [mutant.name for mutant in load("raft").mutants])
def test_the_diff_shows_what_was_edited(name: str) -> None:
    text = diff("raft", name)
    mutant = find_mutant(load("raft"), name)
    assert text.startswith(f"--- {mutant.file}.py\n+++ {mutant.file}.py ({name})\n@@")
    assert 1 <= changed_lines("raft", name) <= 5


def test_raft_has_the_classic_mistakes() -> None:
    """At least a dozen, and each of the five safety properties, linearizability and liveness catches one."""
    mutants = load("raft").mutants
    assert len(mutants) >= 12
    caught = {check for mutant in mutants for check in mutant.caught_by}
    assert {"election_safety", "log_matching", "state_machine_safety", "leader_completeness"} <= caught
    assert {"linearizable", "liveness"} <= caught


def test_unknown_names_end_in_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="unknown protocol 'rfat': did you mean 'raft'"):
        load_family("rfat")
    with pytest.raises(UsageError, match="unknown mutant of raft 'duoble-vote': did you mean 'double-vote'"):
        load_family("raft", "duoble-vote")


def test_an_edit_that_no_longer_fits_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The protocol moved on and the mutant did not: no half-mutated module stays behind."""
    import dataclasses

    stale = Mutant("stale", "It does not fit.", "server", (("no such text", "x"),), ("election_safety",))
    family = dataclasses.replace(load("raft"), mutants=(stale,))
    monkeypatch.setattr("bench.mutation.load", lambda name: family)
    for _ in range(2):
        with pytest.raises(UsageError, match=r"mutant 'stale' does not fit the source: .*occurs 0 times"):
            load_family("raft", "stale")
    assert MODULES["raft"] + "__mutant_stale" not in sys.modules
    assert not any("Finder" in type(finder).__name__ and "mutant" in repr(finder) for finder in sys.meta_path)
