"""Which partition a key is in, and who has which partition at first: what clients and servers agree on beforehand."""

from __future__ import annotations

from collections.abc import Sequence

from ..hashing import hash_key
from ..modulo import join, spread
from ..ring import natural
from .messages import Owner


def partition_of(key: str, partitions: int) -> int:
    """Hash mod P, with P fixed for ever."""
    return hash_key(key) % partitions


def members_at_first(servers: Sequence[str], initial: int) -> tuple[str, ...]:
    """The servers that take part from the start."""
    return tuple(sorted(servers, key=natural)[: initial or len(servers)])


def owners_at_first(servers: Sequence[str], initial: int, partitions: int) -> tuple[Owner, ...]:
    """Partitions dealt out in turns, all in epoch 1."""
    members = members_at_first(servers, initial)
    return tuple(Owner(members[at], 1) for at in spread(partitions, len(members)).tolist())


def plan(owners: Sequence[Owner], members: Sequence[str], newcomers: Sequence[str]) -> list[tuple[int, str]]:
    """(partition, target) for each that has to move so that newcomers get their due, and no other."""
    everybody = [*members, *newcomers]
    numbers = {name: index for index, name in enumerate(everybody)}
    before = [numbers[owner.server] for owner in owners]
    after = before
    for count in range(len(members), len(everybody)):
        after = join(after, count).tolist()
    return [(at, everybody[new]) for at, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
