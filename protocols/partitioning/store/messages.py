"""What the partitioned store sends, and what it keeps on disk."""

from __future__ import annotations

import msgspec

from ...requests import Cas, Read, Write

Pair = tuple[str, bytes]
"""A key and its value."""
Session = tuple[str, int, bytes | None]
"""A client's session: its id, the number of its last command, and what came of that."""


# --- on disk ---------------------------------------------------------------------------------------------------------


class Holding(msgspec.Struct, frozen=True, array_like=True):
    """What a server is to a partition, in an epoch of that partition.

    ``state``: it *serves*, alone; it has *fenced* the partition, which goes to ``other`` with the next epoch; or it has
    *left* it to ``other``, which has that epoch's.
    """

    state: str
    epoch: int
    other: str


SERVES, FENCED, LEFT = "serves", "fenced", "left"


class Result(msgspec.Struct, frozen=True, array_like=True):
    """The last command of a session and what it found."""

    sequence: int
    found: bytes | None


class Owner(msgspec.Struct, frozen=True, array_like=True):
    """An entry of the directory: who has a partition, since which epoch."""

    server: str
    epoch: int


class Move(msgspec.Struct, frozen=True, array_like=True):
    """The partition is to go from ``source`` to ``target``, which will serve it in ``epoch``."""

    partition: int
    source: str
    target: str
    epoch: int


class Directory(msgspec.Struct, frozen=True, array_like=True):
    """All partitions' owners, the servers that take part, moves under way, and (partition, target) of what waits."""

    owners: tuple[Owner, ...]
    members: tuple[str, ...]
    moves: tuple[Move, ...]
    waiting: tuple[tuple[int, str], ...] = ()


# --- clients and servers ---------------------------------------------------------------------------------------------


class Ask(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """What ``client`` asks; others may pass it on, ``hops`` times. ``epoch``: of the client's table."""

    operation: int
    client: str
    session: str
    sequence: int
    epoch: int
    hops: int
    request: Read | Write | Cas


class Done(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """It took effect, once. ``epoch``: of the partition, at the server that answers."""

    operation: int
    partition: int
    epoch: int
    found: bytes | None


class Elsewhere(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Not here: the partition is at ``server`` since ``epoch``, as far as is known; empty: wait a moment."""

    operation: int
    partition: int
    server: str
    epoch: int


# --- a move ----------------------------------------------------------------------------------------------------------


class Give(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The coordinator asks the source of a move to carry it out. Sent until it says :class:`Gone`."""

    move: Move


class Chunk(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Part ``number`` of ``attempt`` to move a partition: pairs and sessions that replace what came before.

    ``last``: the source has fenced the partition, and with this the target has all of it.
    """

    partition: int
    epoch: int
    attempt: int
    number: int
    pairs: tuple[Pair, ...]
    sessions: tuple[Session, ...]
    last: bool


class Got(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Parts of that attempt up to ``number`` are stored."""

    partition: int
    attempt: int
    number: int


class Lost(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The target knows nothing of the attempt's earlier parts (it was restarted): begin again."""

    partition: int
    attempt: int


class Taken(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The target serves the partition since ``epoch``: the source may forget it."""

    partition: int
    epoch: int


class Gone(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The source has left the partition to the target."""

    partition: int
    epoch: int


class News(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The directory as the coordinator has it."""

    owners: tuple[Owner, ...]
