"""Which group has a key, and which servers have a group: known to all, and never changed."""

from __future__ import annotations

from collections.abc import Sequence

from ..hashing import hash_key
from ..ring import natural


def group_of(key: str, groups: int) -> int:
    """Hash mod the number of groups."""
    return hash_key(key) % groups


def members_of(group: int, servers: Sequence[str], replicas: int) -> tuple[str, ...]:
    """The servers of a group, the one that should lead it first; groups are dealt out in turns.

    >>> members_of(2, ("n1", "n2", "n3", "n4"), 3)
    ('n3', 'n4', 'n1')
    """
    order = sorted(servers, key=natural)
    return tuple(order[(group + turn) % len(order)] for turn in range(min(replicas, len(order))))


def name_of(group: int) -> str:
    """Of the child that a server or a client has for a group."""
    return f"g{group}"
