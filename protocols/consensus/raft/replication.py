"""Replication and commitment: the leader's log becomes everybody's (sections 3.5, 3.6.2, 6.2, 10.2)."""

from __future__ import annotations

from typing import Any, ClassVar

from ...node import Context, on, on_batch_end, on_durable, on_timer
from ...requests import Read
from ...statemachine import NOOP, Command
from .core import AMNESIAC, CANDIDATE, LEADER, Core, Progress
from .messages import Appended, AppendEntries, ClientRequest, Entry, OpenSession, Refused
from .quorum import agreed, decides


class Replication(Core):
    """How a leader's log reaches the others, and when it is committed."""

    messages: ClassVar[Any] = AppendEntries | Appended | ClientRequest | OpenSession

    # --- leading -----------------------------------------------------------------------------------------------------

    def _lead(self, ctx: Context) -> None:
        """Append an empty entry: only an entry of its own term lets a leader learn what is committed (section 6.4)."""
        others = [server for server in self.log.members.everybody() if server != ctx.id]
        self.progress = {server: Progress(self.log.last + 1) for server in others}
        self.matches = dict.fromkeys(self.log.members.everybody(), 0) | {ctx.id: self.log.durable}
        self.round = 0
        self.rounds = dict.fromkeys(self.log.members.everybody(), 0)
        self.rounds_sent = []
        self.term_committed = False
        self.target, self.transferee = (), ""
        self.lease_end, self.leasable = 0, self.config.reads == "lease"
        ctx.set_timer("quorum", self.high)
        self._append(ctx, NOOP)
        self.heartbeat(ctx, None)
        self._advance(ctx)

    def _stop_leading(self, ctx: Context) -> None:
        ctx.cancel_timer("heartbeat")
        ctx.cancel_timer("quorum")
        self.progress, self.target, self.transferee, self.lease_end = {}, (), "", 0

    @on_timer("quorum")
    def check_quorum(self, ctx: Context, key: Any) -> None:
        """A leader that no majority answers steps down, so that clients and followers look elsewhere (section 6.2).

        With PreVote it must: followers that hear its heartbeats, though it cannot hear them, elect nobody else.
        """
        alive = {ctx.id, *(server for server, progress in self.progress.items() if progress.active)}
        if self.config.check_quorum and not decides(alive, self.log.members):
            ctx.mark("quorum_lost", term=self.term)
            self._follow(ctx, "")
            return
        for progress in self.progress.values():
            progress.active = False
        ctx.set_timer("quorum", self.high)

    # --- taking requests (section 3.5) -------------------------------------------------------------------------------

    @on(ClientRequest)
    def client_request(self, ctx: Context, source: str, message: ClientRequest) -> None:
        """Leaders append commands; everybody else names the leader, if it knows one. Reads go their own way."""
        request = message.request
        if type(request) is Read and self.config.reads != "log":
            self._read(ctx, source, message)
            return
        self._take(ctx, source, message.operation, Command(message.session, message.sequence, request))

    @on(OpenSession)
    def open_session(self, ctx: Context, source: str, message: OpenSession) -> None:
        """A session has the index of the entry that opens it for a name: none is ever opened twice (section 6.3)."""
        self._take(ctx, source, message.operation, Command(str(self.log.last + 1), 0, None))

    def _take(self, ctx: Context, source: str, operation: int, command: Command) -> None:
        if self.role != LEADER or self.transferee:
            ctx.send(source, Refused(operation, self.transferee or self.leader))
            return
        self._append(ctx, command)
        self.waiting[self.log.last] = (source, operation)
        ctx.at_batch_end()

    @on_batch_end
    def flush(self, ctx: Context) -> None:
        """All requests that arrived together share one message a follower, and one round of confirmation."""
        if self.role == LEADER:
            if self.target:
                self._pursue(ctx)
            fresh_reads = bool(self.reads) and self.reads[-1][0] > self.round
            if fresh_reads:
                self._next_round(ctx)
            for peer, progress in self.progress.items():
                self._replicate(ctx, peer, progress, confirm=fresh_reads)
            if fresh_reads and decides({ctx.id}, self.log.members):
                self._serve_reads(ctx)
        elif self.asking:
            self._ask_leader(ctx)

    # --- sending (sections 3.5, 10.2) --------------------------------------------------------------------------------

    @on_timer("heartbeat")
    def heartbeat(self, ctx: Context, key: Any) -> None:
        """Keep followers from standing, and resend where nothing was acknowledged since the last time."""
        ctx.set_timer("heartbeat", self.config.heartbeat)
        self._next_round(ctx)
        for peer, progress in self.progress.items():
            if not progress.probing and not progress.moved and progress.next > progress.match + 1:
                progress.next = progress.match + 1
                progress.probing = True
            progress.moved = False
            progress.waiting = progress.sending is not None  # a snapshot's pieces are asked after, not repeated
            self._replicate(ctx, peer, progress, confirm=True)

    def _next_round(self, ctx: Context) -> None:
        self.round += 1
        self.rounds[ctx.id] = self.round
        if self.leasable:
            self.rounds_sent.append((self.round, ctx.monotonic()))

    def _replicate(self, ctx: Context, peer: str, progress: Progress, *, confirm: bool) -> None:
        """Send what the follower lacks, within its window; with ``confirm``, send something in any case.

        ``early``: it may leave before our own write of these entries is on disk (section 10.2.1), because a follower's
        acknowledgement speaks only for the follower; we count ourselves no sooner than :meth:`synced` says so. Our
        term and vote, which the message also relies on, were durable before any vote for us was asked for.
        """
        log = self.log
        prev = progress.next - 1
        if prev < log.base:
            if confirm or not progress.waiting:
                self._send_snapshot(ctx, peer, progress)
            return
        held_back = (progress.probing and progress.waiting) or (prev >= progress.match + self.config.max_in_flight)
        if held_back or prev >= log.last:
            if not confirm:
                return
            entries: tuple[Entry, ...] = ()
        else:
            entries = log.after(prev, self.config.max_entries)
        ctx.send(peer, AppendEntries(self.term, prev, log.term(prev), entries, self.commit, self.round), early=True)
        if progress.probing:
            progress.waiting = True
        else:
            progress.next += len(entries)

    # --- receiving ---------------------------------------------------------------------------------------------------

    @on(AppendEntries)
    def append_entries(self, ctx: Context, source: str, message: AppendEntries) -> None:
        """Accept only from the leader of the current term, and only where the logs agree just before (figure 2)."""
        if self.role == AMNESIAC:
            return
        if message.term < self.term:
            ctx.send(source, Appended(self.term, False, message.prev_index, 0, 0, message.round))
            return
        self._heard(ctx, source, message.term)
        log, prev, entries = self.log, message.prev_index, message.entries
        if prev > log.last:
            ctx.send(source, Appended(self.term, False, prev, log.last + 1, 0, message.round))
            return
        if prev >= log.base and log.term(prev) != message.prev_term:
            term = log.term(prev)
            first = prev
            while first > log.base + 1 and log.term(first - 1) == term:
                first -= 1
            ctx.send(source, Appended(self.term, False, prev, first, term, message.round))
            return
        match = prev + len(entries)
        if entries:
            # What is gone from our log was committed, so the leader's entries there are the same: skip them.
            self._store(ctx, max(prev, log.base), entries[max(0, log.base - prev) :])
        # Beyond ``match`` our log may still differ from the leader's: what is committed there says nothing about it.
        self._learn_commit(ctx, min(message.commit, match))
        ctx.send(source, Appended(self.term, True, prev, match, 0, message.round))

    def _store(self, ctx: Context, prev: int, entries: tuple[Entry, ...]) -> None:
        """Skip what we have, cut off what conflicts, append the rest.

        Never cut without a conflict: the message may be an old one, and what follows it in our log acknowledged.
        """
        log = self.log
        have = log.last
        for offset, entry in enumerate(entries):
            index = prev + offset + 1
            if index > have:
                break
            if log.term(index) != entry.term:
                ctx.mark("truncated", index=index)
                log.cut(index)
                ctx.truncate_suffix("log", index)
                break
        else:
            return
        fresh = entries[log.last - prev :]
        log.extend(fresh, ctx.turn)
        ctx.append("log", fresh)

    @on(Appended)
    def appended(self, ctx: Context, source: str, message: Appended) -> None:
        """Advance or back up one follower's progress (section 3.5; the hint: end of the paper's section 5.3)."""
        if self.role == AMNESIAC:
            return
        self._observe(ctx, message.term)
        if self.role != LEADER or message.term != self.term:
            return
        progress = self._alive(ctx, source, message.round)
        if progress is None:
            return
        if message.success:
            progress.waiting = False
            if message.match > progress.match:
                progress.match = self.matches[source] = message.match
                if progress.match > self.commit:
                    self._advance(ctx)
                if self.target:
                    self._pursue(ctx)
                if source == self.transferee:
                    self._hand_over(ctx)
            progress.next = max(progress.next, progress.match + 1)
            progress.probing = False
            progress.sending = None
        elif message.prev_index == progress.next - 1 if progress.probing else message.prev_index > progress.match:
            # Else an old answer: overtaken by a success, or one of many to what was under way when the first came. Were
            # each of those answered with a message, a network that reorders would keep their number up for ever.
            progress.next = max(progress.match + 1, min(self._retry_from(message), progress.next))
            progress.probing, progress.waiting = True, False
        if progress.next <= self.log.last and self.role == LEADER:
            self._replicate(ctx, source, progress, confirm=False)

    def _alive(self, ctx: Context, source: str, round: int) -> Progress | None:
        """It answered us in our term: note that, and what it confirms. None if it is no member any more."""
        progress = self.progress.get(source)
        if progress is not None:
            progress.active = progress.moved = True
            if round > self.rounds.get(source, 0):
                self.rounds[source] = round
                if self.reads or self.rounds_sent:
                    self._serve_reads(ctx)
        return progress

    def _retry_from(self, message: Appended) -> int:
        """Skip a whole conflicting term at a time."""
        if message.conflict_term:
            log = self.log
            index = max(log.base, min(message.prev_index, log.last))
            while index > log.base and log.term(index) > message.conflict_term:
                index -= 1
            if index > log.base and log.term(index) == message.conflict_term:
                return index + 1
        return message.match

    # --- commitment (sections 3.5, 3.6.2) ----------------------------------------------------------------------------

    @on_durable
    def synced(self, ctx: Context, turn: int) -> None:
        """Our own entries count towards a majority from here on."""
        durable = self.log.synced(turn)
        if self.role == CANDIDATE:
            self._elect_alone(ctx, turn)
        elif self.role == LEADER:
            self.matches[ctx.id] = durable
            if durable > self.commit:
                self._advance(ctx)

    def _advance(self, ctx: Context) -> None:
        """Commit what a majority has on disk, if it is of our own term.

        An entry of an older term on a majority may still be overwritten (figure 8 of the paper); it is committed
        together with the first entry of ours above it.
        """
        index = agreed(self.matches, self.log.members)
        if index > self.commit and self.log.term(index) == self.term:
            settled = self.commit < self.log.changed_at <= index
            if not self.term_committed:
                self.term_committed = settled = True
                ctx.mark("committed", term=self.term)
            self._learn_commit(ctx, index)
            if self.reads:
                self._serve_reads(ctx)
            if settled or self.target:
                self._pursue(ctx)
