"""The messages of the register: two kinds of questions, two kinds of answers."""

from __future__ import annotations

import msgspec


class Version(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """Of a write: its number, and its writer, so that no two writes share one."""

    number: int
    writer: str


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a server keeps of a key: the value of the newest version it has heard of."""

    version: Version
    value: bytes | None


class Query(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """First phase: what is your newest version of this key? ``values``: and its value."""

    phase: int
    key: str
    values: bool


class Newest(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The answer."""

    phase: int
    entry: Entry


class Store(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Second phase: keep this, unless you have something newer."""

    phase: int
    key: str
    entry: Entry


class Stored(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """This version, or a newer one, is on disk."""

    phase: int
