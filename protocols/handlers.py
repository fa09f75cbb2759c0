"""Declaring handlers: which method of a node handles what, by decorators, and the tables made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def _declare(kind: str, *what: Any) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        declared: list[tuple[str, Any]] = function.__dict__.setdefault("_handles", [])
        declared.extend((kind, item) for item in what)
        return function

    return decorate


def on(*messages: type) -> Callable[[F], F]:
    """``handler(self, ctx, source, message)``: a message of one of these types arrived; ``source`` is authentic."""
    return _declare("message", *messages)


def on_request(*requests: type) -> Callable[[F], F]:
    """``handler(self, ctx, operation, request)``: the workload asks this node, a client, to run an operation."""
    return _declare("request", *requests)


def on_timer(name: str) -> Callable[[F], F]:
    """``handler(self, ctx, key)``: the timer ``name`` set by :meth:`Context.set_timer` ran out."""
    return _declare("timer", name)


def on_event(child: str, *events: type) -> Callable[[F], F]:
    """``handler(self, ctx, child, event)``: a child emitted an event.

    ``child`` is its name, or a prefix that ends in ``*`` for children created dynamically.
    """
    return _declare("event", *((child, event) for event in events))


def on_admin(*requests: type) -> Callable[[F], F]:
    """``handler(self, ctx, request)``: the operator asks this node for a change of membership, or to drain."""
    return _declare("admin", *requests)


def on_durable(function: F) -> F:
    """``handler(self, ctx, turn)``: the writes of all turns up to ``turn`` are on disk.

    Called once a completed sync, and only needed by nodes that send ``early``.
    """
    return _declare("durable", None)(function)


def on_batch_end(function: F) -> F:
    """``handler(self, ctx)``: the last turn of a batch of arrivals is done; the place to send what they added up to.

    A batch is all that arrived while the node was busy, or in one tick of its event loop. Called once, as a turn of
    its own, after a batch in which :meth:`Context.at_batch_end` was.
    """
    return _declare("batch_end", None)(function)


def on_disconnect(function: F) -> F:
    """``handler(self, ctx, peer)``: the stream to ``peer`` broke. A hint: it may be slow, dead, or already back."""
    return _declare("disconnect", None)(function)


def on_storage_full(function: F) -> F:
    """``handler(self, ctx)``: a write found the disk full; that turn's writes and effects are dropped.

    Without this handler the node crashes.
    """
    return _declare("storage_full", None)(function)


class Handlers:
    """The dispatch tables of one node class: which method handles what, by method name."""

    __slots__ = (
        "admin",
        "batch_end",
        "disconnect",
        "durable",
        "event",
        "message",
        "request",
        "storage_full",
        "timer",
    )

    def __init__(self) -> None:
        self.message: dict[type, str] = {}
        self.request: dict[type, str] = {}
        self.timer: dict[str, str] = {}
        self.event: dict[tuple[str, type], str] = {}
        self.admin: dict[type, str] = {}
        self.durable: str | None = None
        self.batch_end: str | None = None
        self.disconnect: str | None = None
        self.storage_full: str | None = None

    def event_handler(self, child: str, event: type) -> str | None:
        """The method for an event of that child: exact name first, then the longest matching prefix."""
        exact = self.event.get((child, event))
        if exact is not None:
            return exact
        matches = [
            (len(name), method)
            for (name, kind), method in self.event.items()
            if kind is event and name.endswith("*") and child.startswith(name[:-1])
        ]
        return max(matches)[1] if matches else None
