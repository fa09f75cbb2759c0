"""Children of a node: the scoped contexts through which protocols are composed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from protocols.node import (
    Context,
    Durable,
    LogImage,
    Node,
    Outcome,
    ProtocolError,
    check_timer,
    stored_type,
)

from .image import APPEND, COMPACT, DELETE, PUT, RESET, TRUNCATE

if TYPE_CHECKING:
    from .root import Root
    from .world import TimerId


class Scoped(msgspec.Struct, frozen=True, tag=True):
    """A message between children: ``path`` names the child, ``message`` is what it gets."""

    path: str
    message: Any


class Child:
    """The context of a child node: the same as its root's, with messages, timers and storage under its own path."""

    __slots__ = (
        "armed",
        "batch_end_handler",
        "bootstrap",
        "durable_handler",
        "engine",
        "id",
        "messages",
        "name",
        "node",
        "parent",
        "path",
        "timers",
    )

    def __init__(
        self, engine: Root, parent: Root | Child, path: str, name: str, node: Node, bootstrap: tuple[str, ...]
    ) -> None:
        self.engine = engine
        self.parent = parent
        self.path = path
        self.name = name
        self.node = node
        self.id = engine.id
        self.bootstrap = bootstrap
        self.armed: set[TimerId] = set()
        tables = node.handlers
        self.messages = {kind: getattr(node, method) for kind, method in tables.message.items()}
        self.timers = {timer: getattr(node, method) for timer, method in tables.timer.items()}
        self.durable_handler = getattr(node, tables.durable) if tables.durable else None
        self.batch_end_handler = getattr(node, tables.batch_end) if tables.batch_end else None

    @property
    def turn(self) -> int:
        """See :class:`Context`."""
        return self.engine.turn

    @property
    def rng(self) -> Random:
        """See :class:`Context`."""
        return self.engine.rng

    def receive(self, source: str, message: Any) -> None:
        """A message for this child, within the root's turn."""
        handler = self.messages.get(type(message))
        if handler is None:
            raise ProtocolError(
                f"{type(self.node).__name__} (child {self.path}) got a {type(message).__name__}, "
                "which it does not declare"
            )
        handler(self, source, message)

    def monotonic(self) -> int:
        """See :class:`Context`."""
        return self.engine.monotonic()

    def wall(self) -> int:
        """See :class:`Context`."""
        return self.engine.wall()

    def interval(self) -> tuple[int, int]:
        """See :class:`Context`."""
        return self.engine.interval()

    def send(self, to: str, message: Any, *, early: bool = False) -> None:
        """See :class:`Context`."""
        self.engine.send(to, Scoped(self.path, message), early=early)

    def broadcast(self, message: Any, to: Iterable[str] | None = None, *, early: bool = False) -> None:
        """See :class:`Context`."""
        self.engine.broadcast(Scoped(self.path, message), self.bootstrap if to is None else to, early=early)

    def reply(self, operation: int, outcome: Outcome) -> None:
        """See :class:`Context`."""
        self.engine.reply(operation, outcome)

    def attempt(self, operation: int) -> None:
        """See :class:`Context`."""
        self.engine.attempt(operation)

    def attempt_failed(self, operation: int) -> None:
        """See :class:`Context`."""
        self.engine.attempt_failed(operation)

    def at_batch_end(self) -> None:
        """See :class:`Context`."""
        self.engine._ask(self, self.batch_end_handler)

    def set_timer(self, name: str, delay: int, key: Any = None) -> None:
        """See :class:`Context`."""
        check_timer(type(self.node), name)
        timer = (self.path, name, key)
        self.armed.add(timer)
        self.engine.world.arm(self.engine, timer, delay)

    def cancel_timer(self, name: str, key: Any = None) -> None:
        """See :class:`Context`."""
        self.armed.discard((self.path, name, key))
        self.engine.world.disarm(self.engine, (self.path, name, key))

    def persist(self, key: str, value: Any) -> None:
        """See :class:`Context`."""
        stored_type(type(self.node), key)
        self.engine._write((PUT, f"{self.path}/{key}", value))

    def read(self, key: str, default: Any = None) -> Any:
        """See :class:`Context`."""
        return self.engine.read(f"{self.path}/{key}", default)

    def delete(self, key: str) -> None:
        """See :class:`Context`."""
        stored_type(type(self.node), key)
        self.engine._write((DELETE, f"{self.path}/{key}", None))

    def append(self, log: str, entries: Sequence[Any]) -> None:
        """See :class:`Context`."""
        stored_type(type(self.node), log)
        if entries:
            self.engine._write((APPEND, f"{self.path}/{log}", tuple(entries)))

    def truncate_suffix(self, log: str, index: int) -> None:
        """See :class:`Context`."""
        stored_type(type(self.node), log)
        self.engine._write((TRUNCATE, f"{self.path}/{log}", index))

    def compact_prefix(self, log: str, index: int) -> None:
        """See :class:`Context`."""
        stored_type(type(self.node), log)
        self.engine._write((COMPACT, f"{self.path}/{log}", index))

    def read_log(self, log: str) -> LogImage:
        """See :class:`Context`."""
        return self.engine.read_log(f"{self.path}/{log}")

    def install_snapshot(self, key: str, value: Any, log: str, index: int) -> None:
        """See :class:`Context`."""
        self.persist(key, value)
        stored_type(type(self.node), log)
        self.engine._write((RESET, f"{self.path}/{log}", index))

    def emit(self, event: Any) -> None:
        """See :class:`Context`: the parent handles it now, within this turn."""
        deliver_event(self.parent.node, self.parent, self.name, event)

    def mark(self, name: str, **fields: Any) -> None:
        """See :class:`Context`."""
        self.engine.mark(f"{self.path}/{name}", **fields)

    def child(self, name: str, node: Node, servers: tuple[str, ...] = ()) -> Context:
        """See :class:`Context`."""
        return self.engine._adopt(self.path, self, name, node, servers)

    def drop_child(self, name: str) -> None:
        """See :class:`Context`."""
        self.engine._disown(self.path, name)

    def sign(self, payload: bytes) -> bytes:
        """See :class:`Context`."""
        return self.engine.sign(payload)

    def verify(self, node: str, payload: bytes, signature: bytes) -> bool:
        """See :class:`Context`."""
        return self.engine.verify(node, payload, signature)

    def fence(self, node: str) -> None:
        """See :class:`Context`."""
        self.engine.fence(node)


def deliver_event(node: Node, ctx: Any, child: str, event: Any) -> None:
    """Bring a node an event of its child, or of the runtime, within the turn under way."""
    method = node.handlers.event_handler(child, type(event))
    if method is not None:
        getattr(node, method)(ctx, child, event)
    elif child != "runtime":
        raise ProtocolError(f"{type(node).__name__} has no @on_event({child!r}, {type(event).__name__})")


def scope_durable(durable: Durable, prefix: str) -> Durable:
    """A copy of what one node sees of the disk: the names below its prefix, and none of a child's."""
    return Durable(
        {key[len(prefix) :]: value for key, value in durable.keys.items() if _below(key, prefix)},
        {
            name[len(prefix) :]: LogImage(log.first, list(log.entries))
            for name, log in durable.logs.items()
            if _below(name, prefix)
        },
        lost=durable.lost,
        torn=durable.torn,
        corrupt=durable.corrupt,
    )


def _below(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and "/" not in name[len(prefix) :].partition(":")[0]
