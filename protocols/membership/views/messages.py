"""What servers and clients of a process group say to each other."""

from __future__ import annotations

import msgspec

from ...statemachine import Command

MESSAGES = "messages"
"""The log of a view's messages on disk."""


class Ballot(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """Of one attempt to agree on a view; the server's name makes it unique."""

    round: int
    server: str


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message to the group: the ``index``-th of all, sent in ``view``, for the operation of the client ``source``."""

    index: int
    view: int
    command: Command
    source: str
    operation: int


class Decision(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The view that follows the one before it.

    Attributes:
        number: of the view.
        members: sorted; the first of them orders the messages.
        end: index of the last message of all views before.
        tail: of these, those that a member of the view before may lack.
        state: after ``end``, for those who were not in that view.
        digest: of everything delivered up to ``end``.
    """

    number: int
    members: tuple[str, ...]
    end: int
    tail: tuple[Entry, ...]
    state: bytes
    digest: int


class Accepted(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an acceptor has accepted."""

    ballot: Ballot
    decision: Decision


class Promised(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The highest ballot that an acceptor takes part in, for the view ``number``."""

    number: int
    ballot: Ballot


# --- in a view ------------------------------------------------------------------------------------------------------


class Order(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Messages of the view in their order. Everybody has those up to ``stable``."""

    view: int
    entries: tuple[Entry, ...]
    stable: int


class Ack(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """I have all messages up to ``index``, for good."""

    view: int
    index: int


class Hello(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The last view I know of is ``view``: tell me a later one; if I am not in it, take me in."""

    view: int


# --- from one view to the next --------------------------------------------------------------------------------------


class Prepare(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Take part in no lower ballot for this view, stop in the one before it, and tell me what you have of it: flush."""

    number: int
    ballot: Ballot


class Promise(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """I do. ``last``: index of my last message; -1: I was not in the view before. ``entries``: those I have kept."""

    number: int
    ballot: Ballot
    accepted: Accepted | None
    last: int
    entries: tuple[Entry, ...]


class Nack(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """I have promised more to another."""

    number: int
    ballot: Ballot


class Accept(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Accept this decision."""

    ballot: Ballot
    decision: Decision


class Accepting(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """I have accepted it, for good."""

    number: int
    ballot: Ballot


class Decide(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A majority has accepted it."""

    decision: Decision


# --- clients --------------------------------------------------------------------------------------------------------


class Ask(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Deliver this to the group, and tell me what came of it."""

    operation: int
    command: Command


class Done(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """It was delivered."""

    operation: int
    result: bytes | None


class NotMine(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """I do not order messages. ``holder``: who does, as far as I know; empty: unknown."""

    operation: int
    holder: str
