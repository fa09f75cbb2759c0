"""A client: it has its operations delivered to the group, each once however often it asks.

Each operation under way has a session of its own (Ongaro's dissertation, section 6.3), so a repetition is recognised.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from ...deadlines import Deadlines
from ...node import SECOND, Context, Durable, Fail, Info, Node, Ok, on, on_request, on_timer
from ...requests import Cas, Read, Write
from ...statemachine import Command
from .config import ClientConfig
from .messages import Ask, Done, NotMine


class Asked(msgspec.Struct, gc=False):
    """An operation under way: when it is given up, and when it is asked again."""

    command: Command
    deadline: int
    due: int = 0


class Client(Node):
    """One client; it may have many operations under way."""

    messages: ClassVar[Any] = Done | NotMine

    config: ClientConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """A client remembers nothing: after a crash its sessions are new."""
        self.asked: dict[int, Asked] = {}
        self.idle: list[tuple[str, int]] = []
        self.holder = ""
        self.deadlines = Deadlines("retry")
        self.retry = round(self.config.retry_s * SECOND)
        self.backoff = round(self.config.backoff_s * SECOND)
        self.patience = round(self.config.operation_timeout_s * SECOND)

    @on_request(Read, Write, Cas)
    def request(self, ctx: Context, operation: int, request: Read | Write | Cas) -> None:
        """Ask whoever orders messages."""
        session, number = "", 0
        if type(request) is not Read:
            session, number = self.idle.pop() if self.idle else (f"{ctx.id}.{ctx.rng.getrandbits(64):016x}", 0)
        self.asked[operation] = Asked(Command(session, number + 1, request), ctx.monotonic() + self.patience)
        self._ask(ctx, operation, self.holder)

    def _ask(self, ctx: Context, operation: int, server: str) -> None:
        ctx.attempt(operation)
        ctx.send(
            server or ctx.bootstrap[ctx.rng.randrange(len(ctx.bootstrap))],
            Ask(operation, self.asked[operation].command),
        )
        self._look(ctx, operation, self.retry)

    def _look(self, ctx: Context, operation: int, delay: int) -> None:
        now = ctx.monotonic()
        asked = self.asked[operation]
        asked.due = min(now + delay, asked.deadline)
        self.deadlines.add(ctx, operation, asked.due, now)

    @on(Done)
    def done(self, ctx: Context, source: str, message: Done) -> None:
        """It was delivered."""
        self.holder = source
        asked = self.asked.pop(message.operation, None)
        if asked is not None:
            if asked.command.session:
                self.idle.append((asked.command.session, asked.command.sequence))
            ctx.reply(message.operation, Ok(message.result))

    @on(NotMine)
    def not_mine(self, ctx: Context, source: str, message: NotMine) -> None:
        """Follow the hint, in a moment: two servers may name each other."""
        if self.holder == source or not self.holder:
            self.holder = message.holder if message.holder != source else ""
        if message.operation in self.asked:
            self._look(ctx, message.operation, self.backoff + int(ctx.rng.random() * self.backoff))

    @on_timer("retry")
    def again(self, ctx: Context, key: Any) -> None:
        """Ask again, or give up. The session goes with an operation that may still be delivered."""
        now = ctx.monotonic()
        for due, operation in self.deadlines.due(ctx, now):
            asked = self.asked.get(operation)
            if asked is None or asked.due != due:
                continue
            if now >= asked.deadline:
                del self.asked[operation]
                reading = type(asked.command.request) is Read
                ctx.reply(operation, Fail("no answer in time") if reading else Info("no answer in time"))
            else:
                server, self.holder = self.holder, ""
                self._ask(ctx, operation, server)
