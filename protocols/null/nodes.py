"""Both roles of the null protocol."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from ..node import SECOND, Context, Durable, Fail, Node, Ok, on, on_request, on_timer
from ..requests import Cas, Read, Write


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server has no parameters."""

    def validate(self, nodes: int) -> None:
        """There is nothing that could be wrong."""


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a client.

    Attributes:
        operation_timeout_s: seconds after which a client gives an operation up.
        retry_s: seconds without an answer after which it asks again.
    """

    operation_timeout_s: float = 5.0
    retry_s: float = 0.5

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be."""
        for name in ("operation_timeout_s", "retry_s"):
            if not 0.0001 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0.0001 to 3600 seconds")


class Ask(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A client's operation."""

    operation: int
    request: Read | Write | Cas


class Answer(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """It is done, as far as the server is concerned."""

    operation: int
    result: bytes | None


class Server(Node):
    """Keeps values in memory, each server its own: no two of them agree on anything."""

    messages: ClassVar[Any] = Ask

    def start(self, ctx: Context, durable: Durable) -> None:
        """Everything is forgotten."""
        self.data: dict[str, bytes] = {}

    @on(Ask)
    def ask(self, ctx: Context, source: str, message: Ask) -> None:
        """Answer at once."""
        request = message.request
        found = None
        if type(request) is Write:
            self.data[request.key] = request.value
        else:
            found = self.data.get(request.key)
            if type(request) is Cas and found == request.expected:
                self.data[request.key] = request.value
        ctx.send(source, Answer(message.operation, found))


class Client(Node):
    """Asks one server, chosen at random when it boots, every time."""

    messages: ClassVar[Any] = Answer

    config: ClientConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """Choose a server."""
        self.server = ctx.bootstrap[ctx.rng.randrange(len(ctx.bootstrap))]
        self.open: dict[int, Ask] = {}

    @on_request(Read, Write, Cas)
    def request(self, ctx: Context, operation: int, request: Read | Write | Cas) -> None:
        """Send it."""
        message = self.open[operation] = Ask(operation, request)
        ctx.attempt(operation)
        ctx.send(self.server, message)
        ctx.set_timer("retry", round(self.config.retry_s * SECOND), operation)
        ctx.set_timer("give_up", round(self.config.operation_timeout_s * SECOND), operation)

    @on(Answer)
    def answer(self, ctx: Context, source: str, message: Answer) -> None:
        """Done."""
        if self.open.pop(message.operation, None) is not None:
            ctx.cancel_timer("retry", message.operation)
            ctx.cancel_timer("give_up", message.operation)
            ctx.reply(message.operation, Ok(message.result))

    @on_timer("retry")
    def retry(self, ctx: Context, operation: int) -> None:
        """Ask again: the message, or its answer, was lost."""
        ctx.attempt(operation)
        ctx.send(self.server, self.open[operation])
        ctx.set_timer("retry", round(self.config.retry_s * SECOND), operation)

    @on_timer("give_up")
    def give_up(self, ctx: Context, operation: int) -> None:
        """Too long."""
        del self.open[operation]
        ctx.cancel_timer("retry", operation)
        ctx.reply(operation, Fail("no answer in time"))
