"""Which side of a partition survives: pure functions of who is reachable.

The strategies are those of Akka's split brain resolver (*Split Brain Resolver*, Akka documentation); keeping to a
majority is older (S. Davidson, H. Garcia-Molina, D. Skeen: *Consistency in partitioned networks*, ACM Computing
Surveys 17(3), 1985, section 3.3). Of sides that do not intersect at most one survives, if they count from the same
membership; that is all a strategy can promise, for sides that overlap and members that are slow it promises nothing.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Literal

Strategy = Literal["none", "static-quorum", "keep-majority", "keep-oldest", "keep-referee", "lease-majority"]


def survives(strategy: Strategy, side: Set[str], members: Set[str], *, quorum: int, oldest: str, referee: str) -> bool:
    """Whether those who can reach each other go on.

    Args:
        strategy: ``none``: every side goes on. ``static-quorum``: with ``quorum`` members. ``keep-majority``: with more
            than half of the members, or half and the first by name. ``keep-oldest``: with the oldest, unless that is
            alone among several; then all others together. ``keep-referee``: with the referee. ``lease-majority``:
            with those who can grant a lease, which decides.
        side: members that are reachable, oneself included if one is a member.
        members: all members of the last membership known.
        quorum: for ``static-quorum``, and the majority of the grantors.
        oldest, referee: names.
    """
    side = side & members
    if strategy == "static-quorum":
        return len(side) >= quorum
    if strategy == "keep-majority":
        return 2 * len(side) > len(members) or (2 * len(side) == len(members) and min(members) in side)
    if strategy == "keep-oldest":
        if len(members) > 1 and side == {oldest}:
            return False
        return oldest in side or (len(members) > 1 and side == members - {oldest})
    if strategy == "keep-referee":
        return referee in side
    if strategy == "lease-majority":
        return len(side) >= quorum
    return True
