"""What replicas tell each other, and what clients ask."""

from __future__ import annotations

import msgspec

from ..requests import Read, Write


class Item(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One key as it was last written: the highest (``version``, ``writer``) wins. ``value`` None: a death certificate.

    Without the certificate a replica that has not heard of a deletion would bring the item back (section 2).
    """

    key: str
    value: bytes | None
    version: int
    writer: str


Items = tuple[Item, ...]


class Rumors(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Items worth telling; ``round`` is the sender's, and comes back with the feedback."""

    round: int
    items: Items


class Useless(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Of the items that you told me in that round, I knew these at its beginning. The others were news."""

    round: int
    known: tuple[str, ...]


class AskRumors(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Anything worth telling? (pull)"""

    round: int


class State(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """All that I have (anti-entropy); ``wanted``: and what have you?"""

    wanted: bool
    items: Items


class AskState(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """All that you have, please (anti-entropy by pull)."""


class Do(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A client's operation; a write of an empty value deletes."""

    operation: int
    request: Read | Write


class Done(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """It is done here; others will hear."""

    operation: int
    value: bytes | None
