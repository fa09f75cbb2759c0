"""Within a view: messages in their order, acknowledged by all, delivered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from ...node import Context, on, on_durable
from .group import Base, Group
from .messages import MESSAGES, Ack, Ask, Decide, Done, Entry, Hello, NotMine, Order


class Ordering(Group):
    """How messages reach all members of a view."""

    messages: ClassVar[Any] = Ask | Order | Ack

    @on(Ask)
    def ask(self, ctx: Context, source: str, message: Ask) -> None:
        """A client's: the next message of the view."""
        if not self.orders:
            first = self.view.members[0]
            ctx.send(source, NotMine(message.operation, "" if first == self.me or first in self.down else first))
            return
        entry = Entry(self.last + 1, self.view.number, message.command, source, message.operation)
        self._keep(ctx, (entry,))
        ctx.broadcast(Order(self.view.number, (entry,), self.stable), self.view.members)

    def _keep(self, ctx: Context, entries: Iterable[Entry]) -> None:
        """Those that follow the last one, and later ones when their turn comes; acknowledged when they are on disk."""
        fresh = []
        for entry in entries:
            if entry.index > self.last:
                self.ahead[entry.index] = entry
        while self.last + 1 in self.ahead:
            self.last += 1
            fresh.append(self.ahead.pop(self.last))
        if fresh:
            self.entries.extend(fresh)
            ctx.append(MESSAGES, fresh)
            self.unsynced.append((ctx.turn, self.last))

    @on_durable
    def synced(self, ctx: Context, turn: int) -> None:
        """Own messages count from here on."""
        while self.unsynced and self.unsynced[0][0] <= turn:
            self.durable = self.unsynced.pop(0)[1]
        if self.orders:
            self._settle(ctx)
        else:
            self._deliver(ctx)

    @on(Order)
    def ordered(self, ctx: Context, source: str, message: Order) -> None:
        """Keep them. Whoever has promised to take part in the next view has stopped: what it told must stay all."""
        if message.view > self.view.number:
            ctx.send(source, Hello(self.view.number))
        elif message.view < self.view.number:
            ctx.send(source, Decide(self._current()))
        if message.view != self.view.number or not self.inside or self.stopped:
            return
        self.heard = ctx.monotonic()
        self._keep(ctx, message.entries)
        self.stable = max(self.stable, min(message.stable, self.last))
        ctx.send(source, Ack(self.view.number, self.last))
        self._deliver(ctx)

    @on(Ack)
    def acknowledged(self, ctx: Context, source: str, message: Ack) -> None:
        """Of one member; of all of them a message is stable."""
        if message.view == self.view.number and self.orders:
            self.acks[source] = max(self.acks.get(source, 0), message.index)
            self._settle(ctx)

    def _acked(self, name: str) -> int:
        return self.durable if name == self.me else self.acks.get(name, 0)

    def _settle(self, ctx: Context) -> None:
        self.stable = max(self.stable, min(self._acked(name) for name in self.view.members))
        self._deliver(ctx)

    def _deliver(self, ctx: Context) -> None:
        """In order. The one who orders messages answers the clients."""
        until = min(self.stable if self.config.delivery == "safe" else self.last, self.durable)
        for entry in self.entries[self.delivered - self.base.index : until - self.base.index]:
            result = self._apply(entry)
            if self.orders:
                ctx.send(entry.source, Done(entry.operation, result))
                if not self.served:
                    self.served = True
                    ctx.mark("committed")
        if self.delivered - self.base.index > self.config.snapshot_entries:
            self._compact(ctx)

    def _compact(self, ctx: Context) -> None:
        """Replace what everybody has by a snapshot. Then everybody is in this view, too, and needs no tail any more."""
        if self.stable < self.delivered:
            return
        self.base = Base(self.delivered, self.digest, self.machine.snapshot())
        self.entries = [entry for entry in self.entries if entry.index > self.delivered]
        ctx.persist("base", self.base)
        ctx.compact_prefix(MESSAGES, self.delivered)
