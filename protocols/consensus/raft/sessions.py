"""Sessions that expire: a bound on the table that makes retries exactly-once (section 6.3).

Every server has to forget the same session at the same place in the log, or one would execute a retry that another
recognises. So nobody looks at a clock: the table holds so many sessions, and where one too many is opened, the one goes
that was not used for longest, which follows from the log alone.

Forgetting is safe only if a command of a session that is gone cannot be taken for the first of a new one. So a session
is opened by an entry of its own before its first command, under the index of that entry, which no other session ever
has; and a command whose session the table does not hold is refused.
"""

from __future__ import annotations

from ...requests import Read
from ...statemachine import Command, KeyValue


class SessionExpired(Exception):
    """The command's session is not in the table any more; nothing was executed."""


class BoundedKeyValue(KeyValue):
    """A key-value store that remembers at most ``bound`` sessions: ``sessions``, the one used last at its end.

    That order is part of the replicated state. It is in snapshots, for a map is encoded in its order.
    """

    __slots__ = ("bound",)

    def __init__(self, bound: int) -> None:
        super().__init__()
        self.bound = bound

    def apply(self, command: Command) -> bytes | None:
        """Execute a command of a session that is open, or open one (sequence 0, no request).

        Raises:
            SessionExpired: there is no such session.
        """
        sessions = self.sessions
        if not command.session or type(command.request) is Read:
            return super().apply(command)
        if command.request is None:
            sessions[command.session] = (0, None)
            if len(sessions) > self.bound:
                del sessions[next(iter(sessions))]
            return None
        last = sessions.pop(command.session, None)
        if last is None:
            raise SessionExpired
        sessions[command.session] = last
        return super().apply(command)


def state_machine(bound: int) -> KeyValue:
    """The state machine of servers that remember at most so many sessions; 0: all, and none has to be opened."""
    return BoundedKeyValue(bound) if bound else KeyValue()
