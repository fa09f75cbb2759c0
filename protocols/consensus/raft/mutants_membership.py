"""Classic mistakes in changes of membership and in handing over leadership (chapter 4, section 3.10)."""

from __future__ import annotations

from ...family import Mutant

_SINGLE = {"membership_change": "single", "pre_vote": False, "election_timeout_s": (0.03, 0.05)}
_JOINT = {"membership_change": "joint", "pre_vote": False, "election_timeout_s": (0.03, 0.05)}

MEMBERSHIP: tuple[Mutant, ...] = (
    Mutant(
        name="single-change-without-fix",
        why="A new leader changes the membership before it has committed an entry of its term (correction to 4.1).",
        file="membership",
        edits=(("if not self.term_committed or self.log.changed_at > self.commit:", "if False:"),),
        caught_by=("election_safety", "leader_completeness", "state_machine_safety", "linearizable"),
        seed=188,
        params=_SINGLE,
    ),
    Mutant(
        name="change-before-last-committed",
        why="A leader begins a change while the one before is not committed: majorities two steps apart (4.1).",
        file="membership",
        edits=(("if not self.term_committed or self.log.changed_at > self.commit:", "if not self.term_committed:"),),
        caught_by=("election_safety", "leader_completeness", "state_machine_safety", "linearizable"),
        seed=188,
        params=_SINGLE,
    ),
    Mutant(
        name="joint-commit-by-one-majority",
        why="During joint consensus a majority of the new members commits alone (section 4.3).",
        file="quorum",
        edits=(
            (
                "index = min(index, quorum_index([reached.get(server, 0) for server in outgoing], len(outgoing)))",
                "pass",
            ),
        ),
        caught_by=("leader_completeness", "state_machine_safety", "linearizable"),
        seed=188,
        params=_JOINT,
    ),
    Mutant(
        name="joint-election-by-one-majority",
        why="During joint consensus a majority of the new members elects alone (section 4.3).",
        file="quorum",
        edits=(("for group in (members.voters, members.outgoing):", "for group in (members.voters,):"),),
        caught_by=("election_safety", "leader_completeness", "state_machine_safety", "linearizable"),
        params=_JOINT,
    ),
    Mutant(
        name="learner-counted-in-quorum",
        why="Who does not vote helps to commit: a learner, or a leader that removes itself (4.2.1, 4.2.2).",
        file="quorum",
        edits=(
            (
                "    index = quorum_index([reached.get(server, 0) for server in voters], len(voters))\n",
                "    most = sorted([*reached.values(), *(0 for _ in voters)])\n"
                "    index = most[-majority(len(voters))]\n",
            ),
        ),
        caught_by=("leader_completeness", "state_machine_safety", "linearizable"),
        seed=171,
    ),
    Mutant(
        name="change-without-joint-consensus",
        why="Any new membership is entered in one step: majorities of the old and the new one need not meet (4.3).",
        file="membership",
        edits=(("return Members(self.target, outgoing=members.voters)", "return Members(self.target)"),),
        caught_by=("election_safety", "leader_completeness", "state_machine_safety", "linearizable"),
        params=_JOINT,
    ),
    Mutant(
        name="transfer-without-log-check",
        why="The transferee need not have all entries, and leads because it was told to, without a vote (3.10).",
        file="election",
        edits=(
            ("if self.matches.get(self.transferee, 0) == self.log.last:", "if self.transferee:"),
            (
                "            self._stand(ctx, transfer=True)\n",
                "            self.term += 1\n            self._won(ctx)\n",
            ),
        ),
        caught_by=("election_safety", "leader_completeness"),
        seed=134,
    ),
)
