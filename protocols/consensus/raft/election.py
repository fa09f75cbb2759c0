"""Elections: timeouts, PreVote, votes, stickiness, and leadership handed over (sections 3.4, 3.10, 4.2.3, 9.6)."""

from __future__ import annotations

from typing import Any, ClassVar

from ...node import Context, Drain, on, on_admin, on_disconnect, on_timer
from .core import AMNESIAC, CANDIDATE, FOLLOWER, LEADER, PRE_CANDIDATE, UNHEARD, Core
from .messages import RequestVote, TimeoutNow, Vote
from .quorum import decides, up_to_date

HASTE = 10
"""Who has lost the leader stands within this part of the shortest election timeout: long beside a round trip."""


class Elections(Core):
    """How a server becomes leader."""

    messages: ClassVar[Any] = RequestVote | Vote | TimeoutNow

    # --- standing (sections 3.4, 9.6) --------------------------------------------------------------------------------

    def _await_leader(self, ctx: Context) -> None:
        """Randomized timeouts keep servers from standing at the same time, again and again (section 3.4)."""
        ctx.set_timer("election", self.low + int(self.random() * (self.high - self.low)))

    @on_timer("election")
    def election_timeout(self, ctx: Context, key: Any) -> None:
        """No leader was heard from: stand for election, or first ask whether that has a chance (section 9.6).

        Who is removed does not stand, once it knows that to be committed. Before, it may be needed: where two servers
        become one, only the one that goes may have the entry that says so, and it must win to bring it home (4.2.2).
        """
        ctx.mark("suspected", term=self.term)
        self.leader = ""
        if ctx.id not in self.log.members.everybody() and self.log.changed_at <= self.commit:
            self._await_leader(ctx)
        elif self.config.pre_vote:
            self.role = PRE_CANDIDATE
            self.votes = {ctx.id}
            self._await_leader(ctx)
            self._canvass(ctx, RequestVote(self.term + 1, self.log.last, self.log.last_term, True))
            if decides(self.votes, self.log.members):
                self._stand(ctx)
        else:
            self._stand(ctx)

    @on_disconnect
    def disconnected(self, ctx: Context, peer: str) -> None:
        """A stream that broke says that the leader's process has died, most likely: ask now, not a timeout later.

        Safety rests on no timeout, so an election may begin at any time. What a wrong hint could do is depose a leader
        that is alive; PreVote prevents that, for a majority must have lost it, too. A random moment first, so that of
        several who heard it at once one is ahead. Nothing is learned so from a process that hangs or is cut off.
        """
        if self.config.heed_disconnects and self.role == FOLLOWER and peer == self.leader:
            self.leader = ""
            self.heard_at = UNHEARD
            ctx.set_timer("election", int(self.random() * self.low / HASTE))

    def _stand(self, ctx: Context, *, transfer: bool = False) -> None:
        self.role = CANDIDATE
        self.term, self.voted_for = self.term + 1, ctx.id
        self._save(ctx)
        self.votes = {ctx.id}
        self._await_leader(ctx)
        self._canvass(ctx, RequestVote(self.term, self.log.last, self.log.last_term, False, transfer))
        self.stood = ctx.turn

    def _elect_alone(self, ctx: Context, durable: int) -> None:
        """Who needs no vote but its own has it once that is on disk: else a crash would free it to vote for another.

        Where others vote, none of them is asked before.
        """
        if durable >= self.stood and decides(self.votes, self.log.members):
            self._won(ctx)

    def _canvass(self, ctx: Context, request: RequestVote) -> None:
        ctx.broadcast(request, self.log.members.everybody())

    # --- voting (sections 3.4, 3.6.1, 4.2.3) -------------------------------------------------------------------------

    @on(RequestVote)
    def request_vote(self, ctx: Context, source: str, message: RequestVote) -> None:
        """Grant at most one vote a term, and only to a log at least as up to date as ours (section 3.6.1).

        To whoever asks: that it is no member by our log may only mean that ours is older (section 4.2.2).
        """
        if self.role == AMNESIAC:
            return
        if message.pre:
            self._pre_vote(ctx, source, message)
            return
        if self.config.bound and not message.transfer and self._has_leader(ctx):
            return  # not even its term is taken up: the leader may hold a lease by our word (4.2.3, 6.4.1)
        self._observe(ctx, message.term)
        granted = (
            message.term == self.term
            and self.voted_for in ("", source)
            and up_to_date(message.last_term, message.last_index, self.log.last_term, self.log.last)
        )
        if granted:
            self.voted_for = source
            self._save(ctx)
            self._await_leader(ctx)
        ctx.send(source, Vote(self.term, granted, False))

    def _has_leader(self, ctx: Context) -> bool:
        """Whether we lead, or heard from the leader less than the shortest election timeout ago."""
        return self.role == LEADER or ctx.monotonic() - self.heard_at < self.low

    def _pre_vote(self, ctx: Context, source: str, message: RequestVote) -> None:
        """Promise nothing. Say no while a leader is alive: a server that was cut off must not depose it (9.6)."""
        granted = (
            message.term > self.term
            and not self._has_leader(ctx)
            and up_to_date(message.last_term, message.last_index, self.log.last_term, self.log.last)
        )
        ctx.send(source, Vote(message.term if granted else self.term, granted, True))

    # --- winning -----------------------------------------------------------------------------------------------------

    @on(Vote)
    def vote(self, ctx: Context, source: str, message: Vote) -> None:
        """Count votes for this very election; a majority elects."""
        if self.role == AMNESIAC:
            return
        if message.pre and message.granted:
            if self.role == PRE_CANDIDATE and message.term == self.term + 1:
                self.votes.add(source)
                if decides(self.votes, self.log.members):
                    self._stand(ctx)
            return
        self._observe(ctx, message.term)
        if message.granted and self.role == CANDIDATE and message.term == self.term:
            self.votes.add(source)
            if decides(self.votes, self.log.members):
                self._won(ctx)

    def _won(self, ctx: Context) -> None:
        ctx.mark("elected", term=self.term)
        self.role = LEADER
        self.leader = ctx.id
        ctx.cancel_timer("election")
        self._lead(ctx)

    # --- handing over (section 3.10) ---------------------------------------------------------------------------------

    @on_admin(Drain)
    def drain(self, ctx: Context, request: Drain) -> None:
        """The operator will stop us: bring the best follower up to date, and have it stand before anybody times out."""
        voters = [server for server in self.log.members.voters if server != ctx.id and server in self.progress]
        if self.role != LEADER or self.transferee or not voters:
            return
        best = max(voters, key=lambda server: (self.progress[server].active, self.matches.get(server, 0)))
        self._transfer(ctx, best)

    def prefer(self, ctx: Context, server: str) -> None:
        """For whoever hosts several groups: hand over to that voter, if we lead and it keeps up.

        Until it has all, nothing new is taken: to try that with one that lags, again and again, would stop the group.
        """
        known = self.progress.get(server)
        ready = self.role == LEADER and not self.transferee and server in self.log.members.voters
        keeps_up = known is not None and known.active and self.matches.get(server, 0) >= self.commit
        if ready and server != ctx.id and keeps_up:
            self._transfer(ctx, server)

    def _transfer(self, ctx: Context, server: str) -> None:
        self.transferee = server
        ctx.mark("transfer", to=server)
        ctx.set_timer("transfer", self.high)
        self._hand_over(ctx)

    def _hand_over(self, ctx: Context) -> None:
        """Only an transferee with all our entries can win; until it has them, no new ones are taken (section 3.10)."""
        if self.matches.get(self.transferee, 0) == self.log.last:
            self.leasable = False  # it stands although voters hear from us, and who knows when this message arrives
            ctx.send(self.transferee, TimeoutNow(self.term))

    @on_timer("transfer")
    def transfer_timeout(self, ctx: Context, key: Any) -> None:
        """The transferee did not stand or did not win in an election timeout: go on leading."""
        self.transferee = ""

    @on(TimeoutNow)
    def timeout_now(self, ctx: Context, source: str, message: TimeoutNow) -> None:
        """The leader wants us to succeed it; no PreVote, for there is a leader, and it agrees."""
        if self.role == FOLLOWER and message.term == self.term and ctx.id in self.log.members.everybody():
            ctx.mark("suspected", term=self.term)
            self._stand(ctx, transfer=True)
