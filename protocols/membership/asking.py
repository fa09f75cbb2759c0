"""What clients ask of a membership service: whether a server is up, in the opinion of whichever server they reach.

Answers are opinions, so nothing is promised of them but their quality (Chen et al.'s query accuracy): histories are not
held to a register. The workload's key names the subject: key ``k7`` asks about server number 7 modulo their count.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from ..node import SECOND, Context, Durable, Fail, Node, Ok, on, on_request, on_timer
from ..requests import Read

UP, DOWN = b"up", b"down"


class Ask(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Is the subject up?"""

    operation: int
    subject: str


class Answer(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """What the server that was asked thinks."""

    operation: int
    up: bool


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a client.

    Attributes:
        operation_timeout_s: seconds after which a client gives a question up.
        retry_s: seconds without an answer after which it asks another server.
    """

    operation_timeout_s: float = 5.0
    retry_s: float = 0.2

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be."""
        for name in ("operation_timeout_s", "retry_s"):
            if not 0.0001 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0.0001 to 3600 seconds")


def subject_of(key: str, servers: tuple[str, ...]) -> str:
    """The server that a key stands for."""
    digits = "".join(each for each in key if each.isdigit())
    return servers[int(digits or 0) % len(servers)]


class AskingClient(Node):
    """Asks a random server, and after a while another. Questions change nothing, so asking twice is harmless."""

    messages: ClassVar[Any] = Answer

    config: ClientConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """Nothing outlives a crash."""
        self.open: dict[int, Ask] = {}
        self.deadline: dict[int, int] = {}

    @on_request(Read)
    def read(self, ctx: Context, operation: int, request: Read) -> None:
        """Ask somebody."""
        self.open[operation] = Ask(operation, subject_of(request.key, ctx.bootstrap))
        self.deadline[operation] = ctx.monotonic() + round(self.config.operation_timeout_s * SECOND)
        self.ask(ctx, operation)

    @on_timer("retry")
    def ask(self, ctx: Context, operation: int) -> None:
        """Again, of another server as a rule: this one may be down or cut off."""
        if ctx.monotonic() >= self.deadline[operation]:
            del self.open[operation], self.deadline[operation]
            ctx.reply(operation, Fail("no answer in time"))
            return
        ctx.attempt(operation)
        ctx.send(ctx.bootstrap[ctx.rng.randrange(len(ctx.bootstrap))], self.open[operation])
        ctx.set_timer("retry", round(self.config.retry_s * SECOND), operation)

    @on(Answer)
    def answered(self, ctx: Context, source: str, message: Answer) -> None:
        """Done."""
        if self.open.pop(message.operation, None) is not None:
            del self.deadline[message.operation]
            ctx.cancel_timer("retry", message.operation)
            ctx.reply(message.operation, Ok(UP if message.up else DOWN))
