"""A client of the store of Raft groups: a Raft client for each group that it has asked."""

from __future__ import annotations

from ...consensus.raft import Client as RaftClient
from ...node import Context, Durable, Node, on_request
from ...requests import Cas, Read, Write
from .config import ClientConfig
from .placing import group_of, members_of, name_of


class Client(Node):
    """Each group's client knows its leader, and has sessions of its own: a session is of one state machine."""

    config: ClientConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """Nobody has been asked yet."""
        self.groups: dict[int, tuple[Context, RaftClient]] = {}

    @on_request(Read, Write, Cas)
    def request(self, ctx: Context, operation: int, request: Read | Write | Cas) -> None:
        """Of the group that has the key."""
        group = group_of(request.key, self.config.groups)
        if group not in self.groups:
            client = RaftClient(self.config.raft)
            members = members_of(group, ctx.bootstrap, self.config.replicas)
            self.groups[group] = (ctx.child(name_of(group), client, tuple(sorted(members))), client)
        child, client = self.groups[group]
        client.request(child, operation, request)
