"""Fuzzing that finds nothing proves little; so each of these deliberate faults has to be found by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from .faults import FAULTS, broken, with_fault
from .fuzzing import lines, objects, registers
from .random_objects import CASES

HISTORIES = 20_000


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str) -> None:
    fault = FAULTS[name]
    with broken(fault) as swapped:
        if fault.seen_by == "columnar":
            found = (registers(seed, Counter()) for seed in range(HISTORIES))
        elif fault.seen_by.startswith("lines of a "):
            found = (lines(fault.seen_by[11:], seed, Counter()) for seed in range(HISTORIES))
        else:
            case = with_fault(CASES[fault.seen_by], swapped)
            found = (objects(fault.seen_by, case, seed, Counter()) for seed in range(HISTORIES))
        assert _found(found), "the fuzzing does not see it"


def _found(problems: Iterator[str | None]) -> bool:
    try:
        return any(problems)
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError):
        return True  # a checker that breaks is found too
