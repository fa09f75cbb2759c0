"""A member of a process group: agreed views, and messages delivered in the view in which they were sent.

Within a view the member with the lowest name orders the messages; each is delivered once every member has it
(*safe*; Birman and Joseph 1987 call the primitive ABCAST, Chockler et al. 2001, section 4, define the order). From one
view to the next the group *flushes*: whoever prepares a view has members stop in the old one and tell what they have of
it; the decision names the next members and what all of them deliver before they go there. It is taken by consensus
among all servers (Lamport's synod, 1998), as in Guerraoui and Schiper (2001, section 5.2): there is one next view, so
the group cannot split, and the part without a majority of servers stands still.

Why no answer is contradicted: a message is answered when every member of the view has it on disk and has not stopped.
The decision's tail holds all that any member who answered the flush has, and there is at least one. Afterwards that
member takes part in the old view no more, so nothing new reaches *every* member there.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from ...node import SECOND, Context, Durable, on, on_event, on_timer
from ..heartbeat.messages import Suspect, Trust
from ..heartbeat.server import Server as Detector
from .changing import Changing
from .group import Base, View
from .messages import MESSAGES, Accepted, Decide, Decision, Entry, Hello, Order, Promised
from .ordering import Ordering

BATCH = 64
"""Entries that are sent again at once."""


class Server(Ordering, Changing):
    """Marks: ``suspected`` (prepares a view), ``elected`` (it is decided), ``committed`` (first message in it),
    ``installed``, ``excluded``, ``silent``.
    """

    messages: ClassVar[Any] = Ordering.messages | Changing.messages | Hello
    stored: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"promised": Promised, "accepted": Accepted, "view": Decision, "base": Base, "silent": bool, MESSAGES: Entry}
    )

    def start(self, ctx: Context, durable: Durable) -> None:
        """Boot. A server that has lost its disk says nothing, so that the others throw it out."""
        super().start(ctx, durable)
        if not self.silent:
            ctx.child("detector", Detector(self.config.detector))
            ctx.set_timer("tick", self.config.period)

    @on_event("detector", Suspect)
    def suspect(self, ctx: Context, child: str, event: Suspect) -> None:
        """A reason to change the view, if it is a member."""
        self.down.add(event.node)

    @on_event("detector", Trust)
    def trust(self, ctx: Context, child: str, event: Trust) -> None:
        """No reason any more."""
        self.down.discard(event.node)

    @on(Hello)
    def hello(self, ctx: Context, source: str, message: Hello) -> None:
        """Somebody who knows of an earlier view only, or who is not in this one. It knows this one, so it hears us."""
        if message.view < self.view.number:
            ctx.send(source, Decide(self._current()))
        elif message.view == self.view.number and source not in self.view.members:
            self.outside[source] = ctx.monotonic()

    @on_timer("tick")
    def tick(self, ctx: Context, key: Any) -> None:
        """Repeat what was not acknowledged, ask to be taken in, see whether the view has to change."""
        ctx.set_timer("tick", self.config.period)
        now = ctx.monotonic()
        if self.orders:
            for name in self.view.members:
                if name != self.me:
                    acked = self.acks.get(name, 0)
                    first = max(acked, self.base.index)
                    late = acked < self.last and acked == self.before.get(name, 0)
                    entries = self.entries[first - self.base.index :][:BATCH] if late else []
                    ctx.send(name, Order(self.view.number, tuple(entries), self.stable))
                    self.before[name] = acked
        lonely = now - self.heard > round(self.config.timeout_s * SECOND)
        if not self.inside or self.stopped or (lonely and not self.orders):
            ctx.broadcast(Hello(self.view.number))
        self._consider(ctx, now)


__all__ = ["Server", "View"]
