"""Raft's messages (figure 2 of the paper; dissertation, chapters 3 to 6) and what a server keeps on disk."""

from __future__ import annotations

import msgspec

from ...requests import Cas, Read, Write
from ...statemachine import Command

# --- on disk ---------------------------------------------------------------------------------------------------------


class Members(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who decides. While there are ``outgoing`` voters too, decisions take a majority of both (section 4.3)."""

    voters: tuple[str, ...]
    outgoing: tuple[str, ...] = ()

    def everybody(self) -> tuple[str, ...]:
        """The servers of both sets, each once."""
        return (*self.voters, *(server for server in self.outgoing if server not in self.voters))


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One log entry: the term in which a leader created it, and the command; or, with no command, a new membership."""

    term: int
    command: Command
    members: Members | None = None


class HardState(msgspec.Struct, frozen=True, array_like=True):
    """What must survive a crash beside the log: the latest term seen, and the vote cast in it (empty: none)."""

    term: int
    voted_for: str


class Snapshot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The state machine after entry ``index``, of ``term``, and the membership there (figure 5.1)."""

    index: int
    term: int
    members: Members
    state: bytes


class Position(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The entry just before the log's first: what the consistency check compares when all before it is gone."""

    index: int
    term: int


# --- elections -------------------------------------------------------------------------------------------------------


class RequestVote(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A candidate (the sender) asks for a vote in ``term``.

    With ``pre`` it asks whether it would get one (section 9.6); with ``transfer`` the leader has told it to stand, so
    that there is a leader is no reason to refuse (section 4.2.3).
    """

    term: int
    last_index: int
    last_term: int
    pre: bool
    transfer: bool = False


class Vote(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The answer. ``term`` is the term asked for if granted, else the voter's own."""

    term: int
    granted: bool
    pre: bool


class TimeoutNow(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The leader (the sender) of ``term`` hands its leadership over: stand for election at once (section 3.10)."""

    term: int


# --- replication -----------------------------------------------------------------------------------------------------


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


class InstallSnapshot(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A piece of the leader's snapshot up to ``index``, for who lacks entries that are gone (figure 5.3).

    ``data`` begins at byte ``offset``; ``done`` marks the last piece. A piece without data asks how far the last ones
    got, and is a heartbeat.
    """

    term: int
    index: int
    last_term: int
    members: Members
    offset: int
    data: bytes
    done: bool
    round: int


class SnapshotStored(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The answer: of the snapshot up to ``index`` we have the first ``offset`` bytes. The last piece is answered by
    ``Appended`` instead."""

    term: int
    index: int
    offset: int
    round: int


# --- reads at followers (section 6.4) --------------------------------------------------------------------------------


class ReadIndex(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A follower asks the leader from which index on its state answers the reads it calls ``number``."""

    number: int


class ReadAt(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The answer: those reads may be served by whoever has applied ``index``."""

    number: int
    index: int


# --- clients ---------------------------------------------------------------------------------------------------------


class ClientRequest(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A client's operation; ``session`` and ``sequence`` make a retry recognisable."""

    operation: int
    session: str
    sequence: int
    request: Read | Write | Cas


class OpenSession(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A client wants a session for ``operation`` (RegisterClient of section 6.3). Who asks twice may get two."""

    operation: int


class Opened(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """The session that was opened for ``operation``; its commands are numbered from 1."""

    operation: int
    session: str


class Expired(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """This copy of the command was not executed, for its session is forgotten. An earlier copy may have been."""

    operation: int


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
