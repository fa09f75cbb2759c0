"""The parameters of a process group."""

from __future__ import annotations

from typing import Literal

import msgspec

from ...node import SECOND
from ..heartbeat.config import DetectorConfig


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a server.

    Attributes:
        delivery: ``safe``: a message is delivered once every member has it, so whoever was answered is never
            contradicted. ``agreed``: as soon as its place is known; then a member that is thrown out may have delivered
            what the others never will, and nothing is promised to clients.
        period_s: seconds between heartbeats, and between repetitions of what was not acknowledged.
        timeout_s: seconds without a heartbeat after which a server is deemed down.
        flush_s: seconds that whoever changes the view waits for those beyond a majority who are deemed up.
        rejoin_s: seconds between two changes that only take somebody in.
        least: members that a view has at least; 0: a majority of all servers. So many disks, less one, may be lost.
        snapshot_entries: messages that a member has delivered before it replaces them by a snapshot.
    """

    delivery: Literal["safe", "agreed"] = "safe"
    period_s: float = 0.05
    timeout_s: float = 0.3
    flush_s: float = 0.1
    rejoin_s: float = 0.2
    least: int = 0
    snapshot_entries: int = 1000

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be, alone or in a cluster of ``nodes``."""
        for name in ("period_s", "timeout_s", "flush_s", "rejoin_s"):
            if not 0.001 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0.001 to 3600 seconds")
        if self.timeout_s <= self.period_s:
            raise ValueError(f"timeout_s {self.timeout_s:g} is out of range: above the period {self.period_s:g}")
        if not 0 <= self.least <= nodes // 2 + 1:
            raise ValueError(
                f"least {self.least} is out of range: 0 to {nodes // 2 + 1}, or no view outlives a failure"
            )
        if self.snapshot_entries < 1:
            raise ValueError(f"snapshot_entries {self.snapshot_entries} is out of range: at least 1")

    @property
    def detector(self) -> DetectorConfig:
        """Of the failure detector below."""
        return DetectorConfig(
            detector="fixed", period_s=self.period_s, timeout_s=self.timeout_s, grace_s=2 * self.timeout_s
        )

    @property
    def period(self) -> int:
        """In ns."""
        return round(self.period_s * SECOND)


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a client.

    Attributes:
        operation_timeout_s: seconds after which a client gives an operation up.
        retry_s: seconds without an answer after which it asks another server.
        backoff_s: seconds before it asks another one after a server said that it does not order messages.
    """

    operation_timeout_s: float = 5.0
    retry_s: float = 0.2
    backoff_s: float = 0.01

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be."""
        for name in ("operation_timeout_s", "retry_s", "backoff_s"):
            if not 0.0001 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0.0001 to 3600 seconds")
