"""A replicated key-value store with client sessions: the deterministic machine below a replicated log.

Sessions make retries exactly-once (Ongaro's dissertation, section 6.3): each command carries its session's id and a
sequence number; the machine remembers a session's last sequence number and result, and answers a repeated command from
there instead of executing it again. The table is part of the replicated state: every replica builds the same one.
"""

from __future__ import annotations

import msgspec

from .requests import Cas, Read, Write


class Command(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One command of one session. A ``request`` of None does nothing (a new leader's first entry)."""

    session: str
    sequence: int
    request: Write | Cas | Read | None


NOOP = Command("", 0, None)


class KeyValue:
    """Keys and sessions after a prefix of the log. ``apply`` is its only way to change, and it gets no context."""

    __slots__ = ("data", "sessions")

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}
        self.sessions: dict[str, tuple[int, bytes | None]] = {}

    def apply(self, command: Command) -> bytes | None:
        """Execute a command, unless its session has executed it before; the result is the same either way.

        A write returns None, a compare-and-set the value it found (it took effect iff that is what it expected). A read
        needs no session: to run it twice does no harm.
        """
        request = command.request
        if request is None:
            return None
        if type(request) is Read:
            return self.data.get(request.key)
        last = self.sessions.get(command.session)
        if last is not None and command.sequence <= last[0]:
            return last[1]
        result = None
        if type(request) is Write:
            self.data[request.key] = request.value
        else:
            result = self.data.get(request.key)
            if result == request.expected:  # type: ignore[union-attr]
                self.data[request.key] = request.value  # type: ignore[union-attr]
        self.sessions[command.session] = (command.sequence, result)
        return result

    def executed(self, session: str, sequence: int) -> bool:
        """Whether this command of the session has been applied."""
        last = self.sessions.get(session)
        return last is not None and sequence <= last[0]

    # --- snapshots ---------------------------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """All of it, sessions included: without them a retry that comes after the snapshot would run twice.

        Equal machines give equal bytes only if they were built in the same order: compare what :meth:`restore` makes.
        """
        return _encode((self.data, self.sessions))

    def restore(self, snapshot: bytes) -> None:
        """Become what :meth:`snapshot` saved.

        Raises:
            msgspec.DecodeError: the bytes are no snapshot.
        """
        self.data, self.sessions = _decode(snapshot)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[dict[str, bytes], dict[str, tuple[int, bytes | None]]]).decode
