"""The node API: a protocol is a state machine, and a handler call is one atomic step (a *turn*).

A role is a subclass of :class:`Node`. It declares the messages it receives, the state it keeps on disk, and one
handler a message, timer, request or event. It never does I/O: everything it wants done goes through the
:class:`Context` that a runtime (the simulator, or Ray) hands to each handler.

Two guarantees of every runtime carry all safety arguments in this repository:

* **Prefix durability.** The effects of turn *k* (messages, replies, events) leave the node only when the writes of all
  turns up to *k* are on disk. A handler may therefore persist and send in any order. ``send(..., early=True)`` is the
  one exception.
* **Atomic turns.** The writes of a turn, over all logs, keys and children, survive a crash together or not at all.

Time is in integer nanoseconds throughout this package.
"""

from __future__ import annotations

import dis
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import FunctionType, MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

import msgspec

from .immutable import explain_mutability, union_members

if TYPE_CHECKING:
    from random import Random

F = TypeVar("F", bound=Callable[..., Any])

NANOSECOND = 1
MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000


class ProtocolError(TypeError):
    """A node class contradicts itself: raised when the class is defined, before anything runs."""


# --- outcomes of an operation ---------------------------------------------------------------------------------------


class Ok(msgspec.Struct, frozen=True, tag="ok"):
    """The operation took effect, and this is its result (for a failed compare-and-set: the value witnessed)."""

    value: Any = None


class Fail(msgspec.Struct, frozen=True, tag="fail"):
    """The operation definitely did not take effect, and never will."""

    reason: str = ""


class Info(msgspec.Struct, frozen=True, tag="info"):
    """The operation may have taken effect, may do so later, or never."""

    reason: str = ""


Outcome = Ok | Fail | Info


# --- what survived a crash ------------------------------------------------------------------------------------------


class LogImage:
    """One durable log: entries ``first .. first + len(entries) - 1``; indices count from 1.

    ``first`` exceeds 1 after :meth:`Context.compact_prefix`.
    """

    __slots__ = ("entries", "first")

    def __init__(self, first: int = 1, entries: list[Any] | None = None) -> None:
        self.first = first
        self.entries: list[Any] = [] if entries is None else entries

    def __len__(self) -> int:
        return len(self.entries)

    def __repr__(self) -> str:
        return f"LogImage(first={self.first}, entries={self.entries!r})"


class Durable:
    """The state that survived, handed to :meth:`Node.start`.

    Attributes:
        lost: the disk is empty although this node has run before. What it promised then is forgotten, so a protocol
            whose promises must outlive crashes has to keep such a node from breaking them.
        torn: records at the end of the write-ahead log that were written but not synced, and were cut off.
        corrupt: synced records that no longer match their checksum; they and all that followed are cut off.
    """

    __slots__ = ("corrupt", "keys", "logs", "lost", "torn")

    def __init__(
        self,
        keys: dict[str, Any] | None = None,
        logs: dict[str, LogImage] | None = None,
        *,
        lost: bool = False,
        torn: int = 0,
        corrupt: int = 0,
    ) -> None:
        self.keys: dict[str, Any] = {} if keys is None else keys
        self.logs: dict[str, LogImage] = {} if logs is None else logs
        self.lost = lost
        self.torn = torn
        self.corrupt = corrupt

    def get(self, key: str, default: Any = None) -> Any:
        """The value last persisted under ``key``, or ``default``."""
        return self.keys.get(key, default)

    def log(self, name: str) -> LogImage:
        """The log of that name; empty if nothing was ever appended to it."""
        image = self.logs.get(name)
        return LogImage() if image is None else image


# --- what a handler may do ------------------------------------------------------------------------------------------


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


# --- administration -------------------------------------------------------------------------------------------------


class AddServer(msgspec.Struct, frozen=True, tag=True):
    """The operator asks that ``node``, which is running, become a member."""

    node: str


class RemoveServer(msgspec.Struct, frozen=True, tag=True):
    """The operator asks that ``node`` cease to be a member."""

    node: str


class Drain(msgspec.Struct, frozen=True, tag=True):
    """The operator is about to stop this node and asks it to hand over its duties."""


# --- declaring handlers ---------------------------------------------------------------------------------------------


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


class Node:
    """A role of a protocol. Subclasses declare, store their configuration, and handle; nothing else.

    Class attributes:
        messages: the union of the message types this role receives; each a frozen, tagged ``msgspec.Struct``.
        stored: durable keys and logs, name -> type of the value or entry; a name ending in ``:`` declares a family
            of keys (``"item:"`` allows ``persist("item:17", ...)``).
    """

    messages: ClassVar[Any] = None
    stored: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    handlers: ClassVar[Handlers] = Handlers()

    def __init__(self, config: Any) -> None:
        self.config = config

    def start(self, ctx: Context, durable: Durable) -> None:
        """Boot, for the first time or again; ``durable`` is what survived."""

    def inspect(self) -> Any:
        """A read-only view of this node's state, for invariants, faults ("the leader") and reports."""
        return None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.handlers = _collect(cls)
        _check_messages(cls)
        _check_stored(cls)
        _check_timers(cls)


def message_types(cls: type[Node]) -> tuple[type, ...]:
    """The message types a node class receives, in the order of their declaration."""
    return () if cls.messages is None else union_members(cls.messages)


def _collect(cls: type[Node]) -> Handlers:
    """Walk the classes base first, so that a subclass overrides by method name and keeps the registration."""
    found = Handlers()
    for base in reversed(cls.__mro__):
        for name, function in vars(base).items():
            for kind, what in getattr(function, "_handles", ()):
                table = getattr(found, kind)
                if not isinstance(table, dict):
                    setattr(found, kind, name)
                    continue
                other = table.get(what)
                if other is not None and other != name and other in vars(base):
                    raise ProtocolError(f"{cls.__name__}: {other} and {name} both handle {_name_of(what)}")
                table[what] = name
    return found


def _name_of(what: Any) -> str:
    return what.__name__ if isinstance(what, type) else repr(what)


def _check_messages(cls: type[Node]) -> None:
    declared = message_types(cls)
    tags: dict[Any, type] = {}
    for message in declared:
        problem = explain_mutability(message)
        if problem:
            raise ProtocolError(f"{cls.__name__}: message {message.__name__}: {problem}")
        tag = message.__struct_config__.tag  # type: ignore[attr-defined]
        if tag is None:
            raise ProtocolError(f"{cls.__name__}: message {message.__name__} has no tag: declare it with tag=True")
        if tag in tags:
            raise ProtocolError(f"{cls.__name__}: {message.__name__} and {tags[tag].__name__} share the tag {tag!r}")
        tags[tag] = message
        if message not in cls.handlers.message:
            name = message.__name__
            raise ProtocolError(f"{cls.__name__}: message {name} has no handler: add @on({name})")
    for message in cls.handlers.message:
        if message not in declared:
            raise ProtocolError(f"{cls.__name__}: {message.__name__} is handled but not declared in `messages`")


def _check_stored(cls: type[Node]) -> None:
    for name, kind in cls.stored.items():
        problem = explain_mutability(kind)
        if problem:
            raise ProtocolError(f"{cls.__name__}: stored {name!r}: {problem}")


def _check_timers(cls: type[Node]) -> None:
    """Every timer name that the methods of the class mention as a constant needs an ``@on_timer`` handler.

    The names are read from the bytecode: the first constant loaded after ``set_timer`` or ``cancel_timer``.
    """
    for name, function in vars(cls).items():
        if not isinstance(function, FunctionType):
            continue
        waiting: str | None = None
        for instruction in dis.get_instructions(function):
            if instruction.argval in ("set_timer", "cancel_timer") and instruction.opname.startswith("LOAD_"):
                waiting = str(instruction.argval)
            elif waiting is not None and instruction.opname.startswith("LOAD_"):
                timer = instruction.argval
                if instruction.opname == "LOAD_CONST" and isinstance(timer, str) and timer not in cls.handlers.timer:
                    known = ", ".join(sorted(cls.handlers.timer)) or "none"
                    raise ProtocolError(
                        f"{cls.__name__}.{name}: {waiting}({timer!r}) but no @on_timer({timer!r}); "
                        f"declared timers: {known}"
                    )
                waiting = None


def check_timer(cls: type[Node], name: str) -> None:
    """Raise :class:`ProtocolError` for a timer without a handler (names computed at run time)."""
    if name not in cls.handlers.timer:
        raise ProtocolError(f"{cls.__name__}: timer {name!r} has no @on_timer handler")


def stored_type(cls: type[Node], key: str) -> Any:
    """The declared type of a durable key or log.

    Raises:
        ProtocolError: the class does not declare it.
    """
    kind = cls.stored.get(key)
    if kind is None:
        family, colon, _ = key.partition(":")
        kind = cls.stored.get(family + colon) if colon else None
    if kind is None:
        known = ", ".join(sorted(cls.stored)) or "none"
        raise ProtocolError(f"{cls.__name__}: {key!r} is not declared in `stored` (declared: {known})")
    return kind
