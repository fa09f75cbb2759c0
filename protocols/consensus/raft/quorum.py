"""Raft's arithmetic, apart from its state."""

from __future__ import annotations

from collections.abc import Iterable


def majority(n: int) -> int:
    """The smallest number of n servers any two sets of which intersect.

    >>> [majority(n) for n in (1, 2, 3, 4, 5)]
    [1, 2, 2, 3, 3]
    """
    return n // 2 + 1


def quorum_index(values: Iterable[int], n: int) -> int:
    """The largest value that a majority of n servers has reached; ``values`` holds one number a server.

    >>> quorum_index([5, 3, 9], 3)
    5
    """
    return sorted(values)[n - majority(n)]


def up_to_date(last_term: int, last_index: int, my_term: int, my_index: int) -> bool:
    """Whether a log that ends at (last_term, last_index) is at least as up to date as mine (section 5.4.1)."""
    return (last_term, last_index) >= (my_term, my_index)


def default_heartbeat(election_timeout_min_s: float) -> float:
    """Half the minimum election timeout, as in the dissertation's measurements (section 9.3), in seconds."""
    return election_timeout_min_s / 2
