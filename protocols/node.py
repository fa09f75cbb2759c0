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

A protocol imports all it needs from here; the parts live in :mod:`.outcomes`, :mod:`.durable`, :mod:`.context` and
:mod:`.handlers`.
"""

from __future__ import annotations

import dis
from collections.abc import Mapping
from types import FunctionType, MappingProxyType
from typing import Any, ClassVar

import msgspec

from .context import Context, Fenced
from .durable import Durable, LogImage
from .handlers import (
    Handlers,
    on,
    on_admin,
    on_batch_end,
    on_disconnect,
    on_durable,
    on_event,
    on_request,
    on_storage_full,
    on_timer,
)
from .immutable import explain_mutability, union_members
from .outcomes import Fail, Info, Ok, Outcome

__all__ = [
    "MICROSECOND",
    "MILLISECOND",
    "NANOSECOND",
    "SECOND",
    "AddServer",
    "Context",
    "Drain",
    "Durable",
    "Fail",
    "Fenced",
    "Handlers",
    "Info",
    "LogImage",
    "Node",
    "Ok",
    "Outcome",
    "ProtocolError",
    "RemoveServer",
    "check_timer",
    "message_types",
    "on",
    "on_admin",
    "on_batch_end",
    "on_disconnect",
    "on_durable",
    "on_event",
    "on_request",
    "on_storage_full",
    "on_timer",
    "stored_type",
]

NANOSECOND = 1
MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000


class ProtocolError(TypeError):
    """A node class contradicts itself: raised when the class is defined, before anything runs."""


# --- administration -------------------------------------------------------------------------------------------------


class AddServer(msgspec.Struct, frozen=True, tag=True):
    """The operator asks that ``node``, which is running, become a member."""

    node: str


class RemoveServer(msgspec.Struct, frozen=True, tag=True):
    """The operator asks that ``node`` cease to be a member."""

    node: str


class Drain(msgspec.Struct, frozen=True, tag=True):
    """The operator is about to stop this node and asks it to hand over its duties."""


# --- a role ---------------------------------------------------------------------------------------------------------


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
