"""Classic mistakes of process groups, each as the smallest edit of the real source that makes it."""

from __future__ import annotations

from ...family import Mutant

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="goes-on-after-flush",
        why="A member goes on to acknowledge messages of the old view after it has told what it has of them.",
        file="ordering",
        edits=(("or not self.inside or self.stopped:", "or not self.inside:"),),
        caught_by=("linearizable", "virtual_synchrony"),
        seed=22,
    ),
    Mutant(
        name="own-messages-only",
        why="Whoever prepares a view takes what it has of the old one, not what any member has that answered.",
        file="changing",
        edits=(("end = max(answer.last for answer in flushed)", "end = self.last"),),
        caught_by=("linearizable", "virtual_synchrony"),
        seed=11,
    ),
    Mutant(
        name="accepted-ignored",
        why="Whoever prepares a view proposes its own although one may have been decided.",
        file="changing",
        edits=(("        if accepted:\n", "        if False:\n"),),
        caught_by=("primary_component",),
        seed=7,
    ),
    Mutant(
        name="promise-not-kept",
        why="What was promised for the next view is forgotten in a crash.",
        file="changing",
        edits=(('            ctx.persist("promised", promised)\n', ""),),
        caught_by=("primary_component", "virtual_synchrony", "linearizable"),
        seed=11,
    ),
    Mutant(
        name="delivered-too-early",
        why="A message is delivered, and its client answered, before every member has it.",
        file="ordering",
        edits=(('if self.config.delivery == "safe" else', 'if self.config.delivery == "none" else'),),
        caught_by=("linearizable", "virtual_synchrony"),
        seed=1,
    ),
    Mutant(
        name="minority-decides",
        why="A view is decided by fewer than a majority of the servers.",
        file="changing",
        edits=(("if len(change.accepting) >= self.majority:", "if len(change.accepting) >= self.majority - 1:"),),
        caught_by=("primary_component",),
        seed=153,
    ),
    Mutant(
        name="joiner-keeps-its-state",
        why="Whoever is taken in goes on from what it had, not from the state of the group.",
        file="changing",
        edits=(
            (
                "            self._restore(Base(decision.end, decision.digest, decision.state))\n        self.view",
                "            self.delivered, self.digest = decision.end, decision.digest\n        self.view",
            ),
        ),
        caught_by=("linearizable", "convergence"),
        seed=1,
    ),
)
