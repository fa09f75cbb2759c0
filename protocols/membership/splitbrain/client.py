"""A client: it has the server with the duty do something, whichever server that is."""

from __future__ import annotations

from typing import Any, ClassVar

from ...node import SECOND, Context, Durable, Fail, Node, Ok, on, on_request, on_timer
from ...requests import Read
from .config import ClientConfig
from .messages import Do, Done, NotMine


class Client(Node):
    """Asks a random server, then whom that one names. What is done changes nothing, so twice is harmless."""

    messages: ClassVar[Any] = Done | NotMine

    config: ClientConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """Nothing outlives a crash."""
        self.deadline: dict[int, int] = {}
        self.holder = ""

    @on_request(Read)
    def read(self, ctx: Context, operation: int, request: Read) -> None:
        """Ask somebody."""
        self.deadline[operation] = ctx.monotonic() + round(self.config.operation_timeout_s * SECOND)
        self._ask(ctx, operation)

    def _ask(self, ctx: Context, operation: int) -> None:
        ctx.attempt(operation)
        ctx.send(self.holder or ctx.bootstrap[ctx.rng.randrange(len(ctx.bootstrap))], Do(operation))
        ctx.set_timer("retry", round(self.config.retry_s * SECOND), operation)

    @on_timer("retry")
    def retry(self, ctx: Context, operation: int) -> None:
        """Whoever was asked is down, cut off, or has not got the duty."""
        if ctx.monotonic() >= self.deadline[operation]:
            del self.deadline[operation]
            ctx.reply(operation, Fail("no answer in time"))
            return
        self.holder = ""
        self._ask(ctx, operation)

    @on(Done)
    def done(self, ctx: Context, source: str, message: Done) -> None:
        """Done."""
        self.holder = source
        if self.deadline.pop(message.operation, None) is not None:
            ctx.cancel_timer("retry", message.operation)
            ctx.reply(message.operation, Ok(source.encode()))

    @on(NotMine)
    def not_mine(self, ctx: Context, source: str, message: NotMine) -> None:
        """Look elsewhere in a moment."""
        if self.holder == source:
            self.holder = ""
        if message.operation in self.deadline:
            if message.holder and message.holder != source:
                ctx.send(message.holder, Do(message.operation))
                ctx.set_timer("retry", round(self.config.retry_s * SECOND), message.operation)
            else:
                ctx.set_timer("retry", round(self.config.backoff_s * SECOND), message.operation)
