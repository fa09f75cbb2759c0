"""Consistency levels: of how many replicas, and where, an operation waits to hear (Cassandra's names)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

NAMED = ("ANY", "ONE", "TWO", "THREE", "QUORUM", "ALL", "LOCAL_ONE", "LOCAL_QUORUM", "EACH_QUORUM")
COUNTS = {"ANY": 1, "ONE": 1, "TWO": 2, "THREE": 3, "LOCAL_ONE": 1}

ANYWHERE = ""
Requirement = tuple[tuple[str, int], ...]
"""How many replicas of which zone; ``ANYWHERE`` for any."""


def majority(n: int) -> int:
    """The smallest number of n any two sets of which intersect."""
    return n // 2 + 1


def check(level: str, n: int, what: str) -> None:
    """Raise ``ValueError`` with one sentence unless this is a level that n replicas can give."""
    if level not in NAMED and not level.isdigit():
        raise ValueError(f"{what} {level!r} is unknown: a number of replicas, or one of {', '.join(NAMED)}")
    if level == "ANY" and what.startswith("read"):
        raise ValueError(f"{what} ANY is for writes: a read needs the answer of a replica")
    wanted = count(level, n)
    if wanted is not None and not 1 <= wanted <= n:
        raise ValueError(f"{what} {level} is out of range: it waits for {wanted} of {n} replicas")


def count(level: str, n: int) -> int | None:
    """Of how many of n replicas a level waits to hear, wherever they are; None if zones matter.

    >>> [count(level, 3) for level in ("ONE", "QUORUM", "ALL", "2", "EACH_QUORUM")]
    [1, 2, 3, 2, None]
    """
    if level.isdigit():
        return int(level)
    if level in ("QUORUM", "ALL"):
        return majority(n) if level == "QUORUM" else n
    return None if level in ("LOCAL_QUORUM", "EACH_QUORUM") else COUNTS[level]


def requirement(level: str, replicas: Sequence[str], zone_of: Callable[[str], str], here: str) -> Requirement:
    """What an operation coordinated in zone ``here`` waits for.

    A local level counts the coordinator's zone only, or all zones where its own has no replica.
    """
    zones: dict[str, int] = {}
    for node in replicas:
        zones[zone_of(node)] = zones.get(zone_of(node), 0) + 1
    if level == "EACH_QUORUM":
        return tuple((zone, majority(size)) for zone, size in sorted(zones.items()))
    if level.startswith("LOCAL_") and here in zones:
        return ((here, majority(zones[here]) if level == "LOCAL_QUORUM" else 1),)
    if level == "LOCAL_QUORUM":
        return ((ANYWHERE, majority(len(replicas))),)
    return ((ANYWHERE, count(level, len(replicas)) or 1),)


def met(wanted: Requirement, heard: Iterable[str], zone_of: Callable[[str], str]) -> bool:
    """Whether those who were heard from, each once, are enough."""
    heard = list(heard)
    return all(sum(zone in (ANYWHERE, zone_of(node)) for node in heard) >= number for zone, number in wanted)


def strict(read: str, write: str, n: int) -> bool:
    """Whether every read quorum shares a replica with every write quorum: R + W > N (Gifford 1979).

    >>> strict("QUORUM", "QUORUM", 3), strict("ONE", "TWO", 3), strict("EACH_QUORUM", "LOCAL_QUORUM", 3)
    (True, False, False)
    """
    r, w = count(read, n), count(write, n)
    return r is not None and w is not None and write != "ANY" and r + w > n
