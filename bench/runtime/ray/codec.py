"""Frames: what one host sends another in one tick of its loop, as bytes.

A frame is a fixed header and a msgpack body. The header carries the sender's life and the frame's sequence number in
it, so that neither a restart nor a late stream can pass an old frame off as new, and the time of sending, from which
an injected delay counts. Who sends is said once, in the handshake of the stream, and holds for all that follows.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from protocols.node import Node, message_types

from ..engine import Scoped

HEADER = struct.Struct("<IBIQQ")
"""Length of the body, kind, life, sequence, time of sending (CLOCK_MONOTONIC, ns)."""
HELLO, PLAIN, SCOPED, GONE = range(4)
MAX_FRAME = 64 * 2**20
MAX_HELLO = 1024
"""Nobody without the token gets a host to read more than this many bytes."""
ACCEPTED = b"\x01"
"""What a host answers to a valid hello."""

_encode = msgspec.msgpack.Encoder().encode

Entry = tuple[int, int, Any]
"""(number of the sending node, number of the receiving node, message)."""


class Hello(msgspec.Struct, frozen=True, array_like=True):
    """The first frame of a stream: the trial's secret, who speaks, in which life, and on which machine."""

    token: bytes
    host: str
    life: int
    machine: str


class Sealed(NamedTuple):
    """A message to a child, still encoded: only the child's class knows its type."""

    path: str
    content: msgspec.Raw


class BadFrame(Exception):
    """The bytes are not a frame of ours."""


class Header(NamedTuple):
    """See ``HEADER``."""

    length: int
    kind: int
    life: int
    sequence: int
    stamp: int


def frame(kind: int, life: int, sequence: int, stamp: int, body: bytes) -> bytes:
    """One frame."""
    return HEADER.pack(len(body), kind, life, sequence, stamp) + body


def hello_frame(hello: Hello) -> bytes:
    """The first frame of a stream."""
    return frame(HELLO, hello.life, 0, 0, _encode(hello))


def read_hello(body: bytes) -> Hello:
    """The hello in a frame's body.

    Raises:
        BadFrame: it is none.
    """
    try:
        return msgspec.msgpack.decode(body, type=Hello)
    except msgspec.MsgspecError as error:
        raise BadFrame(f"not a hello: {error}") from error


def encode_entries(entries: list[Entry]) -> tuple[int, bytes]:
    """(kind, body) of a frame that carries these messages, in their order."""
    for _, _, message in entries:
        if type(message) is Scoped:
            return SCOPED, _encode([_scoped(entry) for entry in entries])
    return PLAIN, _encode(entries)


def _scoped(entry: Entry) -> tuple[int, int, str, Any]:
    source, target, message = entry
    if type(message) is Scoped:
        return source, target, message.path, message.message
    return source, target, "", message


def encode_gone(nodes: Iterable[int]) -> bytes:
    """The body of a frame that says: these nodes of this host have died."""
    return _encode(list(nodes))


def message_decoder(node: type[Node]) -> msgspec.msgpack.Decoder[Any]:
    """Decodes any message that this class declares, and nothing else."""
    return msgspec.msgpack.Decoder(_union(node))


def _union(node: type[Node]) -> Any:
    types = message_types(node)
    if not types:
        return Any
    return types[0] if len(types) == 1 else node.messages


class Decoder:
    """Decodes the frames that reach a host whose nodes are all of one class."""

    __slots__ = ("_gone", "_messages", "_plain", "_scoped")

    def __init__(self, node: type[Node]) -> None:
        self._plain = msgspec.msgpack.Decoder(list[tuple[int, int, _union(node)]])  # type: ignore[misc]
        self._scoped = msgspec.msgpack.Decoder(list[tuple[int, int, str, msgspec.Raw]])
        self._gone = msgspec.msgpack.Decoder(list[int])
        self._messages = message_decoder(node)

    def entries(self, kind: int, body: bytes | memoryview) -> list[Entry]:
        """The messages of a ``PLAIN`` or ``SCOPED`` frame; those for children come :class:`Sealed`.

        Raises:
            BadFrame: the body is damaged, or holds a message that the class does not declare.
        """
        try:
            if kind == PLAIN:
                return self._plain.decode(body)  # type: ignore[no-any-return]
            if kind != SCOPED:
                raise BadFrame(f"frame kind {kind} is unknown")
            return [
                (source, target, Sealed(path, content.copy()) if path else self._messages.decode(content))
                for source, target, path, content in self._scoped.decode(body)
            ]
        except msgspec.MsgspecError as error:
            raise BadFrame(str(error)) from error

    def gone(self, body: bytes | memoryview) -> list[int]:
        """The nodes that a ``GONE`` frame names.

        Raises:
            BadFrame: the body is damaged.
        """
        try:
            return self._gone.decode(body)
        except msgspec.MsgspecError as error:
            raise BadFrame(str(error)) from error
