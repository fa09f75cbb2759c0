"""Classic mistakes in sessions that expire (section 6.3)."""

from __future__ import annotations

from ...family import Mutant
from .mutants_snapshots import SMALL

_FEW = {"max_sessions": 2}
"""Sessions expire all the time."""

SESSIONS: tuple[Mutant, ...] = (
    Mutant(
        name="expired-command-executed",
        why="A command whose session is forgotten is executed as a new session's first: a retry runs twice (6.3).",
        file="sessions",
        edits=(
            (
                "            raise SessionExpired\n",
                "            if len(sessions) >= self.bound:\n"
                "                del sessions[next(iter(sessions))]\n"
                "            last = (0, None)\n",
            ),
        ),
        caught_by=("linearizable",),
        params=_FEW,
    ),
    Mutant(
        name="expired-command-tried-anew",
        why="A client whose session expired sends the command under another, though it may have been executed (6.3).",
        file="client",
        edits=(
            (
                "        if self.pending.pop(message.operation, None) is not None:\n"
                '            ctx.reply(message.operation, Fail("the session has expired"))\n',
                "        if pending := self.pending.get(message.operation):\n"
                "            pending.message = OpenSession(message.operation)\n"
                "            now = ctx.monotonic()\n"
                "            self._wait(ctx, message.operation, pending, now + self.retry, now)\n",
            ),
        ),
        caught_by=("linearizable",),
        seed=25,
        params=_FEW,
    ),
    Mutant(
        name="expiry-by-own-clock",
        why="Each server forgets sessions by its own clock: they differ in which retries they recognise (6.3).",
        file="core",
        edits=(
            (
                "            self.applied += 1\n",
                "            self.applied += 1\n"
                "            if self.machine.sessions and ctx.monotonic() % 50_000_000 < 1_000_000:\n"
                "                del self.machine.sessions[next(iter(self.machine.sessions))]\n",
            ),
        ),
        caught_by=("session_agreement", "snapshot_safety", "linearizable"),
        params=_FEW,
    ),
    Mutant(
        name="snapshot-without-session-order",
        why="A snapshot keeps the sessions but not which of them was used last: another expires next (5.1, 6.3).",
        file="snapshots",
        edits=(
            (
                "        self.machine.restore(state)\n",
                "        self.machine.restore(state)\n"
                "        self.machine.sessions = dict(sorted(self.machine.sessions.items()))\n",
            ),
        ),
        caught_by=("session_agreement", "linearizable"),
        params={"max_sessions": 5, **SMALL},
    ),
)
