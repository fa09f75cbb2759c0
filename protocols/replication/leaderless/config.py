"""The parameters of the store, with their meaning and units."""

from __future__ import annotations

from typing import Literal

import msgspec

from ...node import SECOND
from . import levels

Conflict = Literal["lww", "vv", "dvv"]
Repair = Literal["none", "background", "blocking"]

REPLICAS = 3
"""Copies of a key, if nobody says otherwise."""


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a server.

    Attributes:
        replicas: N, copies of a key: at most as many as there are servers; one or two servers keep as many of the usual
            three as they are.
        vnodes: virtual nodes a server on the ring.
        zones: zone of each server in order of their numbers, going round, each with a server; empty: no zones.
        conflict: how conflicting writes are resolved: lww (last write wins), vv or dvv (both are kept as siblings).
        read_repair: what a read does about replicas that it found stale: none; background (tells them, waits for
            nobody); blocking (waits until those it heard from have it: what a read returned, a later one finds).
        read_from: a read asks all replicas, or only as many as it needs (quorum).
        digests: the first replica sends its item, the others a digest of theirs.
        speculate_s: seconds after which a read that asked a quorum asks another replica; 0: never.
        request_timeout_s: seconds after which a coordinator gives up, keeps hints, and suspects who did not answer.
        hints: keep writes for replicas that did not acknowledge them, and hand them over later.
        hint_window_s: seconds after which a hint is dropped; no hint outlives grace_s either.
        max_hints: that a server keeps; further ones are dropped.
        hint_interval_s: seconds between attempts to hand hints over.
        sloppy: servers beyond the replicas stand in for suspected ones, and count (Dynamo, section 4.6).
        anti_entropy_s: seconds between comparisons with a random peer; 0: never.
        tree_depth: of the Merkle trees, which have 16 ** depth leaves.
        grace_s: seconds after which a tombstone is removed (lww); 0: never.
        read_level, write_level, sessions: what clients ask for; a server only needs them to say what it promises.
    """

    replicas: int = REPLICAS
    vnodes: int = 16
    zones: tuple[str, ...] = ()
    conflict: Conflict = "lww"
    read_repair: Repair = "blocking"
    read_from: Literal["all", "quorum"] = "all"
    digests: bool = False
    speculate_s: float = 0.0
    request_timeout_s: float = 0.25
    hints: bool = True
    hint_window_s: float = 10800.0
    max_hints: int = 10_000
    hint_interval_s: float = 0.5
    sloppy: bool = False
    anti_entropy_s: float = 1.0
    tree_depth: int = 2
    grace_s: float = 864_000.0
    read_level: str = "QUORUM"
    write_level: str = "QUORUM"
    sessions: bool = False

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be, alone or in a cluster of ``nodes``."""
        check_copies(self.replicas, self.zones, nodes)
        if not 1 <= self.vnodes <= 4096:
            raise ValueError(f"vnodes {self.vnodes} is out of range: 1 to 4096")
        if not 1 <= self.tree_depth <= 5:
            raise ValueError(f"tree_depth {self.tree_depth} is out of range: 1 to 5")
        if self.max_hints < 1:
            raise ValueError(f"max_hints {self.max_hints} is out of range: at least 1")
        for name, least in (("request_timeout_s", 0.0005), ("hint_interval_s", 0.001), ("hint_window_s", 0.001)):
            if not least <= getattr(self, name) <= 1e8:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: {least:g} to 1e8 seconds")
        for name in ("speculate_s", "anti_entropy_s", "grace_s"):
            value = getattr(self, name)
            if value != 0 and not 0.0001 <= value <= 1e8:
                raise ValueError(f"{name} {value:g} is out of range: 0.0001 to 1e8 seconds, or 0 for never")
        if self.digests and self.read_from == "all" and self.read_repair == "none":
            raise ValueError("digests True does nothing here: set read_from quorum, or a read_repair")

    @property
    def request_timeout(self) -> int:
        """In ns."""
        return round(self.request_timeout_s * SECOND)

    @property
    def grace(self) -> int:
        """In ns; without end if tombstones are never removed."""
        return round(self.grace_s * SECOND) or 1 << 62

    @property
    def hint_life(self) -> int:
        """How old a hint may be when it is handed over, in ns.

        Never older than a tombstone gets: a hint that outlives the delete which followed it would bring the value back.
        """
        return min(round(self.hint_window_s * SECOND), self.grace)


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a client.

    Attributes:
        replicas, vnodes, zones, conflict: as the servers'.
        read_level, write_level: a number of replicas, or ANY (writes; a hint will do), ONE, TWO, THREE, QUORUM, ALL,
            LOCAL_ONE, LOCAL_QUORUM, EACH_QUORUM.
        sessions: carry tokens, so that this client reads its own writes and never less than it has read.
        routing: whom it asks first: random (any server), token (a replica of the key), outside (a server that is none),
            near (server number i for client number i, going round).
        grain_s: resolution of its timestamps, in seconds (lww).
        deletes: share of its writes that are deletes.
        cart: a key holds a set; a write adds its value to what the client has read (Dynamo's shopping cart, 4.4), and
            a read merges siblings by union.
        operation_timeout_s: seconds after which a client gives an operation up.
        retry_s: seconds without an answer after which it asks another server; doubles up to four times as much.
    """

    replicas: int = REPLICAS
    vnodes: int = 16
    zones: tuple[str, ...] = ()
    conflict: Conflict = "lww"
    read_level: str = "QUORUM"
    write_level: str = "QUORUM"
    sessions: bool = False
    routing: Literal["random", "token", "outside", "near"] = "random"
    grain_s: float = 1e-6
    deletes: float = 0.0
    cart: bool = False
    operation_timeout_s: float = 5.0
    retry_s: float = 0.3

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be, alone or in a cluster of ``nodes``."""
        check_copies(self.replicas, self.zones, nodes)
        n = min(self.replicas, nodes)
        for what in ("read_level", "write_level"):
            level = getattr(self, what)
            levels.check(level, n, what)
            if level.startswith(("LOCAL_", "EACH_")) and not self.zones:
                raise ValueError(f"{what} {level} needs zones: set zones=a,b,c")
        for name in ("operation_timeout_s", "retry_s"):
            if not 0.0001 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0.0001 to 3600 seconds")
        if not 0 <= self.grain_s <= 3600:
            raise ValueError(f"grain_s {self.grain_s:g} is out of range: 0 to 3600 seconds")
        if not 0 <= self.deletes <= 1:
            raise ValueError(f"deletes {self.deletes:g} is out of range: a share from 0 to 1")
        if self.sessions and self.conflict != "lww":
            raise ValueError("sessions True needs conflict lww: tokens are timestamps")
        if self.routing == "outside" and nodes <= n:
            raise ValueError(f"routing outside needs a server that is no replica: more than {n} servers")


def check_copies(replicas: int, zones: tuple[str, ...], nodes: int) -> None:
    """Raise ``ValueError`` with one sentence if ``nodes`` servers cannot keep so many copies, or be in all zones.

    The default of three copies is taken by smaller clusters, too, so that they need no parameter; more was asked for.
    """
    if not 1 <= replicas <= max(nodes, REPLICAS):
        raise ValueError(f"replicas {replicas} is out of range: 1 to the servers, {nodes}")
    if len(set(zones)) > nodes:
        raise ValueError(f"zones {','.join(zones)} is out of range: at most a zone for each of the servers, {nodes}")
