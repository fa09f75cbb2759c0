"""What a replica keeps of a key, and how two replicas' items become one.

An item is a set of *siblings*, each a value under a unique version, with a *context*: a version vector (Parker et al.
1983) that says which versions the item has taken account of. Three ways to resolve conflicts differ in how they use it:

* ``lww``: one sibling, the one with the largest timestamp; no context. What was written beside it is lost.
* ``vv``: one vector for all siblings, with an entry a server, as Riak had it. It knows that a write was concurrent with
  *something*, not with what, so it keeps everything: Almeida et al. 2014 ("Scalable and accurate causality tracking for
  eventually consistent stores", section 3) call it sibling explosion.
* ``dvv``: each sibling has a *dot*, the server and number of its own write (dotted version vector sets, there section
  6): a write removes exactly the siblings that its context covers.

Merges by ``lww`` and ``dvv`` are joins: commutative, associative, idempotent; so replicas that have seen the same items
are equal. By ``vv`` they are not associative, which siblings are left depends on who met whom first: replicas become
equal by meeting again, and nothing is lost, but siblings come back that a write had replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import blake2b

import msgspec


class Version(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """Of one write. For ``lww`` a timestamp in ns and its writer, who breaks ties; else a dot: number and server."""

    time: int
    writer: str


NEVER = Version(-1, "")
"""Older than every version."""


class Sibling(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One value. A deleted one (a *tombstone*) stays, lest a replica that has missed the delete bring it back.

    ``at``: the wall-clock time of the write in ns, for a tombstone's age.
    """

    version: Version
    value: bytes
    deleted: bool
    at: int


Context = tuple[tuple[str, int], ...]
"""A version vector: (server, how many of its writes), sorted by server."""


class Item(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """All that is known of a key: siblings in order of their versions."""

    context: Context
    siblings: tuple[Sibling, ...]


EMPTY = Item((), ())


def newest(item: Item | None) -> Version:
    """The largest version in the item."""
    return item.siblings[-1].version if item is not None and item.siblings else NEVER


def alive(item: Item | None) -> tuple[Sibling, ...]:
    """The siblings that are not tombstones."""
    return () if item is None else tuple(sibling for sibling in item.siblings if not sibling.deleted)


def digest(item: Item | None) -> int:
    """64 bits of what the item is; equal for equal items, 0 for none."""
    if item is None:
        return 0
    said = msgspec.msgpack.encode((item.context, [sibling.version for sibling in item.siblings]))
    return int.from_bytes(blake2b(said, digest_size=8).digest(), "big")


# --- version vectors ------------------------------------------------------------------------------------------------


def join(one: Context, other: Context) -> Context:
    """The pointwise maximum.

    >>> join((("a", 1), ("b", 2)), (("b", 1), ("c", 3)))
    (('a', 1), ('b', 2), ('c', 3))
    """
    if one == other or not other:
        return one
    merged = dict(one)
    for server, number in other:
        merged[server] = max(number, merged.get(server, 0))
    return tuple(sorted(merged.items()))


def covers(context: Context, version: Version) -> bool:
    """Whether the context has taken account of that write."""
    for server, number in context:
        if server == version.writer:
            return number >= version.time
    return False


def descends(one: Context, other: Context) -> bool:
    """Whether ``one`` has taken account of all that ``other`` has.

    >>> descends((("a", 2),), (("a", 1),)), descends((("a", 2),), (("b", 1),))
    (True, False)
    """
    known = dict(one)
    return all(known.get(server, 0) >= number for server, number in other)


def _ordered(siblings: Iterable[Sibling]) -> tuple[Sibling, ...]:
    return tuple(sorted({each.version: each for each in siblings}.values(), key=lambda each: each.version))


# --- merging two items ----------------------------------------------------------------------------------------------


def merge_lww(one: Item, other: Item) -> Item:
    """The later write wins."""
    return other if newest(other) > newest(one) else one


def merge_vv(one: Item, other: Item) -> Item:
    """The item whose vector has seen the other's; all siblings of both where neither has."""
    if descends(one.context, other.context):
        if not descends(other.context, one.context):
            return one
    elif descends(other.context, one.context):
        return other
    return Item(join(one.context, other.context), _ordered((*one.siblings, *other.siblings)))


def merge_dvv(one: Item, other: Item) -> Item:
    """Siblings that both have, and those that the other has not taken account of."""
    ours = {each.version for each in one.siblings}
    theirs = {each.version for each in other.siblings}
    kept = [each for each in one.siblings if each.version in theirs or not covers(other.context, each.version)]
    kept += [each for each in other.siblings if each.version not in ours and not covers(one.context, each.version)]
    return Item(join(one.context, other.context), _ordered(kept))


MERGE: dict[str, Callable[[Item, Item], Item]] = {"lww": merge_lww, "vv": merge_vv, "dvv": merge_dvv}


def merge(how: str, one: Item | None, other: Item | None) -> Item | None:
    """The join of two items, either of which may be missing."""
    if one is None or other is None:
        return one if other is None else other
    return MERGE[how](one, other)


# --- a new write in its coordinator's item --------------------------------------------------------------------------


def write(how: str, item: Item | None, written: Sibling, context: Context, server: str) -> Item:
    """The coordinator's item after a client that had seen ``context`` wrote.

    For ``vv`` and ``dvv`` the server numbers the write itself, above all it has numbered for this key before; that is
    why a write of these is coordinated by a replica of its key.
    """
    if how == "lww":
        return Item((), (written,))
    item = item or EMPTY
    number = max(dict(item.context).get(server, 0), dict(context).get(server, 0)) + 1
    dotted = Sibling(Version(number, server), written.value, written.deleted, written.at)
    if how == "dvv":
        kept = [each for each in item.siblings if not covers(context, each.version)]
    else:
        kept = [] if descends(context, item.context) else list(item.siblings)
    return Item(join(join(item.context, context), ((server, number),)), _ordered((*kept, dotted)))
