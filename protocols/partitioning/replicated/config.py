"""The parameters of a store whose partitions are Raft groups."""

from __future__ import annotations

from typing import Literal

import msgspec

from ...consensus.raft import ClientConfig as RaftClientConfig
from ...consensus.raft import RaftConfig

ReadMode = Literal["index", "lease", "follower", "log"]

REPLICAS = 3
"""Servers a group, if nobody says otherwise."""


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a server.

    Attributes:
        groups: partitions, each a Raft group of its own; a key never changes its own (hash mod ``groups``).
        replicas: servers a group: at most as many as there are, and 9; of one or two servers the usual three are all.
        settle_s: seconds between two looks at whether a group that is led here has another first server, which is then
            handed the lead, so that leads are spread as evenly as groups; 0: leads stay where elections leave them.
        election_timeout_s, heartbeat_s, pre_vote, reads, snapshot_entries: of every group, as Raft's.
    """

    groups: int = 8
    replicas: int = REPLICAS
    settle_s: float = 0.5
    election_timeout_s: tuple[float, float] = (0.15, 0.3)
    heartbeat_s: float = 0.0
    pre_vote: bool = True
    reads: ReadMode = "index"
    snapshot_entries: int = 10_000

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be, alone or in a cluster of ``nodes``."""
        if not 1 <= self.groups <= 1024:
            raise ValueError(f"groups {self.groups} is out of range: 1 to 1024")
        if not 1 <= self.replicas <= min(9, max(nodes, REPLICAS)):
            raise ValueError(f"replicas {self.replicas} is out of range: 1 to the servers, {nodes}, and to 9")
        if not 0 <= self.settle_s <= 3600:
            raise ValueError(f"settle_s {self.settle_s:g} is out of range: 0 to 3600 seconds")
        self.raft.validate(min(self.replicas, nodes))

    @property
    def raft(self) -> RaftConfig:
        """Of every group."""
        return RaftConfig(
            election_timeout_s=self.election_timeout_s,
            heartbeat_s=self.heartbeat_s,
            pre_vote=self.pre_vote,
            reads=self.reads,
            snapshot_entries=self.snapshot_entries,
            snapshot_trailing=min(1000, self.snapshot_entries),
        )


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a client.

    Attributes:
        groups, replicas, reads: as the servers'.
        operation_timeout_s, retry_s, backoff_s: as of Raft's client.
    """

    groups: int = 8
    replicas: int = REPLICAS
    reads: ReadMode = "index"
    operation_timeout_s: float = 5.0
    retry_s: float = 0.2
    backoff_s: float = 0.01

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be."""
        self.raft.validate(nodes)

    @property
    def raft(self) -> RaftClientConfig:
        """Of every group."""
        return RaftClientConfig(
            operation_timeout_s=self.operation_timeout_s,
            retry_s=self.retry_s,
            backoff_s=self.backoff_s,
            reads=self.reads,
        )
