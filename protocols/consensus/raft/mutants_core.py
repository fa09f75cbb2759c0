"""Classic mistakes in what Raft is without its later chapters: votes, logs, commitment, clients (3, 6, 9.6, 10.2)."""

from __future__ import annotations

from ...family import Mutant

CORE: tuple[Mutant, ...] = (
    Mutant(
        name="vote-not-persisted",
        why="A voter that crashes forgets its vote and gives another in the same term: two leaders (figure 2).",
        file="election",
        edits=(
            (
                "            self.voted_for = source\n            self._save(ctx)\n",
                "            self.voted_for = source\n",
            ),
        ),
        caught_by=("election_safety",),
        seed=12,
    ),
    Mutant(
        name="term-not-persisted",
        why="After a crash a server starts again at term 0, and votes anew in terms it has voted in (figure 2).",
        file="core",
        edits=(("HardState(self.term, self.voted_for))", "HardState(0, self.voted_for))"),),
        caught_by=("election_safety",),
        seed=2,
    ),
    Mutant(
        name="double-vote",
        why="A server grants its vote to whoever asks, however often, in one term (section 3.4).",
        file="election",
        edits=(('            and self.voted_for in ("", source)\n', ""),),
        caught_by=("election_safety",),
        seed=6,
    ),
    Mutant(
        name="stale-votes-counted",
        why="A candidate counts votes that were cast for it in an earlier term (section 3.4).",
        file="election",
        edits=(
            (
                "if message.granted and self.role == CANDIDATE and message.term == self.term:",
                "if message.granted and self.role == CANDIDATE:",
            ),
        ),
        caught_by=("election_safety", "leader_completeness"),
        seed=751,
    ),
    Mutant(
        name="old-term-committed-by-counting",
        why="An entry of an older term is committed because a majority has it: figure 8 (section 3.6.2).",
        file="replication",
        edits=(
            (
                "if index > self.commit and self.log.term(index) == self.term:",
                "if index > self.commit:",
            ),
        ),
        caught_by=("leader_completeness", "state_machine_safety", "linearizable"),
        seed=30,
        params={"max_entries": 1},
    ),
    Mutant(
        name="log-comparison-by-length",
        why="Voters compare the lengths of logs, not the last terms first (section 3.6.1).",
        file="quorum",
        edits=(("return (last_term, last_index) >= (my_term, my_index)", "return last_index >= my_index"),),
        caught_by=("leader_completeness", "state_machine_safety"),
        seed=67,
    ),
    Mutant(
        name="commit-beyond-match",
        why="A follower commits its own entries up to the leader's commit index, whether they match or not (figure 2).",
        file="replication",
        edits=(("min(message.commit, match))", "min(message.commit, log.last))"),),
        caught_by=("state_machine_safety",),
        seed=34,
    ),
    Mutant(
        name="truncates-matching-entries",
        why="A follower cuts its log at any AppendEntries, so that a late one undoes what it has acknowledged (3.5).",
        file="replication",
        edits=(("if log.term(index) != entry.term:", "if index > 0:"),),
        caught_by=("leader_completeness", "state_machine_safety"),
        seed=4,
    ),
    Mutant(
        name="no-consistency-check",
        why="A follower appends without comparing the entry just before (section 3.5).",
        file="replication",
        edits=(("if prev >= log.base and log.term(prev) != message.prev_term:", "if prev < 0:"),),
        caught_by=("log_matching",),
        seed=24,
    ),
    Mutant(
        name="stale-read-by-deposed-leader",
        why="A leader answers reads without asking a majority whether it still leads (section 6.4).",
        file="reads",
        edits=(("            if self._leased(ctx):\n", "            if self.role == LEADER:\n"),),
        caught_by=("linearizable",),
        seed=2,
    ),
    Mutant(
        name="read-before-own-commit",
        why="A new leader answers reads before it has committed an entry of its term, behind its predecessor (6.4).",
        file="reads",
        edits=(("if not self.term_committed or not self.reads:", "if not self.reads:"),),
        caught_by=("linearizable",),
        seed=11,
    ),
    Mutant(
        name="sessions-not-replicated",
        why="Only the leader remembers which commands ran; after a failover a retry runs twice (section 6.3).",
        file="core",
        edits=(
            (
                "            client = self.waiting.pop(self.applied, None)\n",
                "            client = self.waiting.pop(self.applied, None)\n"
                "            if self.role != LEADER:\n"
                "                self.machine.sessions.clear()\n",
            ),
        ),
        caught_by=("linearizable",),
        seed=11,
    ),
    Mutant(
        name="acknowledged-before-fsync",
        why="A follower acknowledges entries that are not on its disk yet (figure 2: respond after updating storage).",
        file="replication",
        edits=(
            (
                "ctx.send(source, Appended(self.term, True, prev, match, 0, message.round))",
                "ctx.send(source, Appended(self.term, True, prev, match, 0, message.round), early=True)",
            ),
        ),
        caught_by=("leader_completeness", "state_machine_safety", "linearizable"),
        seed=65,
    ),
    Mutant(
        name="leader-counts-unsynced",
        why="A leader that sends before its own write is durable counts itself all the same (section 10.2.1).",
        file="replication",
        edits=(
            (
                "        index = agreed(self.matches, self.log.members)\n",
                "        self.matches[ctx.id] = self.log.last\n"
                "        index = agreed(self.matches, self.log.members)\n",
            ),
        ),
        caught_by=("leader_completeness", "state_machine_safety", "linearizable"),
        seed=197,
    ),
    Mutant(
        name="half-is-a-majority",
        why="n/2 servers decide: two disjoint halves may (in clusters of even size, and nearly so in odd ones).",
        file="quorum",
        edits=(("return n // 2 + 1", "return max(1, n // 2)"),),
        caught_by=("election_safety", "leader_completeness"),
    ),
    Mutant(
        name="deposed-taken-as-failed",
        why="A client takes any answer but success for a failure; after Deposed it may yet be committed (6.3).",
        file="client",
        edits=(
            (
                "        self._redirect(ctx, source, message.operation, message.leader)\n\n    @on(Deposed)",
                "        ctx.attempt_failed(message.operation)\n"
                "        self._redirect(ctx, source, message.operation, message.leader)\n\n    @on(Deposed)",
            ),
            (
                "        self._redirect(ctx, source, message.operation, message.leader)\n\n    def _redirect",
                "        ctx.attempt_failed(message.operation)\n"
                "        self._redirect(ctx, source, message.operation, message.leader)\n\n    def _redirect",
            ),
        ),
        caught_by=("linearizable",),
        seed=6,
        params={"operation_timeout_s": 0.3},
    ),
    Mutant(
        name="refusal-taken-as-failed",
        why="A client takes a refusal for definite, but the network may deliver the same request again later.",
        file="client",
        edits=(
            (
                "        self._redirect(ctx, source, message.operation, message.leader)\n\n    @on(Deposed)",
                "        ctx.attempt_failed(message.operation)\n"
                "        self._redirect(ctx, source, message.operation, message.leader)\n\n    @on(Deposed)",
            ),
        ),
        caught_by=("linearizable",),
        seed=6,
        params={"operation_timeout_s": 0.3},
    ),
    Mutant(
        name="corrupt-disk-trusted",
        why="A server whose disk is corrupt goes on with what is left, as if it had promised no more (section 3.8).",
        file="core",
        edits=(("if durable.lost or durable.corrupt or", "if durable.lost or"),),
        caught_by=("leader_completeness",),
        seed=142,
    ),
    Mutant(
        name="prevote-without-checkquorum",
        why="A leader that hears nobody but is heard by all goes on for ever, and PreVote keeps others from standing.",
        file="replication",
        edits=(("if self.config.check_quorum and not decides(alive, self.log.members):", "if not alive:"),),
        caught_by=("liveness",),
        seed=10,
    ),
)
