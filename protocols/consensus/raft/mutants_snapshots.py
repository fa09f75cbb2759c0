"""Classic mistakes in snapshots (chapter 5)."""

from __future__ import annotations

from ...family import Mutant

SMALL = {"snapshot_entries": 5, "snapshot_trailing": 0, "snapshot_chunk": 150}
"""Snapshots all the time, in several pieces."""
_ALWAYS = {"snapshot_entries": 1, "snapshot_trailing": 0, "max_entries": 4}
"""A snapshot an entry, so that who is behind by one entry is sent one."""

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
        params=SMALL,
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
        params=SMALL,
    ),
    Mutant(
        name="snapshot-pieces-unordered",
        why="A follower puts the pieces of a snapshot together as they come, whatever their offset (figure 5.3).",
        file="snapshots",
        edits=(("if message.data and message.offset == have:", "if message.data:"),),
        caught_by=("no_handler_crash", "snapshot_safety"),
        params=SMALL,
    ),
    Mutant(
        name="snapshots-mixed",
        why="Pieces of two snapshots are put together, because only their offsets are compared (figure 5.3).",
        file="snapshots",
        edits=(("            self.pieces = []\n        self.incoming", "            pass\n        self.incoming"),),
        caught_by=("no_handler_crash", "snapshot_safety"),
        params=SMALL,
    ),
    Mutant(
        name="compaction-forgotten-on-disk",
        why="Where the log begins is not persisted: after a restart its entries have other indices (section 5.1).",
        file="snapshots",
        edits=(('        ctx.persist("base", Position(self.log.base, self.log.base_term))\n', ""),),
        caught_by=("log_matching", "state_machine_safety", "snapshot_safety", "no_handler_crash"),
        params=SMALL,
    ),
)
