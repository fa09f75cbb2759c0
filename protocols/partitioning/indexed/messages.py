"""What the indexed table sends, and what it keeps on disk."""

from __future__ import annotations

import msgspec

from ...requests import Cas, Write

Row = tuple[str, bytes | None, int]
"""A key, its record's value (None: no record), and when that was written, by its writer's clock."""


# --- clients and servers ---------------------------------------------------------------------------------------------


class Ask(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Change a record, once: ``session`` and ``sequence`` tell a repetition. ``at``: the client's wall clock, in ns."""

    operation: int
    client: str
    session: str
    sequence: int
    at: int
    request: Write | Cas


class Done(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """It took effect, once."""

    operation: int
    found: bytes | None


class Fetch(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The records of these keys."""

    query: int
    keys: tuple[str, ...]


class Search(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Whatever has that attribute, by the part of the index that is here."""

    query: int
    attribute: int


class Scan(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The records whose keys' numbers are from ``first`` to ``last``."""

    query: int
    first: int
    last: int


class Rows(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Records, as they are at whoever has them."""

    query: int
    rows: tuple[Row, ...]


class Keys(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """What a global index has under an attribute: keys, whose records are elsewhere."""

    query: int
    keys: tuple[str, ...]


# --- the index -------------------------------------------------------------------------------------------------------


class Update(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The key gets (or loses) its entry under an attribute. ``at``: wall clock of whoever has the record, in ns."""

    attribute: int
    key: str
    present: bool
    at: int


class Updates(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Changes of the index, numbered from ``first`` on in the order in which their sender made them."""

    first: int
    updates: tuple[Update, ...]


class Applied(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Your changes up to that number are on disk here."""

    number: int


# --- on disk ---------------------------------------------------------------------------------------------------------


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A value, and when it was written, by its writer's clock."""

    value: bytes
    at: int


class Result(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The last command of a session and what it found."""

    sequence: int
    found: bytes | None


class Change(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A change of a record that waits until ``target`` has applied our update ``number``."""

    ask: Ask
    target: str
    number: int
