"""A client of an epidemic: any replica will do."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from ..node import SECOND, Context, Durable, Fail, Node, Ok, on, on_request, on_timer
from ..requests import Read, Write
from .messages import Do, Done


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a client.

    Attributes:
        operation_timeout_s: seconds after which a client gives an operation up.
        retry_s: seconds without an answer after which it asks another replica.
    """

    operation_timeout_s: float = 5.0
    retry_s: float = 0.2

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be."""
        for name in ("operation_timeout_s", "retry_s"):
            if not 0.0001 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0.0001 to 3600 seconds")


class Client(Node):
    """Asks a random replica, and after a while another: a write may then be done at two, which is one write later."""

    messages: ClassVar[Any] = Done

    config: ClientConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """Nothing outlives a crash."""
        self.open: dict[int, tuple[int, Do]] = {}

    @on_request(Read, Write)
    def request(self, ctx: Context, operation: int, request: Read | Write) -> None:
        """Ask somebody."""
        deadline = ctx.monotonic() + round(self.config.operation_timeout_s * SECOND)
        self.open[operation] = (deadline, Do(operation, request))
        self.ask(ctx, operation)

    @on_timer("retry")
    def ask(self, ctx: Context, operation: int) -> None:
        """Again, of another as a rule."""
        deadline, message = self.open[operation]
        if ctx.monotonic() >= deadline:
            del self.open[operation]
            ctx.reply(operation, Fail("no answer in time"))
            return
        ctx.attempt(operation)
        ctx.send(ctx.bootstrap[ctx.rng.randrange(len(ctx.bootstrap))], message)
        ctx.set_timer("retry", round(self.config.retry_s * SECOND), operation)

    @on(Done)
    def done(self, ctx: Context, source: str, message: Done) -> None:
        """The replica has it."""
        if self.open.pop(message.operation, None) is not None:
            ctx.cancel_timer("retry", message.operation)
            ctx.reply(message.operation, Ok(message.value))
