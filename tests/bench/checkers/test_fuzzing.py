"""Every model against the definition on small random histories; QUORUMBENCH_FUZZ_HISTORIES=20000 is the long run, and
QUORUMBENCH_FUZZ_SEED says from which seed on."""

from __future__ import annotations

from collections import Counter

import pytest

from .fuzzing import histories, objects, registers, seeds
from .random_objects import CASES


def test_columnar_registers() -> None:
    """The verdict, the rows, and that the check of all keys at once doubts no key that it could decide."""
    count = histories(2500)
    counts: Counter[str] = Counter()
    wrong = [problem for seed in seeds(2500) if (problem := registers(seed, counts))]
    assert wrong == []
    assert min(counts[f"{values} {expected}"] for values in ("unique", "repeated") for expected in (True, False)) > (
        count // 25
    ), counts


@pytest.mark.parametrize("name", CASES)
def test_objects(name: str) -> None:
    count = histories(1200)
    counts: Counter[str] = Counter()
    wrong = [problem for seed in seeds(1200) if (problem := objects(name, CASES[name], seed, counts))]
    assert wrong == []
    assert min(counts["True"], counts["False"]) > count // 12, counts


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.model.shortcut])
def test_objects_by_search_alone(name: str) -> None:
    """The general algorithm on histories that a quicker one would have decided."""
    case = CASES[name].searched()
    wrong = [problem for seed in seeds(600) if (problem := objects(name, case, seed, Counter()))]
    assert wrong == []
