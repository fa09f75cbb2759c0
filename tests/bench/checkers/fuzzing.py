"""Which random histories a fuzz test draws, and the comparisons that fuzz tests and mutants share.

``QUORUMBENCH_FUZZ_HISTORIES=20000 QUORUMBENCH_FUZZ_SEED=1000000 pytest tests/bench/checkers -k fuzz`` is a long run
on histories that no test has drawn before.
"""

from __future__ import annotations

import os
from collections import Counter
from random import Random

import numpy as np

from bench.checkers.linearizability import check
from bench.checkers.models import MODELS
from bench.checkers.models import check as check_model
from bench.checkers.steps import steps_by_key, values_are_unique, without_unobserved
from bench.checkers.unique import find_flaw
from bench.checkers.zones import undecided
from bench.history.history import History

from . import brute_force, brute_models, random_lines
from .histories import simulated, tiny
from .random_objects import Case, draw


def histories(default: int) -> int:
    """Histories for each model: ``default``, or as many as QUORUMBENCH_FUZZ_HISTORIES says."""
    return int(os.environ.get("QUORUMBENCH_FUZZ_HISTORIES", default))


def first_seed() -> int:
    """The first seed: 0, or what QUORUMBENCH_FUZZ_SEED says."""
    return int(os.environ.get("QUORUMBENCH_FUZZ_SEED", "0"))


def seeds(default: int) -> range:
    """As many seeds as there are to be histories, from the first."""
    return range(first_seed(), first_seed() + histories(default))


def columnar(rng: Random) -> History:
    """A small history of registers: of random operations, or of a store that sometimes forgets, with long chains."""
    if rng.random() < 0.65:
        return tiny(rng)
    return simulated(
        rng,
        rng.randint(3, 9),
        clients=rng.randint(2, 6),
        keys=rng.choice((1, 1, 2)),
        values=rng.choice((None, None, 3)),
        reads=0.4,
        swaps=rng.choice((0.2, 0.5)),
        unanswered=0.15,
        stale=0.15,
    )


def registers(seed: int, counts: Counter[str]) -> str | None:
    """What is wrong with the check of the columnar history of that seed."""
    history = columnar(Random(seed))
    expected = brute_force.linearizable(history)
    verdict = check(history)
    if verdict.verdict != ("valid" if expected else "invalid"):
        return f"seed {seed}: {verdict.verdict}, by the definition {expected}"
    if not expected and brute_force.linearizable(history.take(np.array(verdict.rows))):
        return f"seed {seed}: the rows {verdict.rows} are no violation"
    doubtful = set(undecided(history).tolist())
    for key, steps in steps_by_key(history).items():
        useful = without_unobserved(steps)
        unique = values_are_unique(useful)
        counts[f"{'unique' if unique else 'repeated'} {expected}"] += 1
        if unique and (key in doubtful) != (find_flaw(useful) is not None):
            return f"seed {seed}: key {key} is {'' if key in doubtful else 'not '}doubtful, and that is wrong"
    return None


def objects(name: str, case: Case, seed: int, counts: Counter[str]) -> str | None:
    """What is wrong with the check of the history of that model and seed."""
    operations = draw(case, Random(f"{name}/{seed}"))
    expected = brute_models.linearizable(operations, case.new)
    verdict = check_model(operations, case.model)
    counts[f"{expected}"] += 1
    if verdict.verdict != ("valid" if expected else "invalid"):
        return f"{name}, seed {seed}: {verdict.verdict}, by the definition {expected} ({verdict.reason})"
    if not expected and brute_models.linearizable([operations[row] for row in verdict.rows], case.new):
        return f"{name}, seed {seed}: the rows {verdict.rows} are no violation"
    return None


LINES = {"queue": lambda: brute_models.Line(0), "stack": lambda: brute_models.Line(-1)}


def lines(model: str, seed: int, counts: Counter[str]) -> str | None:
    """What is wrong with the check of the queue or stack of that seed."""
    operations = random_lines.draw(model, Random(f"{model}/{seed}"))
    expected = brute_models.linearizable(operations, LINES[model])
    verdict = check_model(operations, MODELS[model]())
    counts[f"{expected}"] += 1
    if verdict.verdict != ("valid" if expected else "invalid"):
        return f"{model}, seed {seed}: {verdict.verdict}, by the definition {expected} ({verdict.reason})"
    if not expected and brute_models.linearizable([operations[row] for row in verdict.rows], LINES[model]):
        return f"{model}, seed {seed}: the rows {verdict.rows} are no violation"
    return None
