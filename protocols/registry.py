"""The protocols that exist, by name: registered once, one gets the command line and the conformance battery."""

from __future__ import annotations

import importlib

from .family import Family

MODULES: dict[str, str] = {
    "raft": "protocols.consensus.raft",
    "null": "protocols.null",
    "leaderless": "protocols.replication.leaderless",
    "abd": "protocols.replication.abd",
    "partitioned": "protocols.partitioning.store",
    "replicated": "protocols.partitioning.replicated",
    "indexed": "protocols.partitioning.indexed",
    "swim": "protocols.membership.swim",
    "gossip": "protocols.gossip",
    "heartbeat": "protocols.membership.heartbeat",
    "lease": "protocols.membership.lease",
    "splitbrain": "protocols.membership.splitbrain",
    "views": "protocols.membership.views",
}


def load(name: str) -> Family:
    """The family of that name.

    Raises:
        KeyError: there is none.
    """
    family = importlib.import_module(MODULES[name]).family
    assert isinstance(family, Family)
    return family
