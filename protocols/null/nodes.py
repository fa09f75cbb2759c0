"""Both roles of the null protocol."""

from __future__ import annotations

from math import ceil
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
        retry_s: seconds without an answer after which it asks again; at most twice as many.
        exchanges: questions that an operation asks, all at once; it ends when each has been answered. With one, what is
            measured is operations; with many, messages.
    """

    operation_timeout_s: float = 5.0
    retry_s: float = 0.5
    exchanges: int = 1

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be."""
        for name in ("operation_timeout_s", "retry_s"):
            if not 0.0001 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0.0001 to 3600 seconds")
        if not 1 <= self.exchanges <= 10_000:
            raise ValueError(f"exchanges {self.exchanges} is out of range: 1 to 10000")


class Ask(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A client's operation, or one of several questions about it."""

    question: int
    request: Read | Write | Cas


class Answer(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """It is done, as far as the server is concerned."""

    question: int
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
        ctx.send(source, Answer(message.question, found))


class Client(Node):
    """Asks one server, chosen at random when it boots, every time.

    One timer serves all operations: as long as any is under way, the client looks at each every ``retry_s``.
    """

    messages: ClassVar[Any] = Answer

    config: ClientConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """Choose a server."""
        self.server = ctx.bootstrap[ctx.rng.randrange(len(ctx.bootstrap))]
        self.asked: dict[int, Ask] = {}  # questions without an answer
        self.missing: dict[int, int] = {}  # operation -> how many of its questions these are
        self.looks: dict[int, int] = {}  # operation -> how often we have looked at it since it began
        self.looking = False
        self.exchanges = self.config.exchanges
        self.pause = round(self.config.retry_s * SECOND)
        self.most_looks = max(2, ceil(self.config.operation_timeout_s / self.config.retry_s))

    @on_request(Read, Write, Cas)
    def request(self, ctx: Context, operation: int, request: Read | Write | Cas) -> None:
        """Send it, as often as an operation asks."""
        self.missing[operation] = self.exchanges
        ctx.attempt(operation)
        first = operation * self.exchanges
        for question in range(first, first + self.exchanges):
            message = self.asked[question] = Ask(question, request)
            ctx.send(self.server, message)
        if not self.looking:
            self.looking = True
            ctx.set_timer("look", self.pause)

    @on(Answer)
    def answer(self, ctx: Context, source: str, message: Answer) -> None:
        """Done, if it is the last that was missing."""
        if self.asked.pop(message.question, None) is None:
            return
        operation = message.question // self.exchanges
        missing = self.missing[operation] = self.missing[operation] - 1
        if not missing:
            del self.missing[operation]
            ctx.reply(operation, Ok(message.result))

    @on_timer("look")
    def look(self, ctx: Context, key: Any) -> None:
        """Ask again what was there already the last time: the message, or its answer, was lost. Or give up."""
        self.looks = {operation: self.looks.get(operation, 0) + 1 for operation in self.missing}
        for operation, looks in self.looks.items():
            first = operation * self.exchanges
            asked = [question for question in range(first, first + self.exchanges) if question in self.asked]
            if looks > self.most_looks:
                for question in asked:
                    del self.asked[question]
                del self.missing[operation]
                ctx.reply(operation, Fail("no answer in time"))
            elif looks > 1:
                ctx.attempt(operation)
                for question in asked:
                    ctx.send(self.server, self.asked[question])
        self.looking = bool(self.missing)
        if self.looking:
            ctx.set_timer("look", self.pause)
