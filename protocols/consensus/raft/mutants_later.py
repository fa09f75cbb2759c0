"""Classic mistakes in what Raft's later chapters add: snapshots, reads and leases, sessions that expire."""

from __future__ import annotations

from ...family import Mutant

_SMALL = {"snapshot_entries": 5, "snapshot_trailing": 0, "snapshot_chunk": 150}
"""Snapshots all the time, in several pieces."""
_ALWAYS = {"snapshot_entries": 1, "snapshot_trailing": 0, "max_entries": 4}
"""A snapshot an entry, so that who is behind by one entry is sent one."""
_FEW = {"max_sessions": 2}
"""Sessions expire all the time."""

SNAPSHOTS: tuple[Mutant, ...] = (
    Mutant(
        name="snapshot-drops-sessions",
        why="Who takes a snapshot over forgets which commands ran, and runs a retry again (section 5.3, 6.3).",
        file="snapshots",
        edits=(
            (
                "        self.machine.restore(state)\n",
                "        self.machine.restore(state)\n        self.machine.sessions = {}\n",
            ),
        ),
        caught_by=("linearizable", "snapshot_safety"),
        params=_SMALL,
    ),
    Mutant(
        name="snapshot-over-newer-log",
        why="A late snapshot replaces all that a follower has, acknowledged entries behind it too (figure 5.3).",
        file="snapshots",
        edits=(
            ("if message.index <= self.commit:  #", "if message.index < 0:  #"),
            ("if message.index <= log.last and log.term(message.index) == message.last_term:", "if message.index < 0:"),
        ),
        caught_by=("leader_completeness", "state_machine_safety", "snapshot_safety", "linearizable"),
        seed=54,
        params=_ALWAYS,
    ),
    Mutant(
        name="snapshot-of-the-uncommitted",
        why="A snapshot is labelled with the end of the log, not with what it holds (section 5.1).",
        file="snapshots",
        edits=(("log, index = self.log, self.applied\n", "log, index = self.log, self.log.last\n"),),
        caught_by=("snapshot_safety", "state_machine_safety", "leader_append_only"),
        params=_SMALL,
    ),
    Mutant(
        name="snapshot-pieces-unordered",
        why="A follower puts the pieces of a snapshot together as they come, whatever their offset (figure 5.3).",
        file="snapshots",
        edits=(("if message.data and message.offset == have:", "if message.data:"),),
        caught_by=("no_handler_crash", "snapshot_safety"),
        params=_SMALL,
    ),
    Mutant(
        name="snapshots-mixed",
        why="Pieces of two snapshots are put together, because only their offsets are compared (figure 5.3).",
        file="snapshots",
        edits=(("            self.pieces = []\n        self.incoming", "            pass\n        self.incoming"),),
        caught_by=("no_handler_crash", "snapshot_safety"),
        params=_SMALL,
    ),
    Mutant(
        name="compaction-forgotten-on-disk",
        why="Where the log begins is not persisted: after a restart its entries have other indices (section 5.1).",
        file="snapshots",
        edits=(('        ctx.persist("base", Position(self.log.base, self.log.base_term))\n', ""),),
        caught_by=("log_matching", "state_machine_safety", "snapshot_safety", "no_handler_crash"),
        params=_SMALL,
    ),
)

READS: tuple[Mutant, ...] = (
    Mutant(
        name="lease-outlives-promise",
        why="A leader's lease lasts longer than the shortest time its voters wait (section 6.4.1).",
        file="reads",
        edits=(("lease(self.low,", "lease(2 * self.high,"),),
        caught_by=("linearizable",),
        seed=154,
        params={"reads": "lease", "election_timeout_s": (0.2, 0.25)},
    ),
    Mutant(
        name="follower-read-unconfirmed",
        why="A follower answers from its own state, however old that is, without asking the leader (section 6.4).",
        file="reads",
        edits=(
            (
                "            self.asking.setdefault(self.batch, []).append((source, message))\n",
                "            self._answer(ctx, source, message)\n",
            ),
        ),
        caught_by=("linearizable",),
        params={"reads": "follower"},
    ),
    Mutant(
        name="follower-read-before-applied",
        why="A follower answers as soon as it knows the index, before it has applied that much (section 6.4).",
        file="reads",
        edits=(
            (
                "            index, client, request = each\n            if index <= self.applied:",
                "            index, client, request = each\n            if index:",
            ),
        ),
        caught_by=("linearizable",),
        params={"reads": "follower"},
    ),
    Mutant(
        name="follower-read-joins-late",
        why="A read that comes after the leader was asked is answered with those before: its index is too old (6.4).",
        file="reads",
        edits=(("        self.batch += 1\n", ""),),
        caught_by=("linearizable",),
        seed=42,
        params={"reads": "follower"},
    ),
)

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
        params={"max_sessions": 5, **_SMALL},
    ),
)

LATER = SNAPSHOTS + READS + SESSIONS
