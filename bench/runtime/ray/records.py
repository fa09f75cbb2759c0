"""Records on a node's disk: the writes of a turn, or of several, framed and checksummed; and how they are read back."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import xxhash

from protocols.node import Node, stored_type

from ..image import APPEND, PUT, Image, Write

MAGIC = 0x5142574C
HEADER = struct.Struct("<IIIQQ")
"""Magic number, length of the payload, life, turn (the last one it holds), xxh3 of (life, turn, payload)."""
MAX_RECORD = 2**30

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[int, str, msgspec.Raw]]).decode
_entries = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_seed = struct.Struct("<IQ").pack


class SyncFailed(OSError):
    """The disk did not take a write; after a failed sync nobody knows what is on it, so the node must die."""


class Recovered(NamedTuple):
    """What a log held. Attributes:

    image: keys and logs; those of children still encoded (see :func:`thaw`).
    records: intact ones.
    torn: 1 if bytes of an unfinished record were cut off at the end.
    corrupt: 1 if records that had been durable were damaged; they and all that followed were cut off.
    end: length in bytes of the intact part.
    """

    image: Image
    records: int
    torn: int
    corrupt: int
    end: int


def encode_record(life: int, turn: int, writes: list[Write]) -> bytes:
    """The writes of a turn, or of several up to ``turn``, framed.

    Raises:
        SyncFailed: they are too long for one record.
    """
    payload = _encode(writes)
    if len(payload) > MAX_RECORD:
        raise SyncFailed(f"a record of {len(payload)} bytes is above the limit of {MAX_RECORD}")
    checksum = xxhash.xxh3_64_intdigest(_seed(life, turn) + payload)
    return HEADER.pack(MAGIC, len(payload), life, turn, checksum) + payload


def _record_at(data: bytes, offset: int) -> tuple[int, int, bytes, int] | None:
    """(life, turn, payload, end) of the intact record at ``offset``, or None."""
    start = offset + HEADER.size
    if start > len(data):
        return None
    magic, length, life, turn, checksum = HEADER.unpack_from(data, offset)
    if magic != MAGIC or length > MAX_RECORD or start + length > len(data):
        return None
    payload = data[start : start + length]
    if xxhash.xxh3_64_intdigest(_seed(life, turn) + payload) != checksum:
        return None
    return life, turn, payload, start + length


def _followed(data: bytes, offset: int) -> bool:
    """Whether an intact record begins anywhere behind ``offset``."""
    magic = MAGIC.to_bytes(4, "little")
    while (offset := data.find(magic, offset + 1)) >= 0:
        if _record_at(data, offset) is not None:
            return True
    return False


Typed = Callable[[int, str, msgspec.Raw], Any]
"""Decodes the value of a write: (kind, name, encoded)."""


class Replayed(NamedTuple):
    """Where a replay ended: the length in bytes of what was intact, its records, and the last one's (life, turn)."""

    end: int
    records: int
    last: tuple[int, int]


def replay(data: bytes, image: Image, typed: Typed, last: tuple[int, int] = (0, 0), skip: bool = False) -> Replayed:
    """Apply the records up to the first that is damaged, missing or out of order.

    Args:
        data: of a file.
        image: changed in place.
        typed: decodes values.
        last: (life, turn) that the image holds already.
        skip: records up to ``last`` may come first, and are passed over.
    """
    offset, records, before = 0, 0, (0, 0) if skip else last
    while (record := _record_at(data, offset)) is not None:
        life, turn, payload, end = record
        if (life, turn) <= before:
            break
        before = (life, turn)
        if before > last:
            last = before
            image.apply([(kind, name, typed(kind, name, raw)) for kind, name, raw in _decode(payload)])
            records += 1
        offset = end
    return Replayed(offset, records, last)


def replay_same(data: bytes, image: Image, typed: Typed) -> Replayed:
    """Apply intact records up to the first that is of another turn than the first: the pieces of one checkpoint."""
    offset, records, last = 0, 0, (0, 0)
    while (record := _record_at(data, offset)) is not None:
        life, turn, payload, offset_after = record
        if records and (life, turn) != last:
            break
        last = (life, turn)
        image.apply([(kind, name, typed(kind, name, raw)) for kind, name, raw in _decode(payload)])
        records += 1
        offset = offset_after
    return Replayed(offset, records, last)


def damaged(data: bytes, offset: int) -> bool:
    """Whether what follows ``offset`` was synced once: an intact record is there, so this is not a torn end."""
    return _record_at(data, offset) is not None or _followed(data, offset)


def read_wal(data: bytes, node: type[Node]) -> Recovered:
    """Apply the records up to the first that is damaged, missing or out of order.

    Args:
        data: the file.
        node: whose ``stored`` declares the types of keys and entries.
    """
    image = Image()
    found = replay(data, image, Types(node).value)
    bad = found.end < len(data)
    corrupt = bad and damaged(data, found.end)
    return Recovered(image, found.records, int(bad and not corrupt), int(corrupt), found.end)


def read_raw(kind: int, name: str, raw: msgspec.Raw) -> Any:
    """A value as it stands, for a reader that passes it on."""
    if kind == PUT:
        return raw
    return _entries(raw) if kind == APPEND else msgspec.msgpack.decode(raw)


class Types:
    """Decodes the values of one node class; the decoder of a name is made once."""

    def __init__(self, node: type[Node]) -> None:
        self._node = node
        self._decoders: dict[tuple[int, str], msgspec.msgpack.Decoder[Any]] = {}

    def value(self, kind: int, name: str, raw: msgspec.Raw) -> Any:
        """The value of a write. A child's (``path/name``) stays encoded until the child is made."""
        if kind not in (PUT, APPEND):
            return msgspec.msgpack.decode(raw)
        decoder = self._decoders.get((kind, name))
        if decoder is not None:
            return decoder.decode(raw)
        if "/" in name.partition(":")[0]:
            return raw.copy() if kind == PUT else _split(raw)
        declared: Any = stored_type(self._node, name)
        decoder = msgspec.msgpack.Decoder(declared if kind == PUT else tuple[declared, ...])
        self._decoders[kind, name] = decoder
        return decoder.decode(raw)


def _split(raw: msgspec.Raw) -> list[msgspec.Raw]:
    return [each.copy() for each in msgspec.msgpack.decode(raw, type=list[msgspec.Raw])]


def thaw(image: Image, prefix: str, node: type[Node]) -> None:
    """Decode what a child finds below ``prefix``, in place, now that its class is known."""
    for key, value in image.keys.items():
        if type(value) is msgspec.Raw and (name := _own(key, prefix)):
            image.keys[key] = msgspec.msgpack.decode(value, type=stored_type(node, name))
    for key, log in image.logs.items():
        if (name := _own(key, prefix)) and any(type(entry) is msgspec.Raw for entry in log.entries):
            kind = stored_type(node, name)
            log.entries[:] = [
                msgspec.msgpack.decode(entry, type=kind) if type(entry) is msgspec.Raw else entry
                for entry in log.entries
            ]


def _own(key: str, prefix: str) -> str:
    """The name below the prefix, empty if it is not there or belongs to a child further down."""
    name = key[len(prefix) :] if key.startswith(prefix) else ""
    return "" if "/" in name.partition(":")[0] else name
