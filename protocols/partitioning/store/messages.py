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
    """What a server is to a partition (of positions from ``low`` to below ``high``), in an epoch of that partition.

    ``state``: it *serves*, alone; it has *fenced* the partition, which goes to ``other`` with the next epoch; it has
    *left* it to ``other``, which has that epoch's; or it has *ended* it, as others took its place on this server.

    What was left or ended is never forgotten: a late message of its time must find that it is over.
    """

    state: str
    epoch: int
    other: str
    low: str
    high: str


SERVES, FENCED, LEFT, ENDED = "serves", "fenced", "left", "ended"


class Result(msgspec.Struct, frozen=True, array_like=True):
    """The last command of a session and what it found."""

    sequence: int
    found: bytes | None


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """Of a table: who has the positions from ``low`` to below ``high`` (empty: all above), as which partition."""

    low: str
    high: str
    partition: int
    epoch: int
    server: str

    @property
    def rank(self) -> tuple[int, int]:
        """Of two entries for one position, the one that ranks higher is newer."""
        return self.partition, self.epoch

    def cut(self, low: str, high: str) -> Entry:
        """The same of fewer positions."""
        return Entry(low, high, self.partition, self.epoch, self.server)


class Move(msgspec.Struct, frozen=True, array_like=True):
    """The partition is to go from ``source`` to ``target``, which will serve it in ``epoch``."""

    partition: int
    source: str
    target: str
    epoch: int


class Split(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The partition, which ``server`` has, is to end. From ``at`` on ``right`` takes its place, below that ``left``.

    ``then``: who is to get the right one afterwards; empty: nobody.
    """

    partition: int
    server: str
    at: str
    left: int
    right: int
    then: str = ""


class Merge(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Two neighbours, which ``server`` has, are to end; ``whole`` takes their place."""

    lower: int
    upper: int
    server: str
    whole: int


class Directory(msgspec.Struct, frozen=True, array_like=True):
    """All partitions, the servers that take part, what is under way, and (partition, target) of moves that wait.

    ``shapings``: splits and merges under way. ``next_partition``: a number that no partition has had. ``changed``: if
    anybody has joined or left since the first day.
    """

    entries: tuple[Entry, ...]
    members: tuple[str, ...]
    moves: tuple[Move, ...]
    waiting: tuple[tuple[int, str], ...]
    shapings: tuple[Split | Merge, ...]
    next_partition: int
    changed: bool = False


# --- clients and servers ---------------------------------------------------------------------------------------------


class Ask(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """What ``client`` asks; others may pass it on, ``hops`` times. ``partition``, ``epoch``: by the asker's table."""

    operation: int
    client: str
    session: str
    sequence: int
    partition: int
    epoch: int
    hops: int
    request: Read | Write | Cas


class Done(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """It took effect, once. ``entry``: what the asker's table lacked, if it did."""

    operation: int
    found: bytes | None
    entry: Entry | None


class Elsewhere(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Not here: it is there, as far as is known; None: wait a moment."""

    operation: int
    entry: Entry | None


# --- a move ----------------------------------------------------------------------------------------------------------


class Give(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The coordinator asks the source of a move to carry it out. Sent until it says :class:`Gone`."""

    move: Move


class Shape(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The coordinator asks a server to split or merge what it has. Sent until it says :class:`Shaped`."""

    shaping: Split | Merge


class Shaped(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The split that began partition ``number`` as its left one, or the merge that did as its whole, is done."""

    number: int


class Load(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Of a partition in an epoch: its keys, operations a second, and where to split it (empty: nowhere)."""

    partition: int
    epoch: int
    keys: int
    rate: float
    at: str


class Report(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """What a server serves that it has served for as long as it reports on."""

    loads: tuple[Load, ...]


class Chunk(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Part ``number`` of ``attempt`` to move a partition: pairs and sessions that replace what came before.

    ``low``, ``high``: of the partition. ``last``: the source has fenced it, and with this the target has all of it.
    """

    partition: int
    epoch: int
    low: str
    high: str
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


class Membership(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The operator wants ``node`` to take part, or to hand over all that it has."""

    joins: bool
    node: str


class News(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The directory as the coordinator has it."""

    entries: tuple[Entry, ...]
