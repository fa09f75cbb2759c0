"""Classic mistakes in reads by lease and at followers (section 6.4)."""

from __future__ import annotations

from ...family import Mutant

_HASTY = {
    "reads": "lease",
    "pre_vote": False,
    "election_timeout_s": (0.02, 0.021),
    "heartbeat_s": 0.018,
    "retry_s": 0.005,
}
"""One heartbeat that is lost, and its follower stands while others have promised to wait."""

READS: tuple[Mutant, ...] = (
    Mutant(
        name="lease-outlives-promise",
        why="A leader's lease lasts longer than the shortest time its voters wait (section 6.4.1).",
        file="reads",
        edits=(("lease(self.low,", "lease(2 * self.high,"),),
        caught_by=("linearizable", "lease_safety"),
        seed=154,
        params={"reads": "lease", "election_timeout_s": (0.2, 0.25)},
    ),
    Mutant(
        name="promise-kept-by-leaders-only",
        why="A voter votes for another although it hears the leader, whose lease counts on its word (6.4.1).",
        file="election",
        edits=(
            (
                "if self.config.bound and not message.transfer and self._has_leader(ctx):",
                "if self.config.bound and not message.transfer and self.role == LEADER:",
            ),
        ),
        caught_by=("linearizable", "lease_safety"),
        seed=8,
        params=_HASTY,
    ),
    Mutant(
        name="lease-kept-after-handover",
        why="A leader reads by its lease after it has told another to stand, whom voters follow at once (3.10, 6.4.1).",
        file="election",
        edits=(("            self.leasable = False  #", "            pass  #"),),
        caught_by=("linearizable", "lease_safety"),
        seed=373,
        params={"reads": "lease", "election_timeout_s": (0.3, 0.36), "max_entries": 64, "retry_s": 0.1},
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
