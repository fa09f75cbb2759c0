"""What members tell each other, and what a parent hears."""

from __future__ import annotations

import msgspec

ALIVE, SUSPECT, DEAD, LEFT = range(4)
"""What is said of a member. At one incarnation a later one overrides an earlier (SWIM, section 4.2)."""
STATUS = ("alive", "suspect", "dead", "left")


class Update(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """``subject`` is so, at this incarnation of it, as ``origin`` found."""

    subject: str
    status: int
    incarnation: int
    origin: str


Updates = tuple[Update, ...]


class Ping(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Are you up? News ride along, as on every message (section 4.1)."""

    number: int
    updates: Updates = ()


class Ack(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """I am up; or, from a helper: your target answered me."""

    number: int
    updates: Updates = ()


class PingReq(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Ping ``target`` for me."""

    number: int
    target: str
    updates: Updates = ()


class Nack(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A helper: your target has not answered me yet, but I am well (Lifeguard, section IV-A)."""

    number: int


class Gossip(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """News alone, between probes (memberlist)."""

    updates: Updates


class Sync(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """All I know, but for what everybody starts with (memberlist's push/pull); ``wanted``: tell me what you know."""

    wanted: bool
    updates: Updates


class Down(msgspec.Struct, frozen=True, tag=True):
    """To the parent: ``node`` is dead, or has left."""

    node: str


class Up(msgspec.Struct, frozen=True, tag=True):
    """To the parent: ``node`` is back, or new."""

    node: str
