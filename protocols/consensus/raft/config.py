"""The parameters of Raft, with their meaning and units."""

from __future__ import annotations

from typing import Literal

import msgspec

from ...node import SECOND
from .quorum import default_heartbeat

ReadMode = Literal["index", "lease", "follower", "log"]


class RaftConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a server.

    Attributes:
        election_timeout_s: range in seconds from which each election timeout is drawn uniformly.
        heartbeat_s: seconds between a leader's heartbeats; 0 takes half the minimum election timeout.
        pre_vote: ask before raising the term whether an election could be won (section 9.6).
        check_quorum: a leader that hears from no majority for an election timeout steps down (section 6.2).
        max_entries: entries a message at most.
        max_in_flight: entries sent to a follower beyond what it has acknowledged, at most.
        reads: how reads are answered: ``index``: the leader asks a majority whether it still leads (section 6.4);
            ``lease``: it relies on their promise not to elect another for a while (6.4.1), and on clocks; ``follower``:
            any server, after asking the leader for an index; ``log``: like a write.
        drift_bound_ppm: for leases: how far a clock's rate may be off, in millionths.
        heed_disconnects: a follower whose stream to its leader broke asks at once whether it could be elected, not
            after an election timeout. Not of the dissertation; see :meth:`.election.Elections.disconnected`.
        sticky: vote for nobody while a leader is heard from, PreVote or not (section 4.2.3); leases imply it.
        snapshot_entries: entries applied since the last snapshot after which the next is taken.
        snapshot_trailing: entries before a snapshot that stay in the log for followers that are a little behind.
        snapshot_chunk: bytes of a snapshot a message.
        membership_change: ``single``: one server after the other (section 4.1); ``joint``: all at once (4.3).
        initial_servers: how many of the servers are members at first, in order of name; 0: all.
        max_sessions: sessions remembered at most; the one that was not used for longest expires (section 6.3), and its
            commands are refused. 0: all are remembered for ever, and a session need not be opened.
    """

    election_timeout_s: tuple[float, float] = (0.15, 0.3)
    heartbeat_s: float = 0.0
    pre_vote: bool = True
    check_quorum: bool = True
    max_entries: int = 256
    max_in_flight: int = 4096
    reads: ReadMode = "index"
    drift_bound_ppm: float = 1000.0
    heed_disconnects: bool = False
    sticky: bool = False
    snapshot_entries: int = 10_000
    snapshot_trailing: int = 1000
    snapshot_chunk: int = 65_536
    membership_change: Literal["single", "joint"] = "joint"
    initial_servers: int = 0
    max_sessions: int = 0

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
        if not 0 <= self.drift_bound_ppm <= 500_000:
            raise ValueError(f"drift_bound_ppm {self.drift_bound_ppm:g} is out of range: 0 to 500000")
        if self.bound and not self.check_quorum:
            raise ValueError(
                "sticky and reads=lease need check_quorum: else a leader that hears nobody leads on for ever"
            )
        if self.heed_disconnects and (self.bound or not self.pre_vote):
            raise ValueError(
                "heed_disconnects needs pre_vote, or one broken stream deposes a leader that is alive; and sticky and "
                "reads=lease promise to wait for the leader, so they do not go with it"
            )
        if self.snapshot_entries < 1:
            raise ValueError(f"snapshot_entries {self.snapshot_entries} is out of range: at least 1")
        if not self.snapshot_trailing >= 0:
            raise ValueError(f"snapshot_trailing {self.snapshot_trailing} is out of range: at least 0")
        if self.snapshot_chunk < 1:
            raise ValueError(f"snapshot_chunk {self.snapshot_chunk} is out of range: at least 1 byte")
        if self.max_sessions < 0:
            raise ValueError(f"max_sessions {self.max_sessions} is out of range: at least 1, or 0 (no bound)")
        if not 0 <= self.initial_servers <= nodes:
            raise ValueError(f"initial_servers {self.initial_servers} is out of range: 0 (all) to {nodes}, the servers")

    @property
    def bound(self) -> bool:
        """Whether a server that has heard from a leader votes for nobody for a while."""
        return self.sticky or self.reads == "lease"

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
        reads: as the servers'; with ``follower`` a client reads from the server that answers fastest, whoever leads.
        max_sessions: as the servers'; if there is a bound, a client opens a session before it uses it.
    """

    operation_timeout_s: float = 5.0
    retry_s: float = 0.2
    backoff_s: float = 0.01
    reads: ReadMode = "index"
    max_sessions: int = 0

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be."""
        for name in ("operation_timeout_s", "retry_s", "backoff_s"):
            if not 0.0001 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0.0001 to 3600 seconds")
        if self.max_sessions < 0:
            raise ValueError(f"max_sessions {self.max_sessions} is out of range: at least 1, or 0 (no bound)")
