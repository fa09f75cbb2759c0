"""Against brute force. ``QUORUMBENCH_FUZZ_HISTORIES=20000 QUORUMBENCH_FUZZ_SEED=1 pytest -k fuzz`` for a long run."""

from __future__ import annotations

from random import Random

import pytest

from bench.checkers.transactions import graph, lists
from tests.bench.checkers import fuzzing

from .agreement import disagreement, histories, small_thresholds

HISTORIES = fuzzing.histories(800)


@pytest.mark.parametrize("kind", ["list-append", "rw-register"])
def test_fuzz_every_level_against_brute_force(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "DIRECT", graph.DIRECT)  # put back at the end
    monkeypatch.setattr(lists, "_CHUNK", lists._CHUNK)
    rng = Random(7)
    judged = 0
    for number, (mode, t, simple) in enumerate(histories(20 + fuzzing.first_seed(), kind, HISTORIES)):
        small_thresholds(rng)
        found = disagreement(mode, t, kind, simple)
        assert not found, f"history {number} of {mode}: {found}\n{t}"
        judged += 1
    assert judged == HISTORIES
