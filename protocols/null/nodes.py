"""Both roles of the null protocol."""

from __future__ import annotations

from math import ceil
from typing import Any, ClassVar

import msgspec

from ..node import SECOND, Context, Durable, Fail, Node, Ok, on, on_request, on_timer
from ..requests import Cas, Read, Write

ROUNDS = 256
"""Numbers of questions an operation has: one each time it is asked, so that an answer tells which time it is for."""


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A server has no parameters."""

    def validate(self, nodes: int) -> None:
        """There is nothing that could be wrong."""


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a client.

    Attributes:
        operation_timeout_s: seconds after which a client gives an operation up.
        retry_s: seconds without an answer after which it asks again; at most twice as many.
        exchanges: messages in which an operation is asked for, all at once; it ends when as many answers have come.
            With one, what is measured is operations; with many, messages.
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
    """A client's operation, as often as it exchanges messages."""

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
        self.missing: dict[int, int] = {}  # question -> answers still to come
        self.asked: dict[int, Ask] = {}  # the same questions
        self.looks: dict[int, int] = {}  # operation -> how often we have looked at it since it began
        self.looking = False
        self.exchanges = self.config.exchanges
        self.pause = round(self.config.retry_s * SECOND)
        self.most_looks = max(2, ceil(self.config.operation_timeout_s / self.config.retry_s))

    @on_request(Read, Write, Cas)
    def request(self, ctx: Context, operation: int, request: Read | Write | Cas) -> None:
        """Send it, as often as an operation asks."""
        ctx.attempt(operation)
        self._ask(ctx, Ask(operation * ROUNDS, request))
        if not self.looking:
            self.looking = True
            ctx.set_timer("look", self.pause)

    def _ask(self, ctx: Context, message: Ask) -> None:
        self.asked[message.question] = message
        self.missing[message.question] = self.exchanges
        for _ in range(self.exchanges):
            ctx.send(self.server, message)

    @on(Answer)
    def answer(self, ctx: Context, source: str, message: Answer) -> None:
        """Done, if it is the last that was missing. Answers that the network has doubled are not told apart."""
        question = message.question
        missing = self.missing.get(question)
        if missing is None:
            return  # it was asked anew since
        if missing > 1:
            self.missing[question] = missing - 1
            return
        del self.missing[question], self.asked[question]
        ctx.reply(question // ROUNDS, Ok(message.result))

    @on_timer("look")
    def look(self, ctx: Context, key: Any) -> None:
        """Ask anew what was there already the last time: messages, or their answers, were lost. Or give up."""
        self.looks = {question // ROUNDS: self.looks.get(question // ROUNDS, 0) + 1 for question in self.missing}
        for question in list(self.missing):
            operation, round_ = divmod(question, ROUNDS)
            looks = self.looks[operation]
            if looks > 1:
                asked = self.asked.pop(question)
                del self.missing[question]
                if looks > self.most_looks:
                    ctx.reply(operation, Fail("no answer in time"))
                else:
                    ctx.attempt(operation)
                    self._ask(ctx, Ask(operation * ROUNDS + (round_ + 1) % ROUNDS, asked.request))
        self.looking = bool(self.missing)
        if self.looking:
            ctx.set_timer("look", self.pause)
