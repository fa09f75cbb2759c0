"""Who wants two tables joined, or a row changed."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from ...node import SECOND, Context, Durable, Fail, Node, Ok, on, on_request, on_timer
from .messages import Answer, Begin, Change, Changed, Joined, Strategy


class Join(msgspec.Struct, frozen=True, tag=True):
    """Join the tables: ``Ok`` of all pairs of rows that match, in no order."""

    strategy: Strategy


class Amend(msgspec.Struct, frozen=True, tag=True):
    """Give the row of the left table with that attribute another rest, or all its copies: ``Ok`` of how many rows."""

    key: int
    rest: bytes
    copies: bool


class ClientConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a client.

    Attributes:
        attempt_s: seconds after which a join, or a change, is begun anew.
        attempts: times that it is begun before it is given up.
    """

    attempt_s: float = 5.0
    attempts: int = 5


class Asked(msgspec.Struct):
    """What has been answered of an attempt: parts by worker and number; how many each worker has; rows changed."""

    operation: int
    request: Join | Amend
    left: int  # attempts
    parts: dict[tuple[str, int], tuple[Joined, ...]] = {}
    awaited: dict[str, int] = {}
    changed: dict[str, int] = {}


class Client(Node):
    """Each attempt begins from nothing: a join changes nothing, and changing a row twice is changing it once."""

    messages: ClassVar[Any] = Answer | Changed

    config: ClientConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """It remembers nothing."""
        self.asked: dict[int, Asked] = {}  # by attempt

    @on_request(Join, Amend)
    def request(self, ctx: Context, operation: int, request: Join | Amend) -> None:
        """Ask all workers."""
        self._attempt(ctx, operation, request, self.config.attempts)

    def _attempt(self, ctx: Context, operation: int, request: Join | Amend, left: int) -> None:
        if not left:
            ctx.reply(operation, Fail("no answer in time"))
            return
        number = ctx.rng.getrandbits(62)
        self.asked[number] = Asked(operation, request, left)
        ctx.attempt(operation)
        question: Begin | Change
        if isinstance(request, Join):
            question = Begin(number, request.strategy)
        else:
            question = Change(number, request.key, request.rest, request.copies)
        for worker in ctx.bootstrap:
            ctx.send(worker, question)
        ctx.set_timer("again", round(self.config.attempt_s * SECOND), number)

    @on_timer("again")
    def again(self, ctx: Context, number: int) -> None:
        """Something was lost, or somebody was down."""
        asked = self.asked.pop(number, None)
        if asked is not None:
            self._attempt(ctx, asked.operation, asked.request, asked.left - 1)

    @on(Answer)
    def answer(self, ctx: Context, source: str, message: Answer) -> None:
        """Gather; with the last part of the last worker the join is done."""
        asked = self.asked.get(message.attempt)
        if asked is None:
            return
        asked.parts[source, message.number] = message.rows
        asked.awaited[source] = message.of
        if len(asked.awaited) == len(ctx.bootstrap) and len(asked.parts) == sum(asked.awaited.values()):
            self._done(ctx, message.attempt, tuple(row for rows in asked.parts.values() for row in rows))

    @on(Changed)
    def changed(self, ctx: Context, source: str, message: Changed) -> None:
        """Gather."""
        asked = self.asked.get(message.attempt)
        if asked is None:
            return
        asked.changed[source] = message.rows
        if len(asked.changed) == len(ctx.bootstrap):
            self._done(ctx, message.attempt, sum(asked.changed.values()))

    def _done(self, ctx: Context, attempt: int, value: Any) -> None:
        ctx.cancel_timer("again", attempt)
        ctx.reply(self.asked.pop(attempt).operation, Ok(value))
