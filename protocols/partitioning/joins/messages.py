"""What workers and clients say in a join."""

from __future__ import annotations

from typing import Literal

import msgspec

Row = tuple[int, bytes]
"""The attribute by which tables are joined, and the rest."""
Joined = tuple[int, bytes, bytes]
"""Of a row of the left table and one of the right: the attribute, and the rest of both."""

Strategy = Literal["repartition", "broadcast", "colocated", "denormalised"]


class Begin(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Take part in a join: ``attempt`` is a number that no other has."""

    attempt: int
    strategy: Strategy


class Part(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Part ``number``, from 0, of the ``of`` that the sender has of one table for the receiver."""

    client: str
    attempt: int
    left: bool
    number: int
    of: int
    rows: tuple[Row, ...]


class Answer(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Part ``number``, from 0, of the ``of`` that a worker has found."""

    attempt: int
    number: int
    of: int
    rows: tuple[Joined, ...]


class Change(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The row of the left table with that attribute has another rest now; ``copies``: wherever it was copied to."""

    attempt: int
    key: int
    rest: bytes
    copies: bool


class Changed(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """So many rows were written."""

    attempt: int
    rows: int
