"""The weaker models against their definitions, on random histories.

``QUORUMBENCH_FUZZ_HISTORIES=20000 pytest tests/bench/checkers/weak/test_fuzz.py`` is the long run.
"""

from __future__ import annotations

from random import Random
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.checkers.weak import DECISIONS, MODELS
from bench.checkers.weak.lattice import IMPLIES, STRONGER, examine
from bench.checkers.weak.reading import sessions
from tests.bench.checkers import fuzzing
from tests.bench.checkers.brute_weak import MODELS as BRUTE
from tests.bench.checkers.brute_weak import Txn, satisfied
from tests.bench.checkers.weak.drawn import columns, draw

HISTORIES = fuzzing.histories(100)
FIRST = fuzzing.first_seed()


def judged(txns: list[Txn]) -> dict[str, str]:
    """What the checkers say, without making violations small."""
    some = sessions(columns(txns))
    if some.problems:
        return dict.fromkeys(DECISIONS, "invalid")
    return {name: decide(some, monotonic() + 10).word for name, decide in DECISIONS.items()}


def disagreements(txns: list[Txn]) -> dict[str, tuple[str, bool]]:
    found = judged(txns)
    return {
        name: (found[name], holds)
        for name, holds in satisfied(txns).items()
        if found[name] != ("valid" if holds else "invalid")
    }


def test_every_model_is_compared() -> None:
    assert set(BRUTE) == set(DECISIONS) == set(IMPLIES) - {"linearizable"}


@pytest.mark.parametrize("part", range(4))
def test_agrees_with_the_definitions(part: int) -> None:
    for seed in range(FIRST + part, FIRST + HISTORIES, 4):
        txns = draw(Random(seed), 7 if seed % 40 == 3 else 6 if seed % 4 else 5)
        assert not disagreements(txns), f"seed {seed}: {txns}"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_what_is_stronger_implies_what_is_weaker(seed: int) -> None:
    found = judged(draw(Random(seed), 12))
    for model, weaker in IMPLIES.items():
        if found.get(model) == "valid":
            assert all(found[each] == "valid" for each in weaker), f"seed {seed}: {model}"


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_the_lattice_says_what_the_models_say(seed: int) -> None:
    txns = draw(Random(seed), 8)
    found, models = judged(txns), examine(columns(txns))
    assert {model: models.words[model] for model in found} == found
    for model in models.satisfied:
        assert all(models.words.get(each) != "valid" for each in STRONGER[model] - {model})


def test_a_violation_is_one_by_itself() -> None:
    shown = 0
    for seed in range(5_000, 5_000 + max(40, HISTORIES // 20)):
        txns = draw(Random(seed), 7)
        some = columns(txns)
        for name, check in MODELS.items():
            verdict = check(some)
            if verdict.verdict != "invalid" or name not in BRUTE:
                continue
            assert verdict.reason.endswith(".")
            assert len(verdict.rows) <= 7
            if len(sessions(some).problems):
                continue
            kept = set(verdict.rows)
            written = {(key, value) for row in kept for kind, key, value in txns[row][2] if kind == "w"}
            alone = [
                (session, "fail" if row not in kept else outcome,
                 [op for op in ops if op[0] == "w" or op[2] is None or (op[1], op[2]) in written])
                for row, (session, outcome, ops) in enumerate(txns)
            ]  # fmt: skip
            assert not satisfied(alone)[name], f"seed {seed}, {name}: {verdict} of {txns}"
            shown += 1
    assert shown > 20
