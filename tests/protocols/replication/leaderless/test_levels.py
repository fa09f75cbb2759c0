"""Levels, with and without zones."""

from __future__ import annotations

from itertools import combinations

import pytest

from protocols.replication.leaderless import levels

REPLICAS = ("n1", "n2", "n3", "n4", "n5", "n6")
ZONES = {"n1": "a", "n2": "a", "n3": "a", "n4": "b", "n5": "b", "n6": "b"}


def smallest(level: str) -> set[int]:
    """Sizes of the sets of replicas that satisfy the level and have no part that does."""
    wanted = levels.requirement(level, REPLICAS, ZONES.__getitem__, "a")
    enough = [
        set(group)
        for size in range(7)
        for group in combinations(REPLICAS, size)
        if levels.met(wanted, group, ZONES.__getitem__)
    ]
    return {len(group) for group in enough if not any(other < group for other in enough)}


@pytest.mark.parametrize(
    ("level", "size"),
    [("ONE", 1), ("TWO", 2), ("QUORUM", 4), ("ALL", 6), ("5", 5), ("LOCAL_QUORUM", 2), ("EACH_QUORUM", 4)],
)
def test_how_many_a_level_waits_for(level: str, size: int) -> None:
    assert smallest(level) == {size}


def test_local_levels_count_the_zone_of_the_coordinator() -> None:
    wanted = levels.requirement("LOCAL_QUORUM", REPLICAS, ZONES.__getitem__, "b")
    assert not levels.met(wanted, ("n1", "n2", "n3", "n4"), ZONES.__getitem__)
    assert levels.met(wanted, ("n4", "n6"), ZONES.__getitem__)


def test_strict_is_what_enumeration_says() -> None:
    for n in range(1, 6):
        for r in range(1, n + 1):
            for w in range(1, n + 1):
                always = all(set(a) & set(b) for a in combinations(range(n), r) for b in combinations(range(n), w))
                assert levels.strict(str(r), str(w), n) == always


def test_levels_that_cannot_be() -> None:
    for level, what, said in (
        ("4", "read_level", "4 of 3"),
        ("FEW", "write_level", "unknown"),
        ("ANY", "read_level", "for writes"),
    ):
        with pytest.raises(ValueError, match=said):
            levels.check(level, 3, what)
