"""What the handlers of a root node may do: its :class:`protocols.node.Context`, with its children's beneath it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

from protocols.node import (
    Context,
    Durable,
    Fail,
    Info,
    LogImage,
    Node,
    Outcome,
    ProtocolError,
    check_timer,
    stored_type,
)

from .child import Child, scope_durable
from .image import APPEND, COMPACT, DELETE, PUT, RESET, TRUNCATE, Image, Write
from .world import World

REPLY, EMIT, FENCE = range(3)


class Root:
    """Takes down what the turn under way wants done; :class:`bench.runtime.engine.Engine` decides when that happens.

    Attributes:
        writes: of the turn under way.
        sends, outs: (destination, message) and (kind, what, value): may leave, or belong to the turn under way, which
            began at ``mark_send`` and ``mark_out``.
        image: the disk as it is written, synced or not; ``disk_full``: writes are dropped with their turn.
        host: whatever the world wants to find again quickly.
        parental: this node has had children in this life.
        monotonic: see :class:`Context`; asked once an operation, so there is no frame between it and the world's.
        at_end: who asked for a turn at the end of the batch.
        thaw: decodes in place what a child finds on disk.
    """

    __slots__ = (
        "_batch_end",
        "_children",
        "_inherited",
        "_open",
        "_rng",
        "_rng_seed",
        "_timers",
        "at_end",
        "bootstrap",
        "disk_full",
        "host",
        "id",
        "image",
        "incarnation",
        "mark_out",
        "mark_send",
        "monotonic",
        "node",
        "outs",
        "parental",
        "sends",
        "thaw",
        "turn",
        "world",
        "writes",
    )

    def __init__(
        self,
        world: World,
        name: str,
        incarnation: int,
        node: Node,
        bootstrap: tuple[str, ...],
        rng_seed: str,
        image: Image,
    ) -> None:
        self.world = world
        self.id = name
        self.monotonic: Callable[[], int] = partial(world.monotonic_of, name)
        self.incarnation = incarnation
        self.node = node
        self.bootstrap = bootstrap
        self.turn = 0
        self.image = image
        self.writes: list[Write] = []
        self.sends: list[tuple[str, Any]] = []
        self.outs: list[tuple[int, Any, Any]] = []
        self.mark_send = 0
        self.mark_out = 0
        self.disk_full = False
        self.host: Any = None
        self.at_end: list[tuple[Any, Callable[[Any], None]]] = []
        self.thaw: Callable[[str, type[Node]], None] | None = None
        self._rng_seed = rng_seed
        self._rng: Random | None = None
        self._children: dict[str, Child] = {}
        self.parental = False
        self._open: dict[int, int] = {}  # operation -> attempts not accounted for
        self._inherited: Durable | None = None
        tables = node.handlers
        self._timers = {timer: getattr(node, method) for timer, method in tables.timer.items()}
        self._batch_end = getattr(node, tables.batch_end) if tables.batch_end else None

    def at_batch_end(self) -> None:
        """See :class:`Context`."""
        if not self.at_end or self.at_end[-1][0] is not self:
            self._ask(self, self._batch_end)

    def _ask(self, ctx: Root | Child, handler: Callable[[Any], None] | None) -> None:
        if handler is None:
            raise ProtocolError(f"{type(ctx.node).__name__} calls at_batch_end but has no @on_batch_end")
        for other, _ in self.at_end:
            if other is ctx:
                return
        self.at_end.append((ctx, handler))

    @property
    def rng(self) -> Random:
        """This incarnation's random source; made on first use, for ten thousand nodes that need none."""
        if self._rng is None:
            self._rng = Random(self._rng_seed)
        return self._rng

    def wall(self) -> int:
        """See :class:`Context`."""
        return self.world.wall_of(self.id)

    def interval(self) -> tuple[int, int]:
        """See :class:`Context`."""
        return self.world.interval_of(self.id)

    def send(self, to: str, message: Any, *, early: bool = False) -> None:
        """See :class:`Context`."""
        if early and not self.disk_full:
            # before the mark: what stands there is not held back with this turn
            self.sends.insert(self.mark_send, (to, message))
            self.mark_send += 1
        else:
            self.sends.append((to, message))

    def broadcast(self, message: Any, to: Iterable[str] | None = None, *, early: bool = False) -> None:
        """See :class:`Context`."""
        me = self.id
        for peer in self.bootstrap if to is None else to:
            if peer != me:
                self.send(peer, message, early=early)

    def reply(self, operation: int, outcome: Outcome) -> None:
        """See :class:`Context`. Folding: ``Fail`` only if every attempt is known to have failed."""
        attempts = self._open.pop(operation, None)
        if attempts is None:
            return  # answered before; the first answer counts
        if attempts and type(outcome) is Fail:
            outcome = Info(f"{outcome.reason}; an earlier attempt is unaccounted for")
        self.outs.append((REPLY, operation, outcome))

    def attempt(self, operation: int) -> None:
        """See :class:`Context`."""
        if operation in self._open:
            self._open[operation] += 1

    def attempt_failed(self, operation: int) -> None:
        """See :class:`Context`."""
        if self._open.get(operation, 0) > 0:
            self._open[operation] -= 1

    def set_timer(self, name: str, delay: int, key: Any = None) -> None:
        """See :class:`Context`."""
        if name not in self._timers:
            check_timer(type(self.node), name)
        self.world.arm(self, name if key is None else ("", name, key), delay)

    def cancel_timer(self, name: str, key: Any = None) -> None:
        """See :class:`Context`."""
        self.world.disarm(self, name if key is None else ("", name, key))

    def persist(self, key: str, value: Any) -> None:
        """See :class:`Context`."""
        stored_type(type(self.node), key)
        self._write((PUT, key, value))

    def read(self, key: str, default: Any = None) -> Any:
        """See :class:`Context`."""
        return self.image.keys.get(key, default)

    def delete(self, key: str) -> None:
        """See :class:`Context`."""
        stored_type(type(self.node), key)
        self._write((DELETE, key, None))

    def append(self, log: str, entries: Sequence[Any]) -> None:
        """See :class:`Context`."""
        if not entries:
            return
        written = self.image.logs.get(log)
        if written is None:
            stored_type(type(self.node), log)
            written = self.image.logs[log] = LogImage()
        entries = tuple(entries)
        self.writes.append((APPEND, log, entries))
        if not self.disk_full:
            written.entries.extend(entries)

    def truncate_suffix(self, log: str, index: int) -> None:
        """See :class:`Context`."""
        stored_type(type(self.node), log)
        self._write((TRUNCATE, log, index))

    def compact_prefix(self, log: str, index: int) -> None:
        """See :class:`Context`."""
        stored_type(type(self.node), log)
        self._write((COMPACT, log, index))

    def read_log(self, log: str) -> LogImage:
        """See :class:`Context`."""
        image = self.image.logs.get(log)
        return LogImage() if image is None else image  # an empty log is falsy, and may begin above 1

    def install_snapshot(self, key: str, value: Any, log: str, index: int) -> None:
        """See :class:`Context`."""
        self.persist(key, value)
        stored_type(type(self.node), log)
        self._write((RESET, log, index))

    def _write(self, write: Write) -> None:
        self.writes.append(write)
        if not self.disk_full:  # else the whole turn is about to be dropped
            self.image.apply((write,))

    def emit(self, event: Any) -> None:
        """See :class:`Context`."""
        self.outs.append((EMIT, None, event))

    def mark(self, name: str, **fields: Any) -> None:
        """See :class:`Context`."""
        self.world.mark(self.id, name, fields)

    def child(self, name: str, node: Node, servers: tuple[str, ...] = ()) -> Context:
        """See :class:`Context`."""
        return self._adopt("", self, name, node, servers)

    def drop_child(self, name: str) -> None:
        """See :class:`Context`."""
        self._disown("", name)

    def sign(self, payload: bytes) -> bytes:
        """See :class:`Context`."""
        return self.world.sign(self.id, payload)

    def verify(self, node: str, payload: bytes, signature: bytes) -> bool:
        """See :class:`Context`."""
        return self.world.verify(node, payload, signature)

    def fence(self, node: str) -> None:
        """See :class:`Context`."""
        self.outs.append((FENCE, node, None))

    # --- children ----------------------------------------------------------------------------------------------------

    def _adopt(self, path: str, parent: Root | Child, name: str, node: Node, servers: tuple[str, ...] = ()) -> Child:
        if not name or "/" in name or ":" in name or name == "runtime":
            raise ProtocolError(f"child name {name!r}: it must be non-empty, without '/' and ':', and not 'runtime'")
        full = f"{path}/{name}" if path else name
        if full in self._children:
            raise ProtocolError(f"{self.id} already has a child {full!r}")
        self.parental = True
        child = self._children[full] = Child(self, parent, full, name, node, servers or parent.bootstrap)
        if self.thaw is not None:
            self.thaw(full + "/", type(node))
        inherited = self._inherited or Durable()
        # A child made later in this life finds what it has written itself, not only what survived the last crash.
        current = Durable(
            self.image.keys, self.image.logs, lost=inherited.lost, torn=inherited.torn, corrupt=inherited.corrupt
        )
        node.start(child, scope_durable(current, full + "/"))
        return child

    def _disown(self, path: str, name: str) -> None:
        full = f"{path}/{name}" if path else name
        for other in [each for each in self._children if each == full or each.startswith(full + "/")]:
            child = self._children.pop(other)
            for timer in sorted(child.armed, key=repr):
                self.world.disarm(self, timer)

    def child_type(self, path: str) -> type[Node] | None:
        """The class of the child at ``path``, if there is one now."""
        child = self._children.get(path)
        return None if child is None else type(child.node)

    def views(self) -> Mapping[str, Any]:
        """``inspect`` of every child, by path."""
        return {path: child.node.inspect() for path, child in self._children.items()}
