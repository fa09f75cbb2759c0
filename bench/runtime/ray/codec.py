"""Frames: what one host sends another in one tick of its loop, as bytes.

A frame is a fixed header and a msgpack body. The header carries the sender's life and the frame's sequence number in
it, so that neither a restart nor a late stream can pass an old frame off as new, the time of sending, from which an
injected delay counts, and a checksum over all of it that starts from the trial's secret: what is damaged, or was never
a frame of this trial, is told from what a protocol should not have sent. Who sends, and to whom, is said once, in the
handshake of the stream, and holds for all that follows.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, NamedTuple
from zlib import crc32

import msgspec

from protocols.node import Node, message_types

from ..child import Scoped
from ..sizes import size_of

HEADER = struct.Struct("<IIBIQQ")
"""Checksum of all that follows, length of the body, kind, life, sequence, time of sending (CLOCK_MONOTONIC, ns)."""
_CHECKED = struct.Struct("<IBIQQ")
CHECKED_AT = HEADER.size - _CHECKED.size
"""Where in a frame begins what the checksum covers."""
HELLO, PLAIN, SCOPED, GONE = range(4)
MAX_FRAME = 16 * 2**20
"""Bytes of a body; more to say in one tick goes in several frames, and one message above that is dropped."""
MAX_HELLO = 1024
"""Nobody without the token gets a host to read more than this many bytes."""
ACCEPTED = b"\x01"
"""What a host answers to a valid hello."""

_encode = msgspec.msgpack.Encoder().encode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises: msgspec leaves texts that are not UTF-8, and nesting without end, to Python."""

Entry = tuple[int, int, Any]
"""(number of the sending node, number of the receiving node, message)."""


class Hello(msgspec.Struct, frozen=True, array_like=True):
    """The first frame of a stream: the trial's secret, who speaks, in which life, on which machine, and to whom.

    Ports are used again: whoever listens at the address of a dead process is not who was meant, and refuses.
    """

    token: bytes
    host: str
    life: int
    machine: str
    to_host: str = ""
    to_life: int = 0


class Sealed(NamedTuple):
    """A message to a child, still encoded: only the child's class knows its type."""

    path: str
    content: msgspec.Raw


def size_received(message: Any) -> int:
    """About how many bytes a received message takes; one for a child is still encoded."""
    return memoryview(message.content).nbytes if type(message) is Sealed else size_of(message)


class BadFrame(Exception):
    """The bytes are not a frame of ours."""


def checksum_key(token: bytes) -> int:
    """Where the checksums of a trial's frames start."""
    return crc32(token)


def frame(key: int, kind: int, life: int, sequence: int, stamp: int, body: bytes) -> bytes:
    """One frame; ``key``: see :func:`checksum_key`."""
    checked = _CHECKED.pack(len(body), kind, life, sequence, stamp) + body
    return crc32(checked, key).to_bytes(CHECKED_AT, "little") + checked


def intact(key: int, checked: bytes | memoryview, checksum: int) -> bool:
    """Whether a frame arrived as it was sent; ``checked``: from ``CHECKED_AT`` to its end."""
    return crc32(checked, key) == checksum


def hello_frame(hello: Hello) -> bytes:
    """The first frame of a stream."""
    return frame(checksum_key(hello.token), HELLO, hello.life, 0, 0, _encode(hello))


def read_hello(body: bytes) -> Hello:
    """The hello in a frame's body.

    Raises:
        BadFrame: it is none.
    """
    try:
        return msgspec.msgpack.decode(body, type=Hello)
    except _UNREADABLE as error:
        raise BadFrame(f"not a hello: {error}") from error


def encode_entries(entries: list[Entry], scoped: bool = True) -> tuple[int, bytes]:
    """(kind, body) of a frame that carries these messages, in their order.

    ``scoped``: there may be some between children among them.
    """
    if scoped:
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
        except _UNREADABLE as error:
            raise BadFrame(str(error)) from error

    def gone(self, body: bytes | memoryview) -> list[int]:
        """The nodes that a ``GONE`` frame names.

        Raises:
            BadFrame: the body is damaged.
        """
        try:
            return self._gone.decode(body)
        except _UNREADABLE as error:
            raise BadFrame(str(error)) from error
