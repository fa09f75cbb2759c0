"""Membership change: one server at a time, or any number through joint consensus (chapter 4).

The operator says whom it wants. The leader goes there by steps, each a new membership in the log, which counts from the
moment at which it is there. Whoever is to join first catches up as a learner, which has no vote.
"""

from __future__ import annotations

from typing import Any

from ...node import AddServer, Context, RemoveServer, on_admin, on_timer
from ...statemachine import NOOP
from .core import LEADER, Core, Progress
from .messages import Members, TimeoutNow

ROUNDS = 10
"""A newcomer that has not caught up after so many longest election timeouts is given up (section 4.2.1)."""


class Membership(Core):
    """How the set of servers changes."""

    @on_admin(AddServer, RemoveServer)
    def change(self, ctx: Context, request: AddServer | RemoveServer) -> None:
        """Set out for what the operator wants now, whatever was wanted before; only the leader can."""
        if self.role != LEADER or self.transferee:
            return
        wanted = [server for server in self.target or self.log.members.voters if server != request.node]
        if type(request) is AddServer:
            wanted.append(request.node)
        if not wanted:
            return  # somebody must be left to decide
        self.target = tuple(sorted(wanted))
        ctx.set_timer("learners", ROUNDS * self.high)
        ctx.at_batch_end()  # what the operator asks for together is one target

    def _pursue(self, ctx: Context) -> None:
        """Take the next step, if it is time.

        Not before an entry of our term is committed, nor while the last step is not: of two changes that are both
        under way, by two leaders, the majorities need not meet (Ongaro's correction of 10 July 2015 to section 4.1).
        """
        members = self.log.members
        if not self.term_committed or self.log.changed_at > self.commit:
            return
        if members.outgoing:
            self._enter(ctx, Members(members.voters))  # both halves have agreed: leave the old ones behind (4.3)
            return
        self._dismiss(ctx, members)
        if self.role != LEADER or not self.target:
            return
        if set(self.target) == set(members.voters):
            self.target = ()
            ctx.cancel_timer("learners")
            ctx.mark("membership", voters=" ".join(sorted(members.voters)))
            return
        newcomers = [server for server in self.target if server not in members.voters]
        ready = [self._caught_up(ctx, server) for server in newcomers]  # all of them learn at the same time
        if all(ready):
            self._enter(ctx, self._next(ctx, members, newcomers))

    def _next(self, ctx: Context, members: Members, newcomers: list[str]) -> Members:
        """All at once through joint consensus; or one: first who joins, last who leaves, and ourselves after all."""
        if self.config.membership_change == "joint":
            return Members(self.target, outgoing=members.voters)
        if newcomers:
            return Members((*members.voters, newcomers[0]))
        leaving = [server for server in members.voters if server not in self.target]
        gone = min(leaving, key=lambda server: server == ctx.id)
        return Members(tuple(server for server in members.voters if server != gone))

    def _enter(self, ctx: Context, members: Members) -> None:
        ctx.mark("reconfigure", voters=" ".join(members.voters), outgoing=" ".join(members.outgoing))
        self._append(ctx, NOOP, members)
        for server in members.everybody():
            if server != ctx.id and server not in self.progress:
                self.progress[server] = Progress(self.log.last)
        ctx.at_batch_end()

    def _dismiss(self, ctx: Context, members: Members) -> None:
        """The change is committed: let those who are no members know, and if we are none, go (section 4.2.2)."""
        for server in [each for each in self.progress if each not in (*members.voters, *self.target)]:
            self._replicate(ctx, server, self.progress[server], confirm=True)
            del self.progress[server]
            self.matches.pop(server, None)
            self.rounds.pop(server, None)
        if ctx.id not in members.voters:
            ctx.mark("membership", voters=" ".join(sorted(members.voters)))
            for server in members.voters:  # that it is committed, so that the next leader need not find out
                self._replicate(ctx, server, self.progress[server], confirm=True)
            transferee = max(members.voters, key=lambda server: self.matches.get(server, 0))
            ctx.send(transferee, TimeoutNow(self.term))  # rather than that all wait for a timeout (section 3.10)
            self._follow(ctx, "")

    # --- learners (section 4.2.1) ------------------------------------------------------------------------------------

    def _caught_up(self, ctx: Context, server: str) -> bool:
        """Replicate to the newcomer in rounds, each up to where our log ended at its start.

        One that takes less than an election timeout leaves so little to do that the cluster will not wait for it.
        """
        if server == ctx.id:
            return True
        progress = self.progress.get(server)
        if progress is None:
            progress = self.progress[server] = Progress(self.log.last + 1)
            progress.goal, progress.since = self.log.last, ctx.monotonic()
            self._replicate(ctx, server, progress, confirm=True)
        elif progress.match >= progress.goal and not progress.caught_up:
            now = ctx.monotonic()
            progress.caught_up = now - progress.since <= self.low
            progress.goal, progress.since = self.log.last, now
        return progress.caught_up

    @on_timer("learners")
    def learners_timeout(self, ctx: Context, key: Any) -> None:
        """Somebody does not catch up: stay as we are, so that others can be added or removed."""
        if self.role == LEADER and self.target:
            ctx.mark("membership_given_up")
            self.target = ()
            self._pursue(ctx)
