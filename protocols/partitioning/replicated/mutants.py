"""Mistakes of hosting several groups; those of Raft itself are Raft's."""

from __future__ import annotations

from ...family import Mutant

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        name="keys-by-the-clients-own-hash",
        why="Two clients take one key to different groups, and do not see each other's writes.",
        file="client",
        edits=(
            (
                "        group = group_of(request.key, self.config.groups)\n",
                "        group = group_of(request.key + ctx.id, self.config.groups)\n",
            ),
        ),
        caught_by=("linearizable",),
    ),
    Mutant(
        name="one-name-for-all-groups",
        why="Groups are told apart by their place on each server, not by their number: messages reach another group.",
        file="server",
        edits=(
            (
                "ctx.child(name_of(group), server, ",
                "ctx.child(name_of(len(self.groups)), server, ",
            ),
        ),
        caught_by=("liveness", "linearizable", "leader_completeness", "log_matching"),
    ),
    Mutant(
        name="members-by-the-servers-own-order",
        why="Each server counts the members of a group from itself, so that majorities of one group need not meet.",
        file="server",
        edits=(
            (
                "            members = members_of(group, ctx.bootstrap, self.config.replicas)\n",
                "            members = members_of(group + int(ctx.id[1:]), ctx.bootstrap, self.config.replicas)\n",
            ),
        ),
        caught_by=("liveness", "linearizable", "election_safety", "state_machine_safety", "leader_completeness"),
    ),
)
