"""From one view to the next: flush, agree, install."""

from __future__ import annotations

import zlib
from typing import Any, ClassVar

from ...node import SECOND, Context, on
from ...statemachine import KeyValue
from .group import Base, Change, Group
from .messages import (
    MESSAGES,
    Accept,
    Accepted,
    Accepting,
    Ballot,
    Decide,
    Decision,
    Hello,
    Nack,
    Prepare,
    Promise,
    Promised,
)


class Changing(Group):
    """Lamport's synod for each view, whose first phase is the flush."""

    messages: ClassVar[Any] = Prepare | Promise | Nack | Accept | Accepting | Decide

    def _consider(self, ctx: Context, now: int) -> None:
        """Prepare the next view: if a member is deemed down, or somebody waits outside, or the group stands still.

        One after the other, by name, so that two seldom do at once; two that do only delay each other.
        """
        period = self.config.period
        self.outside = {name: at for name, at in self.outside.items() if now - at < 3 * period}
        waits = self.outside.keys() - self.down and now - self.installed > round(self.config.rejoin_s * SECOND)
        reason = bool(self.down & set(self.view.members)) or bool(waits) or self.stopped
        if not self.inside or not reason or len(self.everybody) - len(self.down) < self.majority:
            self.wanted = 0
            return
        self.wanted = self.wanted or now
        if self.change is not None:
            if now - self.change.since < self._patience():
                self._repeat(ctx, now)
            else:
                self._back_off(ctx, now)
            return
        rank = sum(name < self.me for name in set(self.view.members) - self.down)
        if now >= max(self.wanted + rank * 4 * period, self.pause):
            ctx.mark("suspected")
            self.round += 1
            self.change = Change(Ballot(self.round, self.me), now, {}, set())
            self._repeat(ctx, now)

    def _patience(self) -> int:
        return 6 * self.config.period + self._flush()

    def _flush(self) -> int:
        """Longer each time in a row that somebody was left out who is up: else all are thrown out in turns."""
        return round(self.config.flush_s * SECOND) << min(self.hasty, 8)

    def _back_off(self, ctx: Context, now: int) -> None:
        self.change = None
        self.pause = now + int(ctx.rng.random() * 8 * self.config.period)

    def _repeat(self, ctx: Context, now: int) -> None:
        """Ask those who have not answered; oneself too."""
        change = self.change
        assert change is not None
        if change.decision is None:
            for name in self.everybody:
                if name not in change.promises:
                    ctx.send(name, Prepare(self.view.number + 1, change.ballot))
            self._choose(ctx, now)
        else:
            for name in self.everybody:
                if name not in change.accepting:
                    ctx.send(name, Accept(change.ballot, change.decision))

    @on(Prepare)
    def prepare(self, ctx: Context, source: str, message: Prepare) -> None:
        """Promise, and stop in the old view. The promise outlives a crash."""
        if self.silent:
            return
        if message.number <= self.view.number:
            ctx.send(source, Decide(self._current()))
            return
        if message.number > self.view.number + 1:
            ctx.send(source, Hello(self.view.number))  # first tell me the one before it
            return
        if message.number == self.promised.number and message.ballot < self.promised.ballot:
            ctx.send(source, Nack(message.number, self.promised.ballot))
            return
        self._promise(ctx, message.number, message.ballot)
        if source != self.me:
            self.pause = ctx.monotonic() + self._patience() + int(ctx.rng.random() * self._patience())
        accepted = self.accepted
        if accepted is not None and accepted.decision.number != message.number:
            accepted = None
        was = self.inside and self.view.number == message.number - 1
        entries = tuple(self.entries) if was else ()
        ctx.send(source, Promise(message.number, message.ballot, accepted, self.last if was else -1, entries))

    def _promise(self, ctx: Context, number: int, ballot: Ballot) -> None:
        promised = Promised(number, ballot)
        if promised != self.promised:
            self.promised = promised
            ctx.persist("promised", promised)
        self.round = max(self.round, ballot.round)

    @on(Nack)
    def nack(self, ctx: Context, source: str, message: Nack) -> None:
        """Somebody else prepares the view as well."""
        self.round = max(self.round, message.ballot.round)
        if self.change is not None and message.number == self.view.number + 1 and message.ballot > self.change.ballot:
            self._back_off(ctx, ctx.monotonic())

    @on(Promise)
    def promise(self, ctx: Context, source: str, message: Promise) -> None:
        """One more. With a majority, and those who can be expected to answer, choose."""
        change = self.change
        if change is None or message.number != self.view.number + 1 or message.ballot != change.ballot:
            return
        change.promises[source] = message
        if change.decision is None:
            self._choose(ctx, ctx.monotonic())

    def _choose(self, ctx: Context, now: int) -> None:
        """What may have been decided already; else the view of all who answered, and all that its members have."""
        change = self.change
        assert change is not None
        answers = change.promises
        expected = set(self.everybody) - self.down
        waited = now - change.since >= self._flush()
        if len(answers) < self.majority or not (waited or expected <= answers.keys()):
            return
        if self.me not in answers:
            return  # else this ballot could be used again after a crash, for another decision
        accepted = [answer.accepted for answer in answers.values() if answer.accepted is not None]
        if accepted:
            change.decision = max(accepted, key=lambda each: each.ballot).decision
        else:
            flushed = [answer for answer in answers.values() if answer.last >= 0]
            if not flushed or len(answers) < self.least:
                return
            change.decision = self._decision(tuple(sorted(answers)), flushed)
            self.hasty = 0 if expected <= answers.keys() else self.hasty + 1
        change.since = now
        self._repeat(ctx, now)

    def _decision(self, members: tuple[str, ...], flushed: list[Promise]) -> Decision:
        union = {entry.index: entry for answer in flushed for entry in answer.entries}
        end = max(answer.last for answer in flushed)
        state, digest = KeyValue(), self.digest
        state.restore(self.machine.snapshot())
        for index in range(self.delivered + 1, end + 1):
            entry = union[index]
            digest = zlib.crc32(f"{entry.index}/{entry.source}/{entry.operation}".encode(), digest)
            state.apply(entry.command)
        least = min(answer.last for answer in flushed)
        tail = tuple(union[index] for index in range(least + 1, end + 1))
        return Decision(self.view.number + 1, members, end, tail, state.snapshot(), digest)

    @on(Accept)
    def accept(self, ctx: Context, source: str, message: Accept) -> None:
        """Unless a higher ballot was promised."""
        number = message.decision.number
        if self.silent:
            return
        if number <= self.view.number:
            ctx.send(source, Decide(self._current()))
        elif number > self.view.number + 1:
            ctx.send(source, Hello(self.view.number))
        elif number == self.promised.number and message.ballot < self.promised.ballot:
            ctx.send(source, Nack(number, self.promised.ballot))
        else:
            self._promise(ctx, number, message.ballot)
            self.accepted = Accepted(message.ballot, message.decision)
            ctx.persist("accepted", self.accepted)
            ctx.send(source, Accepting(number, message.ballot))

    @on(Accepting)
    def accepting(self, ctx: Context, source: str, message: Accepting) -> None:
        """With a majority it is decided."""
        change = self.change
        if change is None or change.decision is None or message.ballot != change.ballot:
            return
        if message.number != change.decision.number:
            return
        change.accepting.add(source)
        if len(change.accepting) >= self.majority:
            ctx.mark("elected")
            ctx.broadcast(Decide(change.decision))
            self._install(ctx, change.decision)

    @on(Decide)
    def decided(self, ctx: Context, source: str, message: Decide) -> None:
        """A later view."""
        if message.decision.number > self.view.number and not self.silent:
            self._install(ctx, message.decision)

    def _install(self, ctx: Context, decision: Decision) -> None:
        """Who goes from one view to the next delivers what all who do deliver; everybody else takes the state."""
        both = self.inside and self.me in decision.members and decision.number == self.view.number + 1
        have = {entry.index: entry for entry in (*self.entries, *decision.tail)}
        missing = [have.get(index) for index in range(self.delivered + 1, decision.end + 1)]
        if both and None not in missing:
            for entry in missing:
                assert entry is not None
                self._apply(entry)
        else:
            self._restore(Base(decision.end, decision.digest, decision.state))
        self.view = decision
        ctx.install_snapshot("view", decision, MESSAGES, decision.end)
        self.base = Base(decision.end, decision.digest, decision.state)
        self.entries = []
        self.last = self.stable = self.durable = decision.end
        self.unsynced, self.ahead = [], {}
        self.heard = ctx.monotonic()
        self.acks, self.before = {}, {}
        self.change, self.wanted, self.served = None, 0, False
        self.installed = ctx.monotonic()
        self.outside = {}
        ctx.mark("installed" if self.inside else "excluded", size=len(decision.members))
