"""Both roles."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from protocols.node import SECOND, Context, Durable, Fail, Node, Ok, on, on_request, on_timer
from protocols.requests import Cas, Read, Write


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server has no parameters."""

    def validate(self, nodes: int) -> None:
        """There is nothing that could be wrong."""


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a client.

    Attributes:
        patience_s: seconds after which a client gives up.
    """

    patience_s: float = 1.0

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` if it cannot be."""
        if not 0 < self.patience_s <= 3600:
            raise ValueError(f"patience_s {self.patience_s:g} is out of range: above 0, to 3600 seconds")


class Ask(msgspec.Struct, frozen=True, tag=True):
    """A client asks the primary."""

    operation: int
    request: Read | Write | Cas


class Answer(msgspec.Struct, frozen=True, tag=True):
    """The primary answers."""

    operation: int
    result: bytes | None


class Server(Node):
    """The first server is the primary; the others only hold its place."""

    messages: ClassVar[Any] = Ask
    stored: ClassVar[dict[str, Any]] = {"data": tuple[tuple[str, bytes], ...], "done:": tuple[bytes, ...]}

    def start(self, ctx: Context, durable: Durable) -> None:
        """With what was written."""
        self.data: tuple[tuple[str, bytes], ...] = durable.get("data", ())
        self.amnesiac = durable.lost or bool(durable.corrupt)

    @on(Ask)
    def ask(self, ctx: Context, source: str, message: Ask) -> None:
        """Do it, and answer once it is on disk."""
        if self.amnesiac:
            return
        request = message.request
        done = ctx.read(f"done:{message.operation}")
        if done is not None:  # the network delivers it a second time
            ctx.send(source, Answer(message.operation, done[0] if done else None))
            return
        found = dict(self.data).get(request.key)
        if type(request) is Write or (type(request) is Cas and found == request.expected):
            rest = tuple(pair for pair in self.data if pair[0] != request.key)
            self.data = (*rest, (request.key, request.value))
            ctx.persist("data", self.data)
            ctx.persist(f"done:{message.operation}", () if found is None else (found,))
        ctx.send(source, Answer(message.operation, found))


class Client(Node):
    """Asks the primary once."""

    messages: ClassVar[Any] = Answer

    config: ClientConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """Nothing is under way."""
        self.waiting: dict[int, bool] = {}

    @on_request(Read, Write, Cas)
    def request(self, ctx: Context, operation: int, request: Read | Write | Cas) -> None:
        """Ask."""
        self.waiting[operation] = True
        ctx.attempt(operation)
        ctx.send(ctx.bootstrap[0], Ask(operation, request))
        ctx.set_timer("patience", round(self.config.patience_s * SECOND), operation)

    @on(Answer)
    def answer(self, ctx: Context, source: str, message: Answer) -> None:
        """Done."""
        if self.waiting.pop(message.operation, None):
            ctx.cancel_timer("patience", message.operation)
            ctx.reply(message.operation, Ok(message.result))

    @on_timer("patience")
    def patience(self, ctx: Context, operation: int) -> None:
        """Too long; it may have happened."""
        del self.waiting[operation]
        ctx.reply(operation, Fail("no answer in time"))
