"""The parameters of the partitioned store, with their meaning and units."""

from __future__ import annotations

from typing import Literal

import msgspec

from ...node import SECOND

Placement = Literal["modulo", "hash", "range"]


class StoreConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a server.

    Attributes:
        placement: ``modulo``: a key never changes its partition, the hash mod P. ``hash``: partitions are ranges of
            hashes, equal at first. ``range``: of keys, and there is one at first.
        partitions: how many there are at first (``range``: no matter).
        initial: servers that take part from the start, in order of name; 0: all. Others are idle until they join.
        move_every_s: seconds between moves that serve no purpose but to move; 0: none.
        join_at_s: seconds after which the idle servers join, and get their due; 0: never, unless the operator says so.
        moves: that are under way at once, at most.
        chunk: pairs a message of a move.
        pause_s: seconds a source waits after a chunk that is acknowledged: the throttle.
        catch_up: pairs changed meanwhile that may be left when the partition is fenced; more if it never gets so far.
        retry_s: seconds without an answer after which a message of a move is sent again.
        report_s: seconds between the servers' reports, after each of which the coordinator decides; 0: none, and so
            nothing of what follows. Partitions of ``modulo`` are neither split nor merged.
        split_keys: a partition with more keys is split in their middle; 0: none is for its size.
        split_rate: one with more operations a second is split in the middle of these; 0: none is for its load.
        merge_keys, merge_rate: neighbours that together have at most as many keys, and, with ``split_rate``, operations
            a second, are merged; 0 keys: none are. At most half of what is split.
        even: what all servers should have as much of: ``keys`` or ``rate``; empty: no matter.
        per_node: partitions that a server should have: one with fewer gets halves of others' (0: no matter).
        reshape_every_s: seconds between splits and merges that serve no purpose but to split and merge; 0: none.
    """

    placement: Placement = "modulo"
    partitions: int = 64
    initial: int = 0
    move_every_s: float = 0.0
    join_at_s: float = 0.0
    moves: int = 2
    chunk: int = 64
    pause_s: float = 0.0
    catch_up: int = 16
    retry_s: float = 0.2
    report_s: float = 0.0
    split_keys: int = 0
    split_rate: float = 0.0
    merge_keys: int = 0
    merge_rate: float = 0.0
    even: Literal["", "keys", "rate"] = ""
    per_node: int = 0
    reshape_every_s: float = 0.0

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be, alone or in a cluster of ``nodes``."""
        if not 0 <= self.initial <= nodes:
            raise ValueError(f"initial {self.initial} is out of range: 1 to the servers, {nodes}, or 0 for all")
        if self.placement not in ("modulo", "hash", "range"):
            raise ValueError(f"placement {self.placement!r} is unknown: modulo, hash or range")
        if self.placement != "range" and not nodes <= self.partitions <= 65536:
            raise ValueError(f"partitions {self.partitions} is out of range: the number of servers, {nodes}, to 65536")
        for name in ("moves", "chunk"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)} is out of range: at least 1")
        if self.catch_up < 0:
            raise ValueError(f"catch_up {self.catch_up} is out of range: at least 0")
        for name in ("move_every_s", "join_at_s", "pause_s", "report_s", "reshape_every_s"):
            if not 0 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0 to 3600 seconds")
        if 0 < self.report_s < 0.001:
            raise ValueError(f"report_s {self.report_s:g} is out of range: at least 0.001 seconds, or 0 for none")
        self._validate_shaping()
        if not 0.001 <= self.retry_s <= 3600:
            raise ValueError(f"retry_s {self.retry_s:g} is out of range: 0.001 to 3600 seconds")

    def _validate_shaping(self) -> None:
        for name in ("split_keys", "merge_keys", "split_rate", "merge_rate", "per_node"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: at least 0")
        for merge, split in (("merge_keys", "split_keys"), ("merge_rate", "split_rate")):
            if getattr(self, split) and 2 * getattr(self, merge) > getattr(self, split):
                raise ValueError(
                    f"{merge} {getattr(self, merge):g} is out of range: at most half of {split}, "
                    f"{getattr(self, split):g}, or what was merged is split again"
                )
        if self.merge_rate and not (self.merge_keys and self.split_rate):
            raise ValueError(
                f"merge_rate {self.merge_rate:g} needs merge_keys and split_rate above 0: merged is what has few keys "
                "and is seldom asked for"
            )
        if self.even not in ("", "keys", "rate"):
            raise ValueError(f"even {self.even!r} is unknown: keys, rate, or empty")
        shaping = {
            name: getattr(self, name)
            for name in ("split_keys", "split_rate", "merge_keys", "per_node", "reshape_every_s")
            if getattr(self, name)
        }
        for name, value in shaping.items():
            if self.placement == "modulo":
                raise ValueError(
                    f"{name} {value:g} needs placement hash or range: modulo has a fixed number of partitions"
                )
        for name in (*shaping, *(("even",) if self.even else ())):
            if not self.report_s:
                raise ValueError(f"{name} needs report_s above 0: nothing is decided without reports")

    @property
    def retry(self) -> int:
        """In ns."""
        return round(self.retry_s * SECOND)


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a client.

    Attributes:
        routing: whom it asks. ``client``: whoever has the partition by its own table. ``any``: any server, which passes
            the operation on. ``proxy``: always the same one, which does.
        placement, partitions, initial: as the servers', for the table that it begins with.
        operation_timeout_s: seconds after which a client gives an operation up.
        ask_again_s: seconds without an answer after which it asks again.
        backoff_s: seconds (with jitter) before it asks again for a partition that is between two owners.
    """

    routing: Literal["client", "any", "proxy"] = "client"
    placement: Placement = "modulo"
    partitions: int = 64
    initial: int = 0
    operation_timeout_s: float = 5.0
    ask_again_s: float = 0.2
    backoff_s: float = 0.005

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be."""
        if self.routing not in ("client", "any", "proxy"):
            raise ValueError(f"routing {self.routing!r} is unknown: client, any or proxy")
        if self.placement not in ("modulo", "hash", "range"):
            raise ValueError(f"placement {self.placement!r} is unknown: modulo, hash or range")
        for name in ("operation_timeout_s", "ask_again_s", "backoff_s"):
            if not 0.0001 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0.0001 to 3600 seconds")
