"""What servers tell each other, and what a parent hears of its detector."""

from __future__ import annotations

import msgspec


class Heartbeat(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """I was up when I sent this (push).

    ``number`` counts the sender's periods since its boot, those too in which it could not send; ``life`` is drawn at
    each boot, so that numbers that begin anew are not taken for late ones.
    """

    life: int
    number: int


class Signed(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A :class:`Heartbeat` or :class:`Pong` that its sender has signed, for networks that do not say who sends."""

    life: int
    number: int
    signature: bytes


def claim(node: str, life: int, number: int) -> bytes:
    """What is signed: that ``node`` was up, in that life, when it had that number."""
    return f"{node}/{life}/{number}".encode()


class Ping(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Are you up? (pull)"""

    number: int


class Pong(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """I was up when I got your ping of that number (pull). ``life`` as in :class:`Heartbeat`."""

    life: int
    number: int


class Suspect(msgspec.Struct, frozen=True, tag=True):
    """To the parent: from now on ``node`` is deemed down."""

    node: str


class Trust(msgspec.Struct, frozen=True, tag=True):
    """To the parent: ``node`` is deemed up again."""

    node: str
