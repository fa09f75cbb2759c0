"""A server of the partitioned store, put together: it serves what it has, hands it over, splits and merges it.

Each partition has one copy. The first server is also the coordinator, which decides what moves, splits and merges.
"""

from __future__ import annotations

from typing import Any, ClassVar

from ...node import AddServer, Context, Drain, Durable, RemoveServer, on, on_admin, on_timer
from ..ring import natural
from .core import View
from .messages import Directory, Gone, Holding, Membership, Report, Result, Shaped
from .moves import Moves
from .shapes import Shapes
from .shaping import Coordinator


class Server(Moves, Shapes):
    """Marks: ``move_begun``, ``fenced``, ``taken``, ``left``, ``moved``, ``move_restarted``, ``passed_on``, ``split``,
    ``merged``, ``spread`` (over servers, of keys and of operations: the greatest over the mean), ``joined``,
    ``leaves``."""

    messages: ClassVar[Any] = Moves.messages | Shapes.messages | Gone | Report | Shaped | Membership
    stored: ClassVar[dict[str, Any]] = {
        "directory": Directory,
        "holding:": Holding,
        "item:": bytes,
        "session:": Result,
        "silent": bool,
    }

    def start(self, ctx: Context, durable: Durable) -> None:
        """The first server is the coordinator, unless it has forgotten."""
        super().start(ctx, durable)
        self.coordinator: Coordinator | None = None
        if self.silent:
            return
        self.begin_reports(ctx)
        if ctx.id == self.head:
            self.coordinator = Coordinator(ctx, durable, self.config)

    # --- the coordinator, on one of the servers ----------------------------------------------------------------------

    @on(Gone)
    def gone(self, ctx: Context, source: str, message: Gone) -> None:
        """See :class:`Coordinator`."""
        if self.coordinator is not None:
            self.coordinator.gone(ctx, source, message)

    @on(Report)
    def report(self, ctx: Context, source: str, message: Report) -> None:
        """See :class:`Coordinator`."""
        if self.coordinator is not None:
            self.coordinator.report(ctx, source, message)

    @on(Shaped)
    def shaped(self, ctx: Context, source: str, message: Shaped) -> None:
        """See :class:`Coordinator`."""
        if self.coordinator is not None:
            self.coordinator.shaped(ctx, source, message)

    @on_timer("decide")
    def decide(self, ctx: Context, key: Any) -> None:
        """See :class:`Coordinator`."""
        if self.coordinator is not None:
            self.coordinator.decide(ctx)

    @on_timer("reshape")
    def reshape(self, ctx: Context, key: Any) -> None:
        """See :class:`Coordinator`."""
        if self.coordinator is not None:
            self.coordinator.reshape(ctx)

    @on_timer("urge")
    def urge(self, ctx: Context, key: Any) -> None:
        """See :class:`Coordinator`."""
        if self.coordinator is not None:
            self.coordinator.urge(ctx)

    @on_timer("shuffle")
    def shuffle(self, ctx: Context, key: Any) -> None:
        """See :class:`Coordinator`."""
        if self.coordinator is not None:
            self.coordinator.shuffle(ctx)

    @on_timer("join")
    def join(self, ctx: Context, key: Any) -> None:
        """All that are idle join."""
        if self.coordinator is not None:
            self.coordinator.join(ctx, sorted(ctx.bootstrap, key=natural))

    @on_admin(AddServer, RemoveServer)
    def membership(self, ctx: Context, request: AddServer | RemoveServer) -> None:
        """The operator may ask anybody: it goes to the coordinator."""
        ctx.send(self.head, Membership(type(request) is AddServer, request.node))

    @on(Membership)
    def change(self, ctx: Context, source: str, message: Membership) -> None:
        """Only of servers that the cluster was started with: a move towards anybody else would never end."""
        if self.coordinator is not None and message.node in ctx.bootstrap:
            if message.joins:
                self.coordinator.join(ctx, [message.node])
            else:
                self.coordinator.leave(ctx, message.node)

    @on_admin(Drain)
    def drain(self, ctx: Context, request: Drain) -> None:
        """It will be back, with its disk: moving all that it has would take longer than it is away."""


__all__ = ["Server", "View"]
