"""A Raft server, put together: follower, candidate, leader.

Section numbers are those of Ongaro's dissertation, "Consensus: Bridging Theory and Practice" (Stanford, 2014); figure 2
of the USENIX paper has the core's rules on one page. Log indices count from 1.

The runtime's prefix durability carries the rule "respond to RPCs only after updating stable storage": a handler writes
and answers in any order, and the answer waits for the disk. The exceptions are marked ``early`` and argued there.
"""

from __future__ import annotations

from typing import Any, ClassVar

from .core import AMNESIAC, CANDIDATE, FOLLOWER, LEADER, PRE_CANDIDATE, View, leads
from .election import Elections
from .membership import Membership
from .messages import Entry, HardState, Position, Snapshot
from .reads import Reads
from .replication import Replication
from .snapshots import Snapshots


class Server(Elections, Replication, Reads, Snapshots, Membership):
    """One server of the cluster."""

    messages: ClassVar[Any] = Elections.messages | Replication.messages | Reads.messages | Snapshots.messages
    stored: ClassVar[dict[str, Any]] = {
        "vote": HardState,
        "log": Entry,
        "snapshot": Snapshot,
        "base": Position,
        "amnesiac": bool,
    }


__all__ = ["AMNESIAC", "CANDIDATE", "FOLLOWER", "LEADER", "PRE_CANDIDATE", "Server", "View", "leads"]
