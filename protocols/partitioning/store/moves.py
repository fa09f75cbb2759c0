"""A partition goes from one server to another, while it is served.

What keeps its owner one is the order of three writes: the source's fence, the target's first right to serve, the
source's farewell. A crash between any two of them leaves a state from which the rest follows, as both ends repeat what
was not answered.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ...node import SECOND, Context, on, on_timer
from .core import Core
from .messages import FENCED, LEFT, SERVES, Chunk, Give, Gone, Got, Holding, Lost, Result, Taken
from .moving import Incoming, Outgoing


class Moves(Core):
    """Both ends."""

    messages: ClassVar[Any] = Core.messages | Give | Chunk | Got | Lost | Taken

    # --- the source --------------------------------------------------------------------------------------------------

    @on(Give)
    def give(self, ctx: Context, source: str, message: Give) -> None:
        """Begin, unless it is under way; or say that it is over."""
        move = message.move
        holding = self.holdings.get(move.partition)
        if self.silent or holding is None:
            return
        if holding.epoch >= move.epoch:
            ctx.send(source, Gone(move.partition, move.epoch))
        elif holding.epoch == move.epoch - 1 and self._has(move.partition) and move.partition not in self.outgoing:
            self._begin(ctx, message)

    def _begin(self, ctx: Context, message: Give) -> None:
        partition = message.move.partition
        attempt = ctx.rng.getrandbits(48)  # no two alike, also over restarts
        keys, sessions = set(self.data[partition]), set(self.sessions[partition])
        self.outgoing[partition] = Outgoing(message.move, self.holdings[partition], attempt, keys, sessions)
        self._next(ctx, partition)

    def _next(self, ctx: Context, partition: int) -> None:
        """The next part; with the last the partition is fenced."""
        out = self.outgoing[partition]
        last = out.little_is_left(self.config.catch_up)
        if last and self.holdings[partition].state == SERVES:
            ctx.mark("fenced")
            fenced = Holding(FENCED, out.move.epoch - 1, out.move.target, out.low, out.high)
            self._hold(ctx, partition, fenced)
        part = out.cut(self.config.chunk, self.data[partition], self.sessions[partition], last=last)
        ctx.set_timer("part", self.config.retry, partition)
        ctx.send(out.move.target, part)

    @on_timer("part")
    def part_unanswered(self, ctx: Context, partition: int) -> None:
        """Again: it, or the answer, was lost; or the target is down."""
        out = self.outgoing.get(partition)
        if out is not None and out.under_way is not None:
            ctx.send(out.move.target, out.under_way)
            ctx.set_timer("part", self.config.retry, partition)

    @on(Got)
    def got(self, ctx: Context, source: str, message: Got) -> None:
        """On to the next part, after a pause if the move is throttled."""
        out = self.outgoing.get(message.partition)
        if out is None or out.attempt != message.attempt or out.number != message.number or out.under_way is None:
            return
        out.under_way = None
        ctx.cancel_timer("part", message.partition)
        if self.config.pause_s:
            ctx.set_timer("pause", round(self.config.pause_s * SECOND), message.partition)
        else:
            self._next(ctx, message.partition)

    @on_timer("pause")
    def paused(self, ctx: Context, partition: int) -> None:
        """Enough of a pause."""
        if partition in self.outgoing:
            self._next(ctx, partition)

    @on(Lost)
    def lost(self, ctx: Context, source: str, message: Lost) -> None:
        """The target was restarted, and cannot tell what it has: all of it again."""
        out = self.outgoing.get(message.partition)
        if out is not None and out.attempt == message.attempt:
            ctx.mark("move_restarted")
            ctx.cancel_timer("pause", message.partition)
            self._begin(ctx, Give(out.move))

    @on(Taken)
    def taken(self, ctx: Context, source: str, message: Taken) -> None:
        """The target serves: forget the data, remember where it went, and tell the coordinator."""
        partition = message.partition
        holding = self.holdings.get(partition)
        if holding is None or holding.state != FENCED or holding.epoch + 1 != message.epoch or holding.other != source:
            return
        ctx.mark("left")
        self._hold(ctx, partition, Holding(LEFT, message.epoch, source, holding.low, holding.high))
        for key in sorted(self.data[partition]):
            ctx.delete(f"item:{key}")
        for session in sorted(self.sessions[partition]):
            ctx.delete(f"session:{partition}/{session}")
        del self.data[partition]
        del self.sessions[partition]
        self.outgoing.pop(partition, None)
        ctx.cancel_timer("part", partition)
        ctx.cancel_timer("pause", partition)
        ctx.send(self.head, Gone(partition, message.epoch))

    # --- the target --------------------------------------------------------------------------------------------------

    @on(Chunk)
    def chunk(self, ctx: Context, source: str, message: Chunk) -> None:
        """Store a part; with the last one, serve."""
        if self.silent:
            return
        partition = message.partition
        holding = self.holdings.get(partition)
        if holding is not None and holding.epoch >= message.epoch:
            # It was taken before, and perhaps has changed, or left, since. Storing this again would undo that.
            ctx.send(source, Taken(partition, message.epoch))
            return
        known = self.incoming.get(partition)
        if message.number == 1 and (known is None or known.attempt != message.attempt):
            known = self.incoming[partition] = Incoming(message.epoch, message.attempt)
        if known is None or known.attempt != message.attempt or message.number > known.number + 1:
            # The source never sends ahead, so after a restart a first part that came twice looked like a beginning.
            ctx.send(source, Lost(partition, message.attempt))
            return
        if message.number == known.number + 1:
            self._store(ctx, message)
            known.number = message.number
            if message.last:
                # In one turn with the last data: it serves all of it, or does not serve.
                ctx.mark("taken", keys=len(self.data[partition]))
                self._hold(ctx, partition, Holding(SERVES, message.epoch, "", message.low, message.high))
                del self.incoming[partition]
                ctx.send(source, Taken(partition, message.epoch))
                return
        ctx.send(source, Got(partition, message.attempt, known.number))

    def _store(self, ctx: Context, message: Chunk) -> None:
        partition = message.partition
        data = self.data.setdefault(partition, {})
        sessions = self.sessions.setdefault(partition, {})
        for key, value in message.pairs:
            data[key] = value
            ctx.persist(f"item:{key}", value)
        for session, sequence, found in message.sessions:
            sessions[session] = (session, sequence, found)
            ctx.persist(f"session:{partition}/{session}", Result(sequence, found))
