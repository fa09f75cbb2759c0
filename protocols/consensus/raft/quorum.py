"""Raft's arithmetic, apart from its state."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from .messages import Members


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


def agreed(reached: Mapping[str, int], members: Members) -> int:
    """The largest value that a quorum has reached: a majority of the voters, and while voters go, one of those too.

    Servers that do not vote do not count, whatever they have reached: learners, and a leader that removes itself.

    >>> agreed({"a": 5, "b": 3, "c": 9, "d": 9}, Members(("a", "b", "c")))
    5
    >>> agreed({"a": 5, "b": 3, "c": 9, "d": 9}, Members(("a", "c", "d"), outgoing=("a", "b", "c")))
    5
    """
    voters, outgoing = members.voters, members.outgoing
    index = quorum_index([reached.get(server, 0) for server in voters], len(voters))
    if outgoing:
        # Two majorities of different sets need not meet; each of the joint decision's parts meets its own (4.3).
        index = min(index, quorum_index([reached.get(server, 0) for server in outgoing], len(outgoing)))
    return index


def decides(servers: Container[str], members: Members) -> bool:
    """Whether these servers are a quorum: of the voters, and while voters go, of those too.

    >>> decides({"a", "b"}, Members(("a", "b", "c"))), decides({"a", "b"}, Members(("a", "b"), outgoing=("c", "d")))
    (True, False)
    """
    for group in (members.voters, members.outgoing):
        if group and sum(server in servers for server in group) < majority(len(group)):
            return False
    return True


def up_to_date(last_term: int, last_index: int, my_term: int, my_index: int) -> bool:
    """Whether a log that ends at (last_term, last_index) is at least as up to date as mine (section 3.6.1)."""
    return (last_term, last_index) >= (my_term, my_index)


def default_heartbeat(election_timeout_min_s: float) -> float:
    """Half the minimum election timeout, as in the dissertation's measurements (section 9.3), in seconds."""
    return election_timeout_min_s / 2


def lease(election_timeout_min: int, drift_bound: float) -> int:
    """How long, on a leader's own clock, no other can be elected after it sent what a quorum then answered (6.4.1).

    A voter waits the minimum election timeout on its clock, which may run fast, and the leader's may run slow.

    Args:
        election_timeout_min: ns.
        drift_bound: largest rate by which a clock runs off true time, as a fraction.

    >>> lease(1_000_000, 0.0), lease(1_000_000, 0.01)
    (1000000, 980198)
    """
    return int(election_timeout_min * (1 - drift_bound) / (1 + drift_bound))
