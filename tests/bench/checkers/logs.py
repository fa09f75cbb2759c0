"""What the tests of checkers of logs share."""

from __future__ import annotations

from collections.abc import Callable

from .faults import Fault, broken

SEEDS = 4_000


def sees(fault: Fault, problem: Callable[[int], str | None], seeds: int = SEEDS) -> bool:
    """Whether the fuzz, which says what is wrong for a seed, finds the fault (where it is not, nothing is)."""
    with broken(fault):
        at = next((seed for seed in range(seeds) if _wrong(problem, seed)), None)
    return at is not None and not _wrong(problem, at)


def _wrong(problem: Callable[[int], str | None], seed: int) -> bool:
    try:
        return problem(seed) is not None
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
        return True  # a checker that breaks is found too
