"""Which partition a key is in, and who has which at first: what clients and servers agree on beforehand.

Every placement is one by ranges: a key has a *position*, a text, and a partition is all positions from ``low`` to below
``high``. With a fixed number of partitions the position is the hash mod P; else it is the hash, or the key itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from ..hashing import hash_key
from ..modulo import join, spread
from ..ring import natural
from .config import Placement
from .messages import Entry

_NUMBER = re.compile("[0-9]+")


@lru_cache(maxsize=1 << 17)
def position(key: str, placement: Placement, partitions: int) -> str:
    """Where a key is.

    ``modulo``: hash mod P, with P fixed for ever. ``hash``: the hash. ``range``: the key, in whose order numbers count:

    >>> position("k7", "range", 1) < position("k10", "range", 1)
    True
    """
    if placement == "range":
        return _NUMBER.sub(lambda found: found[0].zfill(20), key)
    if placement == "hash":
        return f"{hash_key(key):016x}"
    return f"{hash_key(key) % partitions:04x}"


def members_at_first(servers: Sequence[str], initial: int) -> tuple[str, ...]:
    """The servers that take part from the start."""
    return tuple(sorted(servers, key=natural)[: initial or len(servers)])


def entries_at_first(
    servers: Sequence[str], initial: int, partitions: int, placement: Placement = "modulo"
) -> tuple[Entry, ...]:
    """Partitions dealt out in turns, all in epoch 1. A ranged store begins with one: nobody knows its keys yet."""
    members = members_at_first(servers, initial)
    if placement == "range":
        return (Entry("", "", 0, 1, members[0]),)
    if placement == "hash":
        bounds = [f"{(number << 64) // partitions:016x}" for number in range(1, partitions)]
    else:
        bounds = [f"{number:04x}" for number in range(1, partitions)]
    owners = spread(partitions, len(members)).tolist()
    lows, highs = ["", *bounds], [*bounds, ""]
    return tuple(Entry(lows[at], highs[at], at, 1, members[owner]) for at, owner in enumerate(owners))


def plan(owners: Sequence[tuple[int, str]], members: Sequence[str], newcomers: Sequence[str]) -> list[tuple[int, str]]:
    """(partition, target) for each that has to move so that newcomers get their due, and no other.

    Args:
        owners: (partition, server) of all.
        members: who takes part already; everybody in ``owners`` does.
        newcomers: who gets something.
    """
    everybody = [*members, *newcomers]
    numbers = {name: index for index, name in enumerate(everybody)}
    before = [numbers[server] for _, server in owners]
    after = before
    for count in range(len(members), len(everybody)):
        after = join(after, count).tolist()
    return [
        (partition, everybody[new])
        for (partition, _), old, new in zip(owners, before, after, strict=True)
        if old != new
    ]


def within(position: str, low: str, high: str) -> bool:
    """Whether a position is in a partition. An empty ``high`` is beyond all; a boundary belongs to what it begins."""
    return low <= position and (not high or position < high)


def overlap(one: Entry, other: Entry) -> bool:
    """Whether any position is in both."""
    return (not other.high or one.low < other.high) and (not one.high or other.low < one.high)
