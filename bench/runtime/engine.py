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
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from protocols.node import (
    Durable,
    Fail,
    Fenced,
    Node,
    ProtocolError,
)

from .child import Scoped, deliver_event, scope_durable
from .image import Image, Write
from .root import Root
from .world import TimerId, World

if TYPE_CHECKING:
    pass


class DiskFull(Exception):
    """A turn wrote to a full disk and the node has no ``@on_storage_full``."""


class Engine(Root):
    """One incarnation of one node: its turns, and what they may let go."""

    __slots__ = (
        "_admins",
        "_durable",
        "_messages",
        "_requests",
        "held",
        "synced_turn",
        "unsynced_turn",
        "write_sink",
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
        super().__init__(world, name, incarnation, node, bootstrap, rng_seed, image)
        self.held: deque[tuple[int, list[tuple[str, Any]], list[tuple[int, Any, Any]]]] = deque()
        self.synced_turn = 0
        self.unsynced_turn = 0  # the last turn that wrote
        self.write_sink = write_sink
        tables = node.handlers
        self._messages = {kind: getattr(node, method) for kind, method in tables.message.items()}
        self._requests = {kind: getattr(node, method) for kind, method in tables.request.items()}
        self._admins = {kind: getattr(node, method) for kind, method in tables.admin.items()}
        self._durable = getattr(node, tables.durable) if tables.durable else None

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
        if handler is None:
            self._receive_other(source, message)
        else:
            handler(self, source, message)
        if self.writes or (
            self.unsynced_turn > self.synced_turn
            and (len(self.sends) > self.mark_send or len(self.outs) > self.mark_out)
        ):
            self.end()

    def _receive_other(self, source: str, message: Any) -> None:
        """A message for a child."""
        if type(message) is not Scoped:
            raise ProtocolError(f"{type(self.node).__name__} got a {type(message).__name__}, which it does not declare")
        child = self._children.get(message.path)
        if child is not None:  # else it was dropped, or not yet recreated: as if the node were down
            child.receive(source, message.message)

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
