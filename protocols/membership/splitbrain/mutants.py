"""Classic mistakes of takeovers, each as the smallest edit of the real source that makes it."""

from __future__ import annotations

from ...family import Mutant

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="no-fence",
        why="Whoever is deemed down is taken for dead: it may be slow, and goes on acting.",
        file="server",
        edits=(("                    ctx.fence(name)\n", "                    self.consents.add(name)\n"),),
        caught_by=("one_acts",),
        seed=9,
        params={"strategy": "keep-majority", "timeout_s": 0.12, "stable_s": 0.02},
    ),
    Mutant(
        name="consents-while-active",
        why="A server agrees that another takes over, and goes on acting.",
        file="server",
        edits=(
            (
                "            if self.active:\n                # Above",
                "            if False:\n                # Above",
            ),
        ),
        caught_by=("one_acts",),
        seed=15,
        params={"strategy": "keep-majority"},
    ),
    Mutant(
        name="consents-and-claims",
        why="A server agrees to another's attempt and keeps what it has gathered for its own.",
        file="server",
        edits=(
            ("            self._withdraw()\n        self.epoch = max", "            pass\n        self.epoch = max"),
        ),
        caught_by=("one_acts",),
        seed=106,
        params={"strategy": "keep-majority"},
    ),
    Mutant(
        name="half-is-a-majority",
        why="Both halves of an even number survive.",
        file="strategy",
        edits=(("2 * len(side) > len(members) or", "2 * len(side) >= len(members) or"),),
        caught_by=("one_side",),
        seed=3,
        params={"strategy": "keep-majority"},
    ),
    Mutant(
        name="loser-goes-on",
        why="The side that lost stops trying but does not lay down the duty that it has.",
        file="server",
        edits=(("        if self.downed:\n            self._resign(ctx)\n", "        if self.downed:\n"),),
        caught_by=("loser_stops",),
        seed=3,
        params={"strategy": "keep-majority"},
    ),
    Mutant(
        name="lease-not-looked-at",
        why="The holder acts without a look at the clock: it has stood still, and its lease has run out.",
        file="server",
        edits=(("if self.active and self.leasing and ctx.monotonic() >= self.until:", "if False:"),),
        caught_by=("one_acts",),
        seed=22,
        params={"strategy": "lease-majority"},
    ),
)
