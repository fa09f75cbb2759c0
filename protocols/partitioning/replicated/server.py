"""A server of the store of Raft groups: a Raft server for each of its groups, on one disk and one connection a peer.

Composition does the work: groups are children, which share the server's turns, so that what several of them write is
synced together (as CockroachDB's and TiKV's stores do for their ranges).
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from ...consensus.raft import Server as RaftServer
from ...consensus.raft import View as RaftView
from ...node import SECOND, Context, Drain, Durable, Node, on, on_admin, on_timer
from .config import ServerConfig
from .placing import members_of, name_of


class Ready(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Whether who sends this would lead groups; not while it is drained. Said again at every look."""

    leads: bool


class View(msgspec.Struct):
    """What invariants and reports see: the view of each group that the server has, by its number."""

    groups: dict[int, RaftView]


class Server(Node):
    """Marks: those of Raft, each with its group before it (``g3/elected``)."""

    messages: ClassVar[Any] = Ready

    config: ServerConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """Each group finds its own log on the disk."""
        self.groups: dict[int, tuple[Context, RaftServer]] = {}
        self.first: dict[int, str] = {}
        self.ready: dict[str, bool] = {}
        self.draining = False
        for group in range(self.config.groups):
            members = members_of(group, ctx.bootstrap, self.config.replicas)
            if ctx.id in members:
                server = RaftServer(self.config.raft)
                # Raft's members are a set; sorted, all servers name them alike.
                self.groups[group] = (ctx.child(name_of(group), server, tuple(sorted(members))), server)
                self.first[group] = members[0]
        if self.config.settle_s:
            ctx.set_timer("settle", round(self.config.settle_s * SECOND))

    def inspect(self) -> View:
        """For invariants and reports."""
        return View({group: server.inspect() for group, (_, server) in self.groups.items()})

    @on_timer("settle")
    def settle(self, ctx: Context, key: Any) -> None:
        """Whoever should lead a group is handed the lead, if it is well (as CockroachDB's lease preferences)."""
        ctx.set_timer("settle", round(self.config.settle_s * SECOND))
        ctx.broadcast(Ready(not self.draining))
        for group, (child, server) in self.groups.items():
            if self.ready.get(self.first[group], False):
                server.prefer(child, self.first[group])

    @on(Ready)
    def heard(self, ctx: Context, source: str, message: Ready) -> None:
        """Else the next look would hand the lead back to a server that is about to stop."""
        self.ready[source] = message.leads

    @on_admin(Drain)
    def drain(self, ctx: Context, request: Drain) -> None:
        """The operator will stop us: every group that we lead gets another leader first."""
        self.draining = True
        ctx.broadcast(Ready(leads=False))
        for child, server in self.groups.values():
            server.drain(child, request)
