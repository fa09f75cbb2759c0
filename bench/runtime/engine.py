"""The turn engine: runs one incarnation of one node, and holds its effects back until its writes are durable.

Both worlds drive this same code. They call :meth:`Engine.receive` and its like, once a turn; after a batch of turns
they take what may leave (:attr:`Engine.sends`, :attr:`Engine.outs`), sync what was written (:meth:`Engine.synced`),
and take what that set free.

**Prefix durability** rests on two lines. At the end of a turn, if any turn up to and including it has written what is
not yet synced, its effects go to the back of ``held``, tagged with the latest turn that wrote; ``synced(k)`` sets free
exactly the entries of ``held`` tagged k or less. Tags never fall along ``held``, and a turn that wrote nothing itself
carries the tag of the last one that did: no effect overtakes an earlier turn's write.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import TYPE_CHECKING, Any

from protocols.node import (
    Context,
    Durable,
    Fail,
    Fenced,
    Info,
    LogImage,
    Node,
    Outcome,
    ProtocolError,
    check_timer,
    stored_type,
)

from .child import Child, Scoped, deliver_event, scope_durable
from .image import APPEND, COMPACT, DELETE, PUT, RESET, TRUNCATE, Image, Write
from .world import TimerId, World

if TYPE_CHECKING:
    from collections.abc import Mapping

REPLY, EMIT, FENCE = range(3)


class DiskFull(Exception):
    """A turn wrote to a full disk and the node has no ``@on_storage_full``."""


class Engine:
    """One incarnation of one node; also the :class:`protocols.node.Context` of its root."""

    __slots__ = (
        "_admins",
        "_batch_end",
        "_bootstrap_set",
        "_children",
        "_durable",
        "_events",
        "_inherited",
        "_messages",
        "_open",
        "_requests",
        "_rng",
        "_rng_seed",
        "_timers",
        "at_end",
        "bootstrap",
        "disk_full",
        "held",
        "host",
        "id",
        "image",
        "incarnation",
        "mark_out",
        "mark_send",
        "node",
        "outs",
        "sends",
        "synced_turn",
        "thaw",
        "turn",
        "unsynced_turn",
        "world",
        "write_sink",
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
        write_sink: Callable[[int, list[Write]], None],
    ) -> None:
        self.world = world
        self.id = name
        self.incarnation = incarnation
        self.node = node
        self.bootstrap = bootstrap
        self.turn = 0
        self.image = image
        self.writes: list[Write] = []
        self.sends: list[tuple[str, Any]] = []
        self.outs: list[tuple[int, Any, Any]] = []
        self.held: deque[tuple[int, list[tuple[str, Any]], list[tuple[int, Any, Any]]]] = deque()
        self.synced_turn = 0
        self.unsynced_turn = 0  # the last turn that wrote
        self.mark_send = 0
        self.mark_out = 0
        self.disk_full = False
        self.at_end: list[tuple[Any, Callable[[Any], None]]] = []
        self.write_sink = write_sink
        self.host: Any = None  # whatever the world wants to find again quickly
        self.thaw: Callable[[str, type[Node]], None] | None = None  # decodes in place what a child finds on disk
        self._rng_seed = rng_seed
        self._rng: Random | None = None
        self._children: dict[str, Child] = {}
        self._open: dict[int, int] = {}  # operation -> attempts not accounted for
        self._inherited: Durable | None = None
        tables = node.handlers
        self._messages = {kind: getattr(node, method) for kind, method in tables.message.items()}
        self._requests = {kind: getattr(node, method) for kind, method in tables.request.items()}
        self._timers = {name: getattr(node, method) for name, method in tables.timer.items()}
        self._admins = {kind: getattr(node, method) for kind, method in tables.admin.items()}
        self._durable = getattr(node, tables.durable) if tables.durable else None
        self._batch_end = getattr(node, tables.batch_end) if tables.batch_end else None

    # --- turns: called by the world ----------------------------------------------------------------------------------

    def boot(self, *, lost: bool, torn: int, corrupt: int) -> None:
        """The first turn of this life."""
        self._inherited = Durable(self.image.keys, self.image.logs, lost=lost, torn=torn, corrupt=corrupt)
        self._begin()
        self.node.start(self, scope_durable(self._inherited, ""))
        self.end()

    def receive(self, source: str, message: Any) -> None:
        """A turn: a message arrived."""
        self.turn += 1
        self.mark_send = len(self.sends)
        self.mark_out = len(self.outs)
        handler = self._messages.get(type(message))
        if handler is not None:
            handler(self, source, message)
            if not self.writes:
                if self.unsynced_turn > self.synced_turn and (
                    len(self.sends) > self.mark_send or len(self.outs) > self.mark_out
                ):
                    self.end()
                return
        elif type(message) is Scoped:
            child = self._children.get(message.path)
            if child is not None:  # else it was dropped, or not yet recreated: as if the node were down
                child.receive(source, message.message)
        else:
            raise ProtocolError(f"{type(self.node).__name__} got a {type(message).__name__}, which it does not declare")
        if self.writes or self.unsynced_turn > self.synced_turn:
            self.end()

    def request(self, operation: int, request: Any) -> None:
        """A turn: the workload asks for an operation."""
        self.turn += 1
        self.mark_send = len(self.sends)
        self.mark_out = len(self.outs)
        self._open[operation] = 0
        handler = self._requests.get(type(request))
        if handler is None:
            self.reply(operation, Fail(f"{type(request).__name__} is not supported"))
        else:
            handler(self, operation, request)
        if self.writes or self.unsynced_turn > self.synced_turn:
            self.end()

    def fire(self, timer: TimerId) -> None:
        """A turn: a timer ran out."""
        self._begin()
        if type(timer) is str:
            self._timers[timer](self, None)
        else:
            path, name, key = timer
            if not path:
                self._timers[name](self, key)
            else:
                child = self._children.get(path)
                if child is not None:
                    child.armed.discard(timer)
                    child.timers[name](child, key)
        self.end()

    def admin(self, request: Any) -> None:
        """A turn: the operator asks for something; ignored by nodes without a handler for it."""
        handler = self._admins.get(type(request))
        if handler is not None:
            self._begin()
            handler(self, request)
            self.end()

    def disconnected(self, peer: str) -> None:
        """A turn: the stream to a peer broke."""
        self._begin()
        method = self.node.handlers.disconnect
        if method is not None:
            getattr(self.node, method)(self, peer)
        for child in list(self._children.values()):
            method = child.node.handlers.disconnect
            if method is not None:
                getattr(child.node, method)(child, peer)
        self.end()

    def fenced(self, node: str) -> None:
        """A turn: another node is dead by our :meth:`fence`."""
        self._begin()
        deliver_event(self.node, self, "runtime", Fenced(node))
        for child in list(self._children.values()):
            deliver_event(child.node, child, "runtime", Fenced(node))
        self.end()

    def batch_end(self) -> None:
        """A turn for each node that asked for one with ``at_batch_end``: all arrivals of this batch are handled."""
        waiting, self.at_end = self.at_end, []
        for ctx, handler in waiting:
            if ctx is not self and self._children.get(ctx.path) is not ctx:
                continue  # dropped since it asked
            self._begin()
            handler(ctx)
            self.end()

    def synced(self, turn: int) -> None:
        """The writes of all turns up to ``turn`` are on disk: set their effects free, then tell who asked to know."""
        if turn <= self.synced_turn:
            return
        self.synced_turn = turn
        held = self.held
        while held and held[0][0] <= turn:
            _, sends, outs = held.popleft()
            self.sends.extend(sends)
            self.outs.extend(outs)
        if self._durable is not None:
            self._begin()
            self._durable(self, turn)
            self.end()
        if not self._children:
            return
        for child in list(self._children.values()):
            if child.durable_handler is not None:
                self._begin()
                child.durable_handler(child, turn)
                self.end()

    @property
    def unsynced(self) -> bool:
        """Whether a turn has written what is not yet on disk."""
        return self.unsynced_turn > self.synced_turn

    def _begin(self) -> None:
        self.turn += 1
        self.mark_send = len(self.sends)
        self.mark_out = len(self.outs)

    def end(self) -> None:
        """Close the turn: hand its writes over as one record, and hold its effects if anything is unsynced."""
        if self.writes:
            if self.disk_full:
                self._storage_full()
            else:
                writes, self.writes = self.writes, []
                self.unsynced_turn = self.turn
                self.write_sink(self.turn, writes)
        if self.unsynced_turn > self.synced_turn:
            sends, outs = self.sends[self.mark_send :], self.outs[self.mark_out :]
            if sends or outs:
                del self.sends[self.mark_send :]
                del self.outs[self.mark_out :]
                self.held.append((self.unsynced_turn, sends, outs))

    def _storage_full(self) -> None:
        """The turn cannot be made durable, so nothing of it may be seen."""
        self.writes = []
        del self.sends[self.mark_send :]
        del self.outs[self.mark_out :]
        method = self.node.handlers.storage_full
        if method is None:
            raise DiskFull(f"the disk of {self.id} is full")
        getattr(self.node, method)(self)
        self.writes = []  # what the handler wrote would not fit either

    def at_batch_end(self) -> None:
        """See :class:`Context`."""
        self._ask(self, self._batch_end)

    def _ask(self, ctx: Engine | Child, handler: Callable[[Any], None] | None) -> None:
        if handler is None:
            raise ProtocolError(f"{type(ctx.node).__name__} calls at_batch_end but has no @on_batch_end")
        for other, _ in self.at_end:
            if other is ctx:
                return
        self.at_end.append((ctx, handler))

    # --- Context -----------------------------------------------------------------------------------------------------

    @property
    def rng(self) -> Random:
        """This incarnation's random source; made on first use, for ten thousand nodes that need none."""
        if self._rng is None:
            self._rng = Random(self._rng_seed)
        return self._rng

    def monotonic(self) -> int:
        """See :class:`Context`."""
        return self.world.monotonic_of(self.id)

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

    def child(self, name: str, node: Node) -> Context:
        """See :class:`Context`."""
        return self._adopt("", self, name, node)

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

    def _adopt(self, path: str, parent: Engine | Child, name: str, node: Node) -> Child:
        if not name or "/" in name or ":" in name or name == "runtime":
            raise ProtocolError(f"child name {name!r}: it must be non-empty, without '/' and ':', and not 'runtime'")
        full = f"{path}/{name}" if path else name
        if full in self._children:
            raise ProtocolError(f"{self.id} already has a child {full!r}")
        child = self._children[full] = Child(self, parent, full, name, node)
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
