"""A node class that contradicts itself does not come into being: one sentence names the class and the field."""

# No `from __future__ import annotations` here: message classes are defined inside tests, and their annotations must be
# types, not names that nobody could look up later.

import enum
from collections import OrderedDict
from typing import Any, ClassVar, Literal, Optional

import msgspec
import pytest

from protocols.immutable import explain_mutability
from protocols.node import (
    Context,
    Handlers,
    Node,
    ProtocolError,
    message_types,
    on,
    on_event,
    on_request,
    on_timer,
    stored_type,
)
from tests.toys.small import Echo, Ping, Pong, Store


class Colour(enum.Enum):
    RED = 1


class Inner(msgspec.Struct, frozen=True):
    items: tuple[int, ...]


class Thawed(msgspec.Struct):
    number: int


class Bag(msgspec.Struct, frozen=True):
    items: list[int]


class Tree(msgspec.Struct, frozen=True, tag=True):
    """Recursive."""

    children: tuple["Tree", ...]


# --- messages and handlers -------------------------------------------------------------------------------------------


def test_a_message_without_a_handler() -> None:
    with pytest.raises(ProtocolError, match=r"^Deaf: message Pong has no handler: add @on\(Pong\)$"):

        class Deaf(Node):
            messages: ClassVar[Any] = Ping | Pong

            @on(Ping)
            def ping(self, ctx: Context, source: str, message: Ping) -> None: ...


def test_a_handler_of_an_undeclared_message() -> None:
    with pytest.raises(ProtocolError, match=r"^Eager: Pong is handled but not declared in `messages`$"):

        class Eager(Node):
            messages: ClassVar[Any] = Ping

            @on(Ping, Pong)
            def ping(self, ctx: Context, source: str, message: Ping) -> None: ...


def test_two_handlers_of_one_message() -> None:
    with pytest.raises(ProtocolError, match=r"^Torn: one and two both handle Ping$"):

        class Torn(Node):
            messages: ClassVar[Any] = Ping

            @on(Ping)
            def one(self, ctx: Context, source: str, message: Ping) -> None: ...

            @on(Ping)
            def two(self, ctx: Context, source: str, message: Ping) -> None: ...


def define(message: Any) -> None:
    """A node that receives this message and handles it."""

    class Receiver(Node):
        messages: ClassVar[Any] = message

        @on(message)
        def receive(self, ctx: Context, source: str, message: Any) -> None: ...


@pytest.mark.parametrize(
    ("annotation", "problem"),
    [
        (list[int], "field data: list is mutable: use tuple"),
        (dict[str, int], "field data: dict is mutable: use tuple of pairs"),
        (set[str], "field data: set is mutable: use frozenset"),
        (bytearray, "field data: bytearray is mutable: use bytes"),
        (list, "field data: list is mutable: use tuple"),
        (tuple[list[int], ...], "field data: list is mutable: use tuple"),
        (tuple[int, dict[str, int]], "field data: dict is mutable: use tuple of pairs"),
        (Optional[list[int]], "field data: list is mutable: use tuple"),  # noqa: UP045
        (int | set[int], "field data: set is mutable: use frozenset"),
        (frozenset[tuple[list[int]]], "field data: list is mutable: use tuple"),
        (Thawed, "field data: Thawed is not frozen: declare it with frozen=True"),
        (tuple[Thawed, ...], "field data: Thawed is not frozen: declare it with frozen=True"),
        (Bag, "field data: field items: list is mutable: use tuple"),
        (Any, "field data: typing.Any is not known to be immutable"),
        (object, "field data: <class 'object'> is not known to be immutable"),
        (OrderedDict[str, int], "is not known to be immutable"),
        (tuple, "field data: tuple"),  # of what?
        (frozenset, "field data: frozenset"),
    ],
)
def test_a_mutable_or_unhashable_field(annotation: Any, problem: str) -> None:
    """By annotation, all the way down: in the simulator a message is delivered as the very object that was sent."""
    message = msgspec.defstruct("Letter", [("number", int), ("data", annotation)], frozen=True, tag=True)
    with pytest.raises(ProtocolError) as raised:
        define(message)
    text = str(raised.value)
    assert text.startswith("Receiver: message Letter: field data: ")
    assert problem in text
    assert "\n" not in text


@pytest.mark.parametrize(
    "annotation",
    [
        int,
        float,
        str,
        bytes,
        bool,
        None,
        int | None,
        tuple[int, ...],
        tuple[tuple[str, bytes], ...],
        frozenset[str],
        Inner,
        tuple[Inner, ...],
        Tree,
        Colour,
        Literal["a", "b"],
        Inner | None,
    ],
)
def test_what_is_immutable_is_accepted(annotation: Any) -> None:
    define(msgspec.defstruct("Letter", [("data", annotation)], frozen=True, tag=True))


def test_a_message_that_is_not_frozen() -> None:
    message = msgspec.defstruct("Letter", [("number", int)], tag=True)
    with pytest.raises(ProtocolError, match=r"^Receiver: message Letter: Letter is not frozen: declare it with frozen"):
        define(message)


def test_a_message_without_a_tag() -> None:
    message = msgspec.defstruct("Letter", [("number", int)], frozen=True)
    with pytest.raises(ProtocolError, match=r"^Receiver: message Letter has no tag: declare it with tag=True$"):
        define(message)


def test_a_message_that_is_no_struct() -> None:
    with pytest.raises(ProtocolError, match=r"^Receiver: message dict: dict is mutable"):
        define(dict)


def test_two_messages_with_one_tag() -> None:
    one = msgspec.defstruct("One", [], frozen=True, tag="x")
    two = msgspec.defstruct("Two", [], frozen=True, tag="x")
    with pytest.raises(ProtocolError, match=r"^Receiver: Two and One share the tag 'x'$"):

        class Receiver(Node):
            messages: ClassVar[Any] = one | two

            @on(one, two)
            def receive(self, ctx: Context, source: str, message: Any) -> None: ...


def test_recursion_ends() -> None:
    assert explain_mutability(Tree) == ""


# --- timers ----------------------------------------------------------------------------------------------------------


def test_an_undeclared_timer_is_found_by_its_name() -> None:
    with pytest.raises(
        ProtocolError,
        match=r"^Sleeper\.start: set_timer\('wake'\) but no @on_timer\('wake'\); declared timers: alarm, bell$",
    ):

        class Sleeper(Node):
            def start(self, ctx: Context, durable: Any) -> None:
                ctx.set_timer("alarm", 5)
                ctx.set_timer("wake", 10, key=1)

            @on_timer("bell")
            @on_timer("alarm")
            def ring(self, ctx: Context, key: Any) -> None: ...


def test_cancelling_an_undeclared_timer_is_found_too() -> None:
    with pytest.raises(ProtocolError, match=r"^Sleeper\.stop: cancel_timer\('wake'\) .* declared timers: none$"):

        class Sleeper(Node):
            def stop(self, ctx: Context) -> None:
                ctx.cancel_timer("wake")


def test_timers_of_a_base_class_are_declared_in_its_subclasses() -> None:
    class Base(Node):
        @on_timer("tick")
        def tick(self, ctx: Context, key: Any) -> None: ...

    class Derived(Base):
        def start(self, ctx: Context, durable: Any) -> None:
            ctx.set_timer("tick", 5)

    assert Derived.handlers.timer == {"tick": "tick"}


# --- storage ---------------------------------------------------------------------------------------------------------


def test_stored_types_must_be_immutable() -> None:
    with pytest.raises(ProtocolError, match=r"^Hoarder: stored 'log': list is mutable: use tuple$"):

        class Hoarder(Node):
            stored: ClassVar[dict[str, Any]] = {"log": list[int]}


def test_the_type_of_a_stored_key() -> None:
    assert stored_type(Store, "item:17") is int
    assert stored_type(Store, "item:a:b") is int
    assert stored_type(Store, "log") is int
    with pytest.raises(ProtocolError, match=r"^Store: 'item' is not declared in `stored` \(declared: item:, log, sn"):
        stored_type(Store, "item")
    with pytest.raises(ProtocolError, match=r"^Echo: 'x' is not declared in `stored` \(declared: none\)$"):
        stored_type(Echo, "x")


# --- inheritance -----------------------------------------------------------------------------------------------------


def test_a_subclass_overrides_by_method_name_and_keeps_the_registration() -> None:
    class Louder(Echo):
        def ping(self, ctx: Context, source: str, message: Ping) -> None: ...

    assert Louder.handlers.message == {Ping: "ping", Pong: "pong"}


def test_a_subclass_may_take_a_message_over() -> None:
    class Other(Echo):
        @on(Ping)
        def ping_differently(self, ctx: Context, source: str, message: Ping) -> None: ...

    assert Other.handlers.message[Ping] == "ping_differently"
    assert Echo.handlers.message[Ping] == "ping", "the base class is as it was"


def test_message_types_in_order_of_declaration() -> None:
    assert message_types(Echo) == (Ping, Pong)
    assert message_types(Node) == ()

    class One(Node):
        messages: ClassVar[Any] = Ping

        @on(Ping)
        def ping(self, ctx: Context, source: str, message: Ping) -> None: ...

    assert message_types(One) == (Ping,)


def test_one_method_may_handle_several_things() -> None:
    class Jack(Node):
        messages: ClassVar[Any] = Ping

        @on(Ping)
        @on_request(Pong)
        @on_timer("a")
        @on_event("child", Ping)
        def anything(self, ctx: Context, *what: Any) -> None: ...

    handlers = Jack.handlers
    assert isinstance(handlers, Handlers)
    assert handlers.message == {Ping: "anything"}
    assert handlers.request == {Pong: "anything"}
    assert handlers.timer == {"a": "anything"}
    assert handlers.event_handler("child", Ping) == "anything"
    assert handlers.event_handler("child", Pong) is None
