"""A client: it knows who has what, or believes to; who is asked in vain tells it better."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from ...node import SECOND, Context, Durable, Fail, Node, Ok, on, on_request, on_timer
from ...requests import Cas, Read, Write
from ..ring import natural
from .config import ClientConfig
from .messages import Ask, Done, Elsewhere, Entry
from .placing import entries_at_first, position
from .table import Table

HOPS = 4
"""How often an operation is passed on from server to server, at most."""


class Client(Node):
    """Each operation under way has a session of its own, so that a command asked twice is carried out once."""

    messages: ClassVar[Any] = Done | Elsewhere

    config: ClientConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """It remembers nothing: its table is that of the first day, until somebody tells it better."""
        self.servers = tuple(sorted(ctx.bootstrap, key=natural))
        config = self.config
        self.table = Table(entries_at_first(self.servers, config.initial, config.partitions, config.placement))
        self.proxy = self.servers[ctx.rng.randrange(len(self.servers))]
        self.pending: dict[int, Ask] = {}
        self.idle: list[str] = []
        self.sequences: dict[str, int] = {}

    # --- asking ------------------------------------------------------------------------------------------------------

    @on_request(Read, Write, Cas)
    def request(self, ctx: Context, operation: int, request: Read | Write | Cas) -> None:
        """Ask whoever should know."""
        session = "" if type(request) is Read else self._session(ctx)
        sequence = self.sequences.get(session, 0)
        self.pending[operation] = Ask(operation, ctx.id, session, sequence, 0, 0, 0, request)
        ctx.set_timer("give_up", round(self.config.operation_timeout_s * SECOND), operation)
        self._try(ctx, operation)

    def _session(self, ctx: Context) -> str:
        session = self.idle.pop() if self.idle else f"{ctx.id}.{ctx.rng.getrandbits(64):016x}"
        self.sequences[session] = self.sequences.get(session, 0) + 1
        return session

    def _try(self, ctx: Context, operation: int) -> None:
        ask = self.pending[operation]
        config = self.config
        server, hops, partition, epoch = self.proxy, HOPS, 0, 0
        if config.routing == "any":
            server = self.servers[ctx.rng.randrange(len(self.servers))]
        elif config.routing == "client":
            known = self.table.find(position(ask.request.key, config.placement, config.partitions))
            server, hops, partition, epoch = known.server, 0, known.partition, known.epoch
        ctx.attempt(operation)
        ctx.send(server, msgspec.structs.replace(ask, partition=partition, epoch=epoch, hops=hops))
        ctx.set_timer("again", round(self.config.ask_again_s * SECOND), operation)

    # --- answers -----------------------------------------------------------------------------------------------------

    @on(Done)
    def done(self, ctx: Context, source: str, message: Done) -> None:
        """It took effect once, however often it was asked for."""
        ask = self.pending.pop(message.operation, None)
        if message.entry is not None:
            self._learn(message.entry)
        if ask is None:
            return
        if ask.session:
            self.idle.append(ask.session)
        ctx.cancel_timer("again", message.operation)
        ctx.cancel_timer("give_up", message.operation)
        ctx.reply(message.operation, Ok(message.found))

    @on(Elsewhere)
    def elsewhere(self, ctx: Context, source: str, message: Elsewhere) -> None:
        """Ask there at once, if that is news; else in a moment, when the move may be over."""
        if message.operation not in self.pending:
            return
        if message.entry is not None and self._learn(message.entry):
            self._try(ctx, message.operation)
            return
        backoff = self.config.backoff_s * (1 + ctx.rng.random())
        ctx.set_timer("again", round(backoff * SECOND), message.operation)

    def _learn(self, entry: Entry) -> bool:
        """Whether it is news."""
        return self.table.learn(entry)

    # --- no answer ---------------------------------------------------------------------------------------------------

    @on_timer("again")
    def again(self, ctx: Context, operation: int) -> None:
        """Lost, or its owner is down, or between two owners."""
        if operation in self.pending:
            self._try(ctx, operation)

    @on_timer("give_up")
    def give_up(self, ctx: Context, operation: int) -> None:
        """Too long. Its session is abandoned with it, for the command may still be carried out."""
        ask = self.pending.pop(operation)
        self.sequences.pop(ask.session, None)
        ctx.cancel_timer("again", operation)
        ctx.reply(operation, Fail("no answer in time"))
