"""Classic mistakes in SWIM, each as the smallest edit of the real source that makes it."""

from __future__ import annotations

from typing import Any

from ...family import Mutant

QUICK: dict[str, Any] = {
    "probe_interval_s": 0.1,
    "probe_timeout_s": 0.04,
    "gossip_interval_s": 0.03,
    "push_pull_s": 0.5,
    "reconnect_s": 0.5,
    "leave_s": 0.5,
}
"""Periods short enough for much to happen in a few seconds."""

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="refutation-ignored",
        why="A suspect does not stand up for itself, and is buried alive (section 4.2).",
        file="server",
        edits=(("update.status != ALIVE and not self.leaving", "update.status < ALIVE and not self.leaving"),),
        caught_by=("opinions",),
        seed=3,
        params=QUICK,
    ),
    Mutant(
        name="incarnation-not-persisted",
        why="After a restart a member says less of itself than is said of it, and is not believed.",
        file="server",
        edits=(
            (
                '        ctx.persist("incarnation", self.incarnation)\n        self.members.put(',
                "        self.members.put(",
            ),
        ),
        caught_by=("incarnation_origin",),
        seed=8,
        params=QUICK,
    ),
    Mutant(
        name="incarnation-not-compared",
        why="Old news override new ones, so that what was refuted is believed again (section 4.2).",
        file="server",
        edits=(("if (update.incarnation, update.status) < known:", "if update.incarnation < 0:"),),
        caught_by=("precedence",),
        params=QUICK,
    ),
    Mutant(
        name="alive-overrides-at-the-same-incarnation",
        why="Old news that a member is alive override a suspicion, which then never ends in death (section 4.2).",
        file="server",
        edits=(
            (
                "            if (update.incarnation, update.status) < known:\n",
                "            if update.incarnation < known[0] or (update.status, known[1]) in ((1, 2), (1, 3)):\n",
            ),
        ),
        caught_by=("precedence",),
        params=QUICK,
    ),
    Mutant(
        name="suspicion-never-expires",
        why="A suspect stays one for ever, and a crash is never declared (section 4.2).",
        file="server",
        edits=(('        ctx.set_timer("suspicion", max(1, due - ctx.monotonic()), name)\n', "        assert due\n"),),
        caught_by=("opinions",),
        params=QUICK,
    ),
    Mutant(
        name="indirect-probe-through-the-suspect",
        why="The member that does not answer is asked to find out whether it does (section 3.1).",
        file="server",
        edits=(("self._pick(ctx, self.config.indirect_checks, self.target)", "self._pick(ctx, 3, ctx.id)"),),
        caught_by=("helpers_are_others",),
        params=QUICK,
    ),
    Mutant(
        name="piggyback-starves",
        why="What was told most is told first, so that later news wait for the end of a burst (section 4.1).",
        file="news",
        edits=(("key=told.__getitem__)", "key=lambda subject: -told[subject])"),),
        caught_by=("least_told_first",),
        params={**QUICK, "piggyback_max": 1},
    ),
    Mutant(
        name="never-reconnects",
        why="Two sides of a partition have buried each other, and neither looks again.",
        file="server",
        edits=(("        if buried:\n", "        if not ctx.id:\n"),),
        caught_by=("opinions",),
        seed=3,
        params=QUICK,
    ),
)
