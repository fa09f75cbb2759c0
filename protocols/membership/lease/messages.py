"""What servers and clients say about the lease, and about the registers that its holder serves."""

from __future__ import annotations

import msgspec

from ...requests import Cas, Read, Write


class Ballot(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """Of one time of holding the lease: a number, and who wants it, so that no two servers share one."""

    number: int
    server: str


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A value with its place in the order of all writes: the holder's ballot, and its count."""

    ballot: Ballot
    count: int
    value: bytes

    def newer(self, other: Entry | None) -> bool:
        """Whether it was written after the other."""
        return other is None or (self.ballot, self.count) > (other.ballot, other.count)


class Acquire(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Grant me the lease."""

    ballot: Ballot


class Granted(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """You have my grant, for one term from when I got your request, and what I keep.

    ``wall``: the grantor's wall clock, for whoever reads a trace. No clock but one's own decides anything.
    """

    ballot: Ballot
    entries: tuple[tuple[str, Entry], ...]
    wall: int


class Denied(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Another one has my grant, or I have promised a higher ballot."""

    ballot: Ballot
    promised: Ballot


class Release(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """I shall never hold the lease under that ballot: give it to whom you like."""

    ballot: Ballot


class Restore(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Keep these: the newest that a majority knew, under my ballot."""

    ballot: Ballot
    entries: tuple[tuple[str, Entry], ...]


class Restored(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """They are on disk."""

    ballot: Ballot


class Renew(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Another term, please. ``number`` tells answers apart, as each counts from when its request was sent."""

    ballot: Ballot
    number: int


class Renewed(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Granted for another term."""

    ballot: Ballot
    number: int


class Store(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Keep this value."""

    key: str
    entry: Entry


class Stored(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """It, or something newer, is on disk."""

    ballot: Ballot
    count: int


class Find(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Who holds the lease?"""

    operation: int


class Here(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """I do, under this ballot."""

    operation: int
    ballot: Ballot


class Elsewhere(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """I do not; perhaps ``hint`` does (empty: I do not know)."""

    operation: int
    hint: str


class Do(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Do this if you still hold the lease under that ballot. ``token``: of this change, which is done once under it."""

    operation: int
    token: int
    ballot: Ballot
    request: Read | Write | Cas


class Done(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """It took effect; of a compare-and-set, the value witnessed."""

    operation: int
    result: bytes | None


class NotHolder(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """I do not hold the lease under that ballot (any more)."""

    operation: int
