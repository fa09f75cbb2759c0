"""Raft's messages (figure 2 of the paper) and what a server keeps on disk."""

from __future__ import annotations

import msgspec

from ...requests import Cas, Read, Write
from ...statemachine import Command


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One log entry: the term in which a leader created it, and the command."""

    term: int
    command: Command


class HardState(msgspec.Struct, frozen=True, array_like=True):
    """What must survive a crash beside the log: the latest term seen, and the vote cast in it (empty: none)."""

    term: int
    voted_for: str


class RequestVote(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A candidate (the sender) asks for a vote in ``term``; with ``pre``, whether it would get one (section 9.6)."""

    term: int
    last_index: int
    last_term: int
    pre: bool


class Vote(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The answer. ``term`` is the term asked for if granted, else the voter's own."""

    term: int
    granted: bool
    pre: bool


class AppendEntries(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The leader (the sender) of ``term`` replicates ``entries`` after (prev_index, prev_term); empty: a heartbeat.

    ``round`` numbers the leader's broadcasts, so that the answer also confirms its leadership (section 6.4).
    """

    term: int
    prev_index: int
    prev_term: int
    entries: tuple[Entry, ...]
    commit: int
    round: int


class Appended(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The answer to the AppendEntries that came after ``prev_index``.

    If ``success``, the follower's log matches the leader's up to ``match``. Else the logs differ at ``prev_index``:
    ``match`` is the first index the follower holds of ``conflict_term`` (or, if its log is shorter and the term 0,
    one past its end).
    """

    term: int
    success: bool
    prev_index: int
    match: int
    conflict_term: int
    round: int


class ClientRequest(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A client's operation; ``session`` and ``sequence`` make a retry recognisable."""

    operation: int
    session: str
    sequence: int
    request: Read | Write | Cas


class Done(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The operation took effect, with this result."""

    operation: int
    result: bytes | None


class Refused(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The server does not lead and has not taken the operation up; ask ``leader`` (if known)."""

    operation: int
    leader: str


class Deposed(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The server had taken the operation up and then lost its leadership: it may take effect yet, or never."""

    operation: int
    leader: str
