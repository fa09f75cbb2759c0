"""The parameters of Raft, with their meaning and units."""

from __future__ import annotations

import msgspec

from ...node import SECOND
from .quorum import default_heartbeat


class RaftConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a server.

    Attributes:
        election_timeout_s: range in seconds from which each election timeout is drawn uniformly.
        heartbeat_s: seconds between a leader's heartbeats; 0 takes half the minimum election timeout.
        pre_vote: ask before raising the term whether an election could be won (section 9.6).
        check_quorum: a leader that hears from no majority for an election timeout steps down (section 6.2).
        max_entries: entries a message at most.
        max_in_flight: entries sent to a follower beyond what it has acknowledged, at most.
    """

    election_timeout_s: tuple[float, float] = (0.15, 0.3)
    heartbeat_s: float = 0.0
    pre_vote: bool = True
    check_quorum: bool = True
    max_entries: int = 256
    max_in_flight: int = 4096

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be, alone or in a cluster of ``nodes``."""
        low, high = self.election_timeout_s
        if not 0.001 <= low <= high <= 3600:
            raise ValueError(
                f"election_timeout_s {low:g}..{high:g} is out of range: 0.001 <= minimum <= maximum <= 3600 seconds"
            )
        if self.heartbeat_s and not 0.0005 <= self.heartbeat_s < low:
            raise ValueError(
                f"heartbeat_s {self.heartbeat_s:g} is out of range: at least 0.0005 and below the minimum election "
                f"timeout {low:g}, or followers stand for election between two heartbeats"
            )
        if self.max_entries < 1:
            raise ValueError(f"max_entries {self.max_entries} is out of range: at least 1")
        if self.max_in_flight < self.max_entries:
            raise ValueError(f"max_in_flight {self.max_in_flight} is out of range: at least max_entries")

    @property
    def heartbeat(self) -> int:
        """Heartbeat interval in ns."""
        return round((self.heartbeat_s or default_heartbeat(self.election_timeout_s[0])) * SECOND)

    @property
    def election_timeout(self) -> tuple[int, int]:
        """Range of the election timeout in ns."""
        low, high = self.election_timeout_s
        return round(low * SECOND), round(high * SECOND)


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a client.

    Attributes:
        operation_timeout_s: seconds after which a client gives an operation up.
        retry_s: seconds without an answer after which it asks another server; doubles up to eight times as much.
        backoff_s: seconds (with jitter) before it asks again after a server without a leader refused.
    """

    operation_timeout_s: float = 5.0
    retry_s: float = 0.2
    backoff_s: float = 0.01

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be."""
        for name in ("operation_timeout_s", "retry_s", "backoff_s"):
            if not 0.0001 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0.0001 to 3600 seconds")
