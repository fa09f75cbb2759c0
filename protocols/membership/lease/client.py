"""A client: it looks for the holder, and asks it, under the ballot by which it holds the lease.

A change is for one ballot: whoever holds the lease under it recognises a repetition by its token and does it once.
Nobody else would, so once another ballot serves, a change without an answer is unsure.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from ...deadlines import Deadlines
from ...node import SECOND, Context, Durable, Fail, Info, Node, Ok, on, on_request, on_timer
from ...requests import Cas, Read, Write
from .config import ClientConfig
from .messages import Ballot, Do, Done, Elsewhere, Find, Here, NotHolder


class Asked(msgspec.Struct, gc=False):
    """An operation under way: when it is given up and when looked at again; of a change that was sent, how."""

    request: Read | Write | Cas
    deadline: int
    due: int = 0
    sent: Do | None = None


class Client(Node):
    """One client; it may have many operations under way."""

    messages: ClassVar[Any] = Here | Elsewhere | Done | NotHolder

    config: ClientConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """A client remembers nothing."""
        self.asked: dict[int, Asked] = {}
        self.holder: tuple[str, Ballot] | None = None
        self.token = ctx.rng.getrandbits(48)
        self.deadlines = Deadlines("retry")
        self.retry = round(self.config.retry_s * SECOND)
        self.backoff = round(self.config.backoff_s * SECOND)
        self.patience = round(self.config.operation_timeout_s * SECOND)

    @on_request(Read, Write, Cas)
    def request(self, ctx: Context, operation: int, request: Read | Write | Cas) -> None:
        """Ask the holder, if it is known; else look for it."""
        self.asked[operation] = Asked(request, ctx.monotonic() + self.patience)
        if self.holder is not None:
            self._do(ctx, operation, *self.holder)
        else:
            self._find(ctx, operation, "")

    def _find(self, ctx: Context, operation: int, server: str) -> None:
        ctx.send(server or ctx.bootstrap[ctx.rng.randrange(len(ctx.bootstrap))], Find(operation))
        self._look(ctx, operation, self.retry)

    def _look(self, ctx: Context, operation: int, delay: int) -> None:
        now = ctx.monotonic()
        asked = self.asked[operation]
        asked.due = min(now + delay, asked.deadline)
        self.deadlines.add(ctx, operation, asked.due, now)

    @on(Here)
    def here(self, ctx: Context, source: str, message: Here) -> None:
        """It is serving under that ballot, which no other time of holding has."""
        self.holder = (source, message.ballot)
        asked = self.asked.get(message.operation)
        if asked is None:
            return
        if asked.sent is not None and asked.sent.ballot != message.ballot:
            self._unsure(ctx, message.operation)
        else:
            self._do(ctx, message.operation, source, message.ballot)

    def _do(self, ctx: Context, operation: int, server: str, ballot: Ballot) -> None:
        asked = self.asked[operation]
        message = asked.sent
        if message is None:
            self.token += 1
            message = Do(operation, self.token, ballot, asked.request)
        if type(asked.request) is not Read:
            asked.sent = message
        ctx.attempt(operation)
        ctx.send(server, message)
        self._look(ctx, operation, self.retry)

    def _unsure(self, ctx: Context, operation: int) -> None:
        del self.asked[operation]
        ctx.reply(operation, Info("whoever was asked does not hold the lease any more"))

    @on(Elsewhere)
    def elsewhere(self, ctx: Context, source: str, message: Elsewhere) -> None:
        """Follow the hint in a moment."""
        asked = self.asked.get(message.operation)
        if asked is not None:
            self._look(ctx, message.operation, self.backoff + int(ctx.rng.random() * self.backoff))

    @on(Done)
    def done(self, ctx: Context, source: str, message: Done) -> None:
        """It took effect."""
        if self.asked.pop(message.operation, None) is not None:
            ctx.reply(message.operation, Ok(message.result))

    @on(NotHolder)
    def not_holder(self, ctx: Context, source: str, message: NotHolder) -> None:
        """A read looks elsewhere. A change may have been done before, and be here for the second time: unsure."""
        if self.holder is not None and self.holder[0] == source:
            self.holder = None
        asked = self.asked.get(message.operation)
        if asked is None:
            return
        if asked.sent is not None:
            self._unsure(ctx, message.operation)
        else:
            self._look(ctx, message.operation, self.backoff)

    @on_timer("retry")
    def retry_timeout(self, ctx: Context, key: Any) -> None:
        """Look for the holder again; or give up."""
        now = ctx.monotonic()
        for due, operation in self.deadlines.due(ctx, now):
            asked = self.asked.get(operation)
            if asked is None or asked.due != due:
                continue
            if now >= asked.deadline:
                del self.asked[operation]
                reading = type(asked.request) is Read
                ctx.reply(operation, Fail("no answer in time") if reading else Info("no answer in time"))
            else:
                self.holder = None
                self._find(ctx, operation, "")
