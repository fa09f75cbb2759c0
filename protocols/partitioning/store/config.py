"""The parameters of the partitioned store, with their meaning and units."""

from __future__ import annotations

from typing import Literal

import msgspec

from ...node import SECOND


class StoreConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a server.

    Attributes:
        partitions: how many there are; a key never changes its own (hash mod P).
        initial: servers that take part from the start, in order of name; 0: all. Others are idle until they join.
        move_every_s: seconds between moves that serve no purpose but to move; 0: none.
        join_at_s: seconds after which the idle servers join, and get their due; 0: never, unless the operator says so.
        moves: that are under way at once, at most.
        chunk: pairs a message of a move.
        pause_s: seconds a source waits after a chunk that is acknowledged: the throttle.
        catch_up: pairs changed meanwhile that may be left when the partition is fenced.
        retry_s: seconds without an answer after which a message of a move is sent again.
    """

    partitions: int = 64
    initial: int = 0
    move_every_s: float = 0.0
    join_at_s: float = 0.0
    moves: int = 2
    chunk: int = 64
    pause_s: float = 0.0
    catch_up: int = 16
    retry_s: float = 0.2

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be, alone or in a cluster of ``nodes``."""
        if not 0 <= self.initial <= nodes:
            raise ValueError(f"initial {self.initial} is out of range: 1 to the servers, {nodes}, or 0 for all")
        if not nodes <= self.partitions <= 65536:
            raise ValueError(f"partitions {self.partitions} is out of range: the number of servers, {nodes}, to 65536")
        for name in ("moves", "chunk"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)} is out of range: at least 1")
        if self.catch_up < 0:
            raise ValueError(f"catch_up {self.catch_up} is out of range: at least 0")
        for name in ("move_every_s", "join_at_s", "pause_s"):
            if not 0 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0 to 3600 seconds")
        if not 0.001 <= self.retry_s <= 3600:
            raise ValueError(f"retry_s {self.retry_s:g} is out of range: 0.001 to 3600 seconds")

    @property
    def retry(self) -> int:
        """In ns."""
        return round(self.retry_s * SECOND)


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a client.

    Attributes:
        routing: whom it asks. ``client``: whoever has the partition by its own table. ``any``: any server, which passes
            the operation on. ``proxy``: always the same one, which does.
        partitions, initial: as the servers', for the table that it begins with.
        operation_timeout_s: seconds after which a client gives an operation up.
        ask_again_s: seconds without an answer after which it asks again.
        backoff_s: seconds (with jitter) before it asks again for a partition that is between two owners.
    """

    routing: Literal["client", "any", "proxy"] = "client"
    partitions: int = 64
    initial: int = 0
    operation_timeout_s: float = 5.0
    ask_again_s: float = 0.2
    backoff_s: float = 0.005

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be."""
        if self.routing not in ("client", "any", "proxy"):
            raise ValueError(f"routing {self.routing!r} is unknown: client, any or proxy")
        for name in ("operation_timeout_s", "ask_again_s", "backoff_s"):
            if not 0.0001 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0.0001 to 3600 seconds")
