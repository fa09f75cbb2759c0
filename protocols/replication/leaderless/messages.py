"""The messages of the store, and what a server keeps on disk."""

from __future__ import annotations

import msgspec

from .items import Context, Item, Sibling, Version

# --- clients and coordinators ---------------------------------------------------------------------------------------


class Get(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A client reads ``key`` at ``level``; with a session token, nothing older than ``floor``."""

    operation: int
    key: str
    level: str
    floor: Version


class Put(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A client writes (or deletes) ``key`` at ``level``, having seen ``context`` of it. A retry is the same message."""

    operation: int
    key: str
    level: str
    written: Sibling
    context: Context


class Forwarded(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A client's write, passed on by a server that is no replica of its key; the answer goes to the client."""

    client: str
    put: Put


class Got(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """What a read found."""

    operation: int
    item: Item | None


class Stored(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """As many replicas as the level asks for have the write on disk.

    ``item`` (vv, dvv): the coordinator's item with it. A context without the siblings that it covers would let the
    client overwrite what it has not seen.
    """

    operation: int
    item: Item | None


class Short(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Too few replicas answered in time. A write may be on some of them, and may yet spread to all."""

    operation: int


# --- coordinators and replicas --------------------------------------------------------------------------------------


class Replicate(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Merge this item into yours; with ``stands_for``, keep it as a hint for that replica, which is not reachable.

    ``round`` 0 asks for no answer: a repair that nobody waits for.
    """

    round: int
    key: str
    item: Item
    stands_for: str


class Replicated(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """It is on disk."""

    round: int


class Query(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """What do you have of this key? ``digest``: its digest will do. ``hints``: hints for others count too."""

    round: int
    key: str
    digest: bool
    hints: bool


class Answer(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The item, or only its digest."""

    round: int
    full: bool
    item: Item | None
    digest: int


class Handoff(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A write that you have missed, kept for you."""

    key: str
    item: Item


class HandedOff(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """It is on disk here: the hint with that digest is not needed any more."""

    key: str
    digest: int


# --- anti-entropy ---------------------------------------------------------------------------------------------------


class Compare(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Nodes of the sender's tree over the keys that both of us keep: (index, hashes of its children), at one level."""

    level: int
    nodes: tuple[tuple[int, tuple[int, ...]], ...]


class Differ(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Leaves in which we differ: (leaf, its keys with digests at the sender)."""

    leaves: tuple[tuple[int, tuple[tuple[str, int], ...]], ...]


class Exchange(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Items (None: not even a tombstone) of keys in which we differ; ``back``: send me what you make of them."""

    items: tuple[tuple[str, Item | None], ...]
    back: bool


class Fill(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The sender has lost its disk: send it what both of us keep, in order of keys, above ``after``."""

    after: str


class Filled(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A page of it, above ``after``; ``last``: that was all."""

    after: str
    items: tuple[tuple[str, Item], ...]
    last: bool


# --- on disk --------------------------------------------------------------------------------------------------------


class Hint(msgspec.Struct, frozen=True, array_like=True):
    """A write kept for a replica that was not there; ``at``: wall-clock ns when it was first kept."""

    item: Item
    at: int


class Identity(msgspec.Struct, frozen=True, array_like=True):
    """The name under which this server numbers writes. A server that lost its disk takes another one.

    ``joining``: it has lost its disk and not yet got back all that it had acknowledged.
    """

    server: str
    joining: bool
