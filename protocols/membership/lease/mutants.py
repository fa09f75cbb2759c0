"""Classic mistakes with leases, each as the smallest edit of the real source that makes it."""

from __future__ import annotations

from ...family import Mutant

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="remote-clock-trusted",
        why="The grantor's wall clock says when the term ends: two machines' clocks are compared.",
        file="server",
        edits=(
            (
                "        self.until = self.sent + self.config.held\n",
                "        self.until = ctx.monotonic() + message.wall - ctx.wall() + self.config.held\n",
            ),
        ),
        caught_by=("one_holder", "linearizable"),
        seed=63,
    ),
    Mutant(
        name="grant-forgotten",
        why="A grantor that restarts grants at once, though the term of what it had granted is not over.",
        file="server",
        edits=(("now + self.config.waited if self.promised != NOBODY else 0", "0"),),
        caught_by=("one_holder", "linearizable"),
        seed=10,
    ),
    Mutant(
        name="granted-twice",
        why="A grantor gives its grant to a higher ballot though another's term is not over.",
        file="server",
        edits=(("message.ballot <= self.promised or now < self.busy_until:", "message.ballot <= self.promised:"),),
        caught_by=("one_holder", "linearizable", "promises_rise"),
        seed=1,
    ),
    Mutant(
        name="renewed-by-one",
        why="A single answer renews the lease: cut off with a minority, the holder goes on.",
        file="server",
        edits=(("if len(answered) >= self.majority and", "if len(answered) >= 1 and"),),
        caught_by=("one_holder", "linearizable"),
        seed=18,
    ),
    Mutant(
        name="timer-trusted",
        why="A read is served as long as the timer has not rung, which it does late after a pause.",
        file="server",
        edits=(("and ctx.monotonic() < self.until\n", "\n"),),
        caught_by=("one_holder", "linearizable"),
        seed=94,
    ),
    Mutant(
        name="served-before-restored",
        why="A new holder returns what only a minority has, and the next one has never heard of it.",
        file="server",
        edits=(("        if len(self.restored) < self.majority or", "        if"),),
        caught_by=("served_is_kept", "linearizable"),
        seed=26,
    ),
    Mutant(
        name="old-ballot-stored",
        why="A value of a lower ballot than promised is kept and acknowledged: the new holder has read without it.",
        file="server",
        edits=(("if self.silent or message.entry.ballot < self.promised:", "if self.silent:"),),
        caught_by=("linearizable",),
        seed=280,
    ),
    Mutant(
        name="change-moved-to-the-next-holder",
        why="A change without an answer goes to the next holder, who does it a second time, over somebody else's.",
        file="client",
        edits=(
            ("        message = asked.sent\n", "        message = None\n"),
            ("if asked.sent is not None and asked.sent.ballot != message.ballot:", "if asked is None:"),
        ),
        caught_by=("linearizable",),
        seed=4,
    ),
)
