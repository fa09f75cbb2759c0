"""A Raft server: follower, candidate, leader.

Section numbers are those of Ongaro's dissertation, "Consensus: Bridging Theory and Practice" (Stanford, 2014); figure 2
of the USENIX paper has the same rules on one page. Log indices count from 1; ``self.log[i - 1]`` is entry i.

The runtime's prefix durability carries the rule "respond to RPCs only after updating stable storage": a handler writes
and answers in any order, and the answer waits for the disk. The one exception is marked ``early`` and argued there.
"""

from __future__ import annotations

from collections import deque
from typing import Any, ClassVar

import msgspec

from ...node import Context, Durable, Node, on, on_batch_end, on_durable, on_timer
from ...requests import Read
from ...statemachine import NOOP, Command, KeyValue
from .config import RaftConfig
from .messages import (
    Appended,
    AppendEntries,
    ClientRequest,
    Deposed,
    Done,
    Entry,
    HardState,
    Refused,
    RequestVote,
    Vote,
)
from .quorum import majority, quorum_index, up_to_date

FOLLOWER, PRE_CANDIDATE, CANDIDATE, LEADER, AMNESIAC = "follower", "pre-candidate", "candidate", "leader", "amnesiac"


class View(msgspec.Struct):
    """What invariants, faults and reports see of a server. ``log`` is the live list: read it, do not keep it."""

    role: str
    term: int
    voted_for: str
    leader: str
    log: list[Entry]
    commit: int
    applied: int
    data: dict[str, bytes]


def leads(view: View) -> bool:
    """Whether the server believes that it is the leader."""
    return view.role == LEADER


class Progress:
    """What a leader knows of one follower: ``match`` is known replicated, ``next`` is what to send next.

    While ``probing`` (section 10.2.2 calls the opposite pipelining) at most one message is under way, because ``next``
    is a guess; after the first success entries are sent without waiting for answers.
    """

    __slots__ = ("active", "match", "moved", "next", "probing", "round", "waiting")

    def __init__(self, next_index: int) -> None:
        self.next = next_index
        self.match = 0
        self.probing = True
        self.waiting = False
        self.moved = False  # answered since the last heartbeat
        self.active = False  # answered since the last quorum check
        self.round = 0


class Server(Node):
    """One server of the cluster."""

    messages: ClassVar[Any] = RequestVote | Vote | AppendEntries | Appended | ClientRequest
    stored: ClassVar[dict[str, Any]] = {"vote": HardState, "log": Entry, "amnesiac": bool}

    config: RaftConfig

    # --- boot --------------------------------------------------------------------------------------------------------

    def start(self, ctx: Context, durable: Durable) -> None:
        """Boot as a follower with the persisted term, vote and log; the rest is volatile (figure 2)."""
        hard: HardState = durable.get("vote", HardState(0, ""))
        self.term, self.voted_for = hard.term, hard.voted_for
        self.log: list[Entry] = durable.log("log").entries
        self.durable_index = len(self.log)
        self.unsynced: deque[tuple[int, int]] = deque()  # (turn, last index written in it)
        self.commit = 0
        self.machine = KeyValue()
        self.applied = 0
        self.leader = ""
        self.heard_at = -(1 << 62)
        self.peers = tuple(server for server in ctx.bootstrap if server != ctx.id)
        self.size = len(ctx.bootstrap)
        self.low, self.high = self.config.election_timeout
        self.random = ctx.rng.random
        self.votes: set[str] = set()
        self.progress: dict[str, Progress] = {}
        self.waiting: dict[int, tuple[str, int]] = {}  # index -> (client, operation)
        self.reads: list[tuple[int, int, str, ClientRequest]] = []  # (round, read index, client, request)
        self.round = 0
        self.term_committed = False
        self.role = FOLLOWER
        if durable.lost or durable.corrupt or durable.get("amnesiac", False):
            # It has forgotten votes and entries that others count on. Were it to vote or acknowledge, two majorities
            # could disagree; so it stays silent, like a crashed server, until it is replaced: also in later lives, for
            # what was corrupt is cut off by now, and the next one finds a disk that is in order.
            self.role = AMNESIAC
            ctx.persist("amnesiac", True)
            return
        self._await_leader(ctx)

    def inspect(self) -> View:
        """The state that the invariants of figure 3 speak of."""
        return View(
            self.role,
            self.term,
            self.voted_for,
            self.leader,
            self.log,
            self.commit,
            self.applied,
            self.machine.data,
        )

    # --- terms -------------------------------------------------------------------------------------------------------

    def _observe(self, ctx: Context, term: int) -> None:
        """A higher term makes anyone a follower in it (section 3.3).

        The election timer runs on: that somebody stands for election is no sign of a leader (figure 2).
        """
        if term > self.term:
            self.term, self.voted_for = term, ""
            self._save(ctx)
            self._follow(ctx, "")

    def _save(self, ctx: Context) -> None:
        ctx.persist("vote", HardState(self.term, self.voted_for))

    def _follow(self, ctx: Context, leader: str) -> None:
        if self.role == LEADER:
            self._retire(ctx)
        self.role = FOLLOWER
        self.leader = leader

    def _await_leader(self, ctx: Context) -> None:
        """Randomized timeouts keep servers from standing at the same time, again and again (section 3.4)."""
        ctx.set_timer("election", self.low + int(self.random() * (self.high - self.low)))

    # --- election (section 3.4) --------------------------------------------------------------------------------------

    @on_timer("election")
    def election_timeout(self, ctx: Context, key: Any) -> None:
        """No leader was heard from: stand for election, or first ask whether that has a chance (section 9.6)."""
        ctx.mark("suspected", term=self.term)
        self.leader = ""
        if self.config.pre_vote:
            self.role = PRE_CANDIDATE
            self.votes = {ctx.id}
            self._await_leader(ctx)
            ctx.broadcast(RequestVote(self.term + 1, len(self.log), self._last_term(), True))
            if len(self.votes) >= majority(self.size):
                self._stand(ctx)
        else:
            self._stand(ctx)

    def _stand(self, ctx: Context) -> None:
        self.role = CANDIDATE
        self.term, self.voted_for = self.term + 1, ctx.id
        self._save(ctx)
        self.votes = {ctx.id}
        self._await_leader(ctx)
        ctx.broadcast(RequestVote(self.term, len(self.log), self._last_term(), False))
        if len(self.votes) >= majority(self.size):
            self._lead(ctx)

    @on(RequestVote)
    def request_vote(self, ctx: Context, source: str, message: RequestVote) -> None:
        """Grant at most one vote a term, and only to a log at least as up to date as ours (section 3.6.1)."""
        if self.role == AMNESIAC:
            return
        if message.pre:
            self._pre_vote(ctx, source, message)
            return
        self._observe(ctx, message.term)
        granted = (
            message.term == self.term
            and self.voted_for in ("", source)
            and up_to_date(message.last_term, message.last_index, self._last_term(), len(self.log))
        )
        if granted:
            self.voted_for = source
            self._save(ctx)
            self._await_leader(ctx)
        ctx.send(source, Vote(self.term, granted, False))

    def _pre_vote(self, ctx: Context, source: str, message: RequestVote) -> None:
        """Promise nothing. Say no while a leader is alive: a server that was cut off must not depose it (9.6)."""
        granted = (
            message.term > self.term
            and self.role != LEADER
            and ctx.monotonic() - self.heard_at >= self.low
            and up_to_date(message.last_term, message.last_index, self._last_term(), len(self.log))
        )
        ctx.send(source, Vote(message.term if granted else self.term, granted, True))

    @on(Vote)
    def vote(self, ctx: Context, source: str, message: Vote) -> None:
        """Count votes for this very election; a majority elects."""
        if self.role == AMNESIAC:
            return
        if message.pre and message.granted:
            if self.role == PRE_CANDIDATE and message.term == self.term + 1:
                self.votes.add(source)
                if len(self.votes) >= majority(self.size):
                    self._stand(ctx)
            return
        self._observe(ctx, message.term)
        if message.granted and self.role == CANDIDATE and message.term == self.term:
            self.votes.add(source)
            if len(self.votes) >= majority(self.size):
                self._lead(ctx)

    def _lead(self, ctx: Context) -> None:
        """Append an empty entry: only an entry of its own term lets a leader learn what is committed (section 6.4)."""
        ctx.mark("elected", term=self.term)
        self.role = LEADER
        self.leader = ctx.id
        self.progress = {peer: Progress(len(self.log) + 1) for peer in self.peers}
        self.round = 0
        self.term_committed = False
        ctx.cancel_timer("election")
        ctx.set_timer("quorum", self.high)
        self._append(ctx, NOOP)
        self.heartbeat(ctx, None)
        self._advance(ctx)

    def _retire(self, ctx: Context) -> None:
        """Tell waiting clients. Their entries are in the log and may yet be committed by another leader."""
        ctx.mark("retired", term=self.term)
        ctx.cancel_timer("heartbeat")
        ctx.cancel_timer("quorum")
        for client, operation in self.waiting.values():
            ctx.send(client, Deposed(operation, ""))
        for _, _, client, request in self.reads:
            ctx.send(client, Refused(request.operation, ""))
        self.waiting.clear()
        self.reads.clear()
        self._await_leader(ctx)

    @on_timer("quorum")
    def check_quorum(self, ctx: Context, key: Any) -> None:
        """A leader that no majority answers steps down, so that clients and followers look elsewhere (section 6.2).

        With PreVote it must: followers that hear its heartbeats, though it cannot hear them, elect nobody else.
        """
        alive = 1 + sum(progress.active for progress in self.progress.values())
        if self.config.check_quorum and alive < majority(self.size):
            ctx.mark("quorum_lost", term=self.term)
            self._follow(ctx, "")
            return
        for progress in self.progress.values():
            progress.active = False
        ctx.set_timer("quorum", self.high)

    # --- replication (section 3.5) -----------------------------------------------------------------------------------

    @on(ClientRequest)
    def client_request(self, ctx: Context, source: str, message: ClientRequest) -> None:
        """Leaders append commands and queue reads; everybody else names the leader, if it knows one."""
        if self.role != LEADER:
            ctx.send(source, Refused(message.operation, self.leader))
            return
        request = message.request
        if type(request) is Read:
            self.reads.append((self.round + 1, self.commit, source, message))
            ctx.at_batch_end()
            return
        command = Command(message.session, message.sequence, request)  # type: ignore[arg-type]
        self._append(ctx, command)
        self.waiting[len(self.log)] = (source, message.operation)
        ctx.at_batch_end()

    def _append(self, ctx: Context, command: Command) -> None:
        entry = Entry(self.term, command)
        self.log.append(entry)
        ctx.append("log", (entry,))
        self.unsynced.append((ctx.turn, len(self.log)))

    @on_batch_end
    def flush(self, ctx: Context) -> None:
        """All requests that arrived together share one message a follower, and one round of confirmation."""
        if self.role == LEADER:
            fresh_reads = bool(self.reads) and self.reads[-1][0] > self.round
            if fresh_reads:
                self.round += 1
            for peer, progress in self.progress.items():
                self._replicate(ctx, peer, progress, confirm=fresh_reads)
            if not self.peers:
                self._serve_reads(ctx)

    @on_timer("heartbeat")
    def heartbeat(self, ctx: Context, key: Any) -> None:
        """Keep followers from standing, and resend where nothing was acknowledged since the last time."""
        ctx.set_timer("heartbeat", self.config.heartbeat)
        self.round += 1
        for peer, progress in self.progress.items():
            if not progress.probing and not progress.moved and progress.next > progress.match + 1:
                progress.next = progress.match + 1
                progress.probing = True
            progress.moved = progress.waiting = False
            self._replicate(ctx, peer, progress, confirm=True)

    def _replicate(self, ctx: Context, peer: str, progress: Progress, *, confirm: bool) -> None:
        """Send what the follower lacks, within its window; with ``confirm``, send something in any case.

        ``early``: it may leave before our own write of these entries is on disk (section 10.2.1), because a follower's
        acknowledgement speaks only for the follower; we count ourselves no sooner than :meth:`synced` says so. Our
        term and vote, which the message also relies on, were durable before any vote for us was asked for.
        """
        held_back = (progress.probing and progress.waiting) or (
            progress.next > progress.match + self.config.max_in_flight
        )
        if held_back or progress.next > len(self.log):
            if not confirm:
                return
            entries: tuple[Entry, ...] = ()
        else:
            entries = tuple(self.log[progress.next - 1 : progress.next - 1 + self.config.max_entries])
        prev = progress.next - 1
        prev_term = self.log[prev - 1].term if prev else 0
        ctx.send(peer, AppendEntries(self.term, prev, prev_term, entries, self.commit, self.round), early=True)
        if progress.probing:
            progress.waiting = True
        else:
            progress.next += len(entries)

    @on(AppendEntries)
    def append_entries(self, ctx: Context, source: str, message: AppendEntries) -> None:
        """Accept only from the leader of the current term, and only where the logs agree just before (figure 2)."""
        if self.role == AMNESIAC:
            return
        if message.term < self.term:
            ctx.send(source, Appended(self.term, False, message.prev_index, 0, 0, message.round))
            return
        self._observe(ctx, message.term)
        if self.role == FOLLOWER:
            self.leader = source
        else:
            self._follow(ctx, source)  # a rival won this term's election
        self._await_leader(ctx)
        self.heard_at = ctx.monotonic()
        prev = message.prev_index
        if prev > len(self.log):
            ctx.send(source, Appended(self.term, False, prev, len(self.log) + 1, 0, message.round))
            return
        if prev and self.log[prev - 1].term != message.prev_term:
            term = self.log[prev - 1].term
            first = prev
            while first > 1 and self.log[first - 2].term == term:
                first -= 1
            ctx.send(source, Appended(self.term, False, prev, first, term, message.round))
            return
        if message.entries:
            self._store(ctx, prev, message.entries)
        match = prev + len(message.entries)
        # Beyond ``match`` our log may still differ from the leader's: what is committed there says nothing about it.
        self._learn_commit(ctx, min(message.commit, match))
        ctx.send(source, Appended(self.term, True, prev, match, 0, message.round))

    def _store(self, ctx: Context, prev: int, entries: tuple[Entry, ...]) -> None:
        """Skip what we have, cut off what conflicts, append the rest.

        Never cut without a conflict: the message may be an old one, and what follows it in our log acknowledged.
        """
        have = len(self.log)
        for offset, entry in enumerate(entries):
            index = prev + offset + 1
            if index > have:
                break
            if self.log[index - 1].term != entry.term:
                ctx.mark("truncated", index=index)
                del self.log[index - 1 :]
                ctx.truncate_suffix("log", index)
                self.durable_index = min(self.durable_index, index - 1)
                self.unsynced = deque((turn, min(last, index - 1)) for turn, last in self.unsynced)
                break
        else:
            return
        fresh = entries[len(self.log) - prev :]
        self.log.extend(fresh)
        ctx.append("log", fresh)
        self.unsynced.append((ctx.turn, len(self.log)))

    @on(Appended)
    def appended(self, ctx: Context, source: str, message: Appended) -> None:
        """Advance or back up one follower's progress (section 3.5; the hint: end of the paper's section 5.3)."""
        if self.role == AMNESIAC:
            return
        self._observe(ctx, message.term)
        if self.role != LEADER or message.term != self.term:
            return
        progress = self.progress[source]
        progress.active = progress.moved = True
        if message.round > progress.round:
            progress.round = message.round
            if self.reads:
                self._serve_reads(ctx)
        if message.success:
            progress.waiting = False
            if message.match > progress.match:
                progress.match = message.match
                if message.match > self.commit:
                    self._advance(ctx)
            progress.next = max(progress.next, progress.match + 1)
            progress.probing = False
        elif message.prev_index > progress.match:  # else an old answer, overtaken by a success
            progress.next = max(progress.match + 1, min(self._retry_from(message), progress.next))
            progress.probing, progress.waiting = True, False
        if progress.next <= len(self.log):
            self._replicate(ctx, source, progress, confirm=False)

    def _retry_from(self, message: Appended) -> int:
        """Skip a whole conflicting term at a time."""
        if message.conflict_term:
            index = min(message.prev_index, len(self.log))
            while index and self.log[index - 1].term > message.conflict_term:
                index -= 1
            if index and self.log[index - 1].term == message.conflict_term:
                return index + 1
        return message.match

    # --- commitment (sections 3.5, 3.6.2) ----------------------------------------------------------------------------

    @on_durable
    def synced(self, ctx: Context, turn: int) -> None:
        """Our own entries count towards a majority from here on."""
        unsynced = self.unsynced
        while unsynced and unsynced[0][0] <= turn:
            self.durable_index = unsynced.popleft()[1]
        if self.role == LEADER and self.durable_index > self.commit:
            self._advance(ctx)

    def _advance(self, ctx: Context) -> None:
        """Commit what a majority has on disk, if it is of our own term.

        An entry of an older term on a majority may still be overwritten (figure 8 of the paper); it is committed
        together with the first entry of ours above it.
        """
        index = quorum_index([self.durable_index, *(each.match for each in self.progress.values())], self.size)
        if index > self.commit and self.log[index - 1].term == self.term:
            if not self.term_committed:
                self.term_committed = True
                ctx.mark("committed", term=self.term)
            self._learn_commit(ctx, index)
            if self.reads:
                self._serve_reads(ctx)

    def _learn_commit(self, ctx: Context, index: int) -> None:
        if index > self.commit:
            self.commit = index
        log, apply = self.log, self.machine.apply
        while self.applied < self.commit:
            result = apply(log[self.applied].command)
            self.applied += 1
            client = self.waiting.pop(self.applied, None)
            if client is not None:
                ctx.send(client[0], Done(client[1], result))

    # --- linearizable reads (section 6.4) ----------------------------------------------------------------------------

    def _serve_reads(self, ctx: Context) -> None:
        """Answer reads whose leadership is confirmed.

        A read may be answered once (1) an entry of our term is committed, for until then we do not know the latest
        commit index; (2) a majority has answered a message sent after the read arrived, so nobody else had committed
        anything newer by then; (3) the state machine has applied what was committed at that time.
        """
        if not self.term_committed or not self.reads:
            return
        confirmed = quorum_index([self.round, *(each.round for each in self.progress.values())], self.size)
        rest = []
        for read in self.reads:
            number, index, client, message = read
            if number <= confirmed and index <= self.applied:
                request = message.request
                ctx.send(client, Done(message.operation, self.machine.data.get(request.key)))
            else:
                rest.append(read)
        self.reads = rest

    def _last_term(self) -> int:
        return self.log[-1].term if self.log else 0
