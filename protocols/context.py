"""What a handler may do: the interface between a node and the runtime that hosts it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from .durable import LogImage
from .outcomes import Outcome

if TYPE_CHECKING:
    from random import Random

    from .node import Node


class Context(Protocol):
    """Everything a node can learn or do in a turn. A runtime implements it; a node never keeps time otherwise."""

    id: str
    """This node's name."""
    bootstrap: tuple[str, ...]
    """The initial servers, sorted. Later membership is the protocol's own state."""

    @property
    def turn(self) -> int:
        """The number of this turn, rising over the life of this incarnation; see :func:`on_durable`."""
        ...

    @property
    def rng(self) -> Random:
        """A random source of this node's own, seeded by the trial."""
        ...

    # time
    def monotonic(self) -> int:
        """Nanoseconds on a clock that may drift but never jumps: for timers and leases."""
        ...

    def wall(self) -> int:
        """Nanoseconds since the epoch on a clock that may jump, either way."""
        ...

    def interval(self) -> tuple[int, int]:
        """(earliest, latest) wall time that it can be now, as TrueTime's ``TT.now()``."""
        ...

    # net
    def send(self, to: str, message: Any, *, early: bool = False) -> None:
        """Send ``message`` to node ``to``; a node may send to itself, which takes another turn and no network.

        ``early`` lets it leave before this turn's writes are durable: only where the protocol allows it.
        """
        ...

    def broadcast(self, message: Any, to: Iterable[str] | None = None, *, early: bool = False) -> None:
        """Send ``message`` to each node of ``to`` (default: every server of ``bootstrap``) except this one."""
        ...

    # calls
    def reply(self, operation: int, outcome: Outcome) -> None:
        """End an operation that reached this node through :func:`on_request`.

        A ``Fail`` becomes ``Info`` if an attempt (see :meth:`attempt`) is still unaccounted for.
        """
        ...

    def attempt(self, operation: int) -> None:
        """Say that the operation is now being tried at some server; it may take effect from here on."""
        ...

    def attempt_failed(self, operation: int) -> None:
        """Say that one attempt definitely did not and will not take effect."""
        ...

    def at_batch_end(self) -> None:
        """Have the :func:`on_batch_end` handler called when the batch of arrivals under way is done."""
        ...

    # timers
    def set_timer(self, name: str, delay: int, key: Any = None) -> None:
        """Call the handler of ``name`` after ``delay`` ns of the monotonic clock; a pending one is replaced."""
        ...

    def cancel_timer(self, name: str, key: Any = None) -> None:
        """Forget the timer; no effect if it is not set."""
        ...

    # disk
    def persist(self, key: str, value: Any) -> None:
        """Store ``value`` durably under ``key`` (declared in :attr:`Node.stored`)."""
        ...

    def read(self, key: str, default: Any = None) -> Any:
        """The value last persisted under ``key``, synced or not."""
        ...

    def delete(self, key: str) -> None:
        """Forget ``key``."""
        ...

    def append(self, log: str, entries: Sequence[Any]) -> None:
        """Append entries to the durable log ``log``."""
        ...

    def truncate_suffix(self, log: str, index: int) -> None:
        """Remove the entries at ``index`` and above."""
        ...

    def compact_prefix(self, log: str, index: int) -> None:
        """Remove the entries up to and including ``index``."""
        ...

    def read_log(self, log: str) -> LogImage:
        """The log as this node has written it, synced or not. Not to be modified."""
        ...

    def install_snapshot(self, key: str, value: Any, log: str, index: int) -> None:
        """In one turn, store a snapshot under ``key`` and have ``log`` start again, empty, above ``index``."""
        ...

    # out
    def emit(self, event: Any) -> None:
        """Hand an event to the parent node, in this same turn; at the root, into the run's record."""
        ...

    def mark(self, name: str, **fields: Any) -> None:
        """Note that something worth counting happened: trace, metrics and coverage."""
        ...

    # composition
    def child(self, name: str, node: Node, servers: tuple[str, ...] = ()) -> Context:
        """Host ``node`` as a child under ``name`` and start it; its events reach this node through :func:`on_event`.

        ``servers``: those that have such a child, its ``bootstrap``; none: as this node's own.
        Children live in memory: a node recreates them in :meth:`Node.start`, and each finds its durable state again.
        Returns the child's context, through which the parent may call the child's methods within its own turn.
        """
        ...

    def drop_child(self, name: str) -> None:
        """Stop a child: its timers are cancelled and messages for it are dropped. Its durable state remains."""
        ...

    # trust
    def sign(self, payload: bytes) -> bytes:
        """This node's signature of ``payload``."""
        ...

    def verify(self, node: str, payload: bytes, signature: bytes) -> bool:
        """Whether ``signature`` is ``node``'s signature of ``payload``."""
        ...

    def fence(self, node: str) -> None:
        """Shoot the other node in the head: it is killed and stays down until the operator's supervisor returns it.

        The outcome arrives as :class:`Fenced` through :func:`on_event` with source ``"runtime"``.
        """
        ...


class Fenced(msgspec.Struct, frozen=True, tag=True):
    """The node was killed by our :meth:`Context.fence`: from here on no effect of its old life leaves it."""

    node: str
