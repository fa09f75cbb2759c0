"""Classic mistakes, each as the smallest edit of the real source that makes it."""

from __future__ import annotations

from ...family import Mutant

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="no-write-back",
        why="A read returns what a minority may have, and the next read its predecessor: new-old inversion (4).",
        file="client",
        edits=(("if not self.config.write_back or kept", "if self.config.write_back or kept"),),
        caught_by=("linearizable",),
        seed=3,
    ),
    Mutant(
        name="version-without-writer",
        why="Two writers choose the same version, and servers keep different values under it (Lynch, Shvartsman 1997).",
        file="client",
        edits=(("Version(number, self.writer)", 'Version(number, "")'),),
        caught_by=("one_value_a_version", "linearizable"),
    ),
    Mutant(
        name="disjoint-quorums-called-atomic",
        why="R + W <= N is promised to be linearizable: a read need not meet the last write (Gifford 1979).",
        file="config",
        edits=(("    return read + write > n\n", "    return read + write >= n\n"),),
        caught_by=("linearizable",),
        params={"read_quorum": 1, "write_quorum": 2},
        seed=5,
    ),
    Mutant(
        name="write-without-query",
        why="A writer numbers by what it has written itself: another's completed write may be above it (section 4).",
        file="client",
        edits=(
            (
                "number = max(phase.newest.version.number, self.highest.get(phase.key, 0)) + 1",
                "number = self.highest.get(phase.key, 0) + 1",
            ),
        ),
        caught_by=("linearizable",),
    ),
    Mutant(
        name="acknowledged-before-durable",
        why="A server acknowledges what is not on its disk yet, and after a crash a quorum has it no more.",
        file="server",
        edits=(("ctx.send(source, Stored(message.phase))", "ctx.send(source, Stored(message.phase), early=True)"),),
        caught_by=("linearizable",),
        seed=11,
    ),
    Mutant(
        name="older-over-newer",
        why="A late message, or a write-back, replaces what is newer (section 4: adopt the larger only).",
        file="server",
        edits=(
            (
                "if message.entry.version > self.entries.get(message.key, NOTHING).version:",
                "if message.entry.version != self.entries.get(message.key, NOTHING).version:",
            ),
        ),
        caught_by=("versions_rise", "linearizable"),
    ),
    Mutant(
        name="late-answers-counted",
        why="Answers to the first phase count for the second: a write ends before a quorum has it.",
        file="client",
        edits=(("        phase.heard = {}\n        self.phases[number]", "        self.phases[number]"),),
        caught_by=("linearizable",),
    ),
    Mutant(
        name="lost-disk-answers",
        why="A server whose disk is gone answers that nothing was written, and a quorum misses a completed write.",
        file="server",
        edits=(("self.silent = durable.lost or", "self.silent = False and"),),
        caught_by=("linearizable",),
        seed=149,
    ),
)
