"""A member of a process group: agreed views, and messages delivered in the view in which they were sent.

Within a view the member with the lowest name orders the messages; each is delivered once every member has it
(*safe*; Birman and Joseph 1987 call the primitive ABCAST, Chockler et al. 2001, section 4, define the order). From one
view to the next the group *flushes*: whoever prepares a view has members stop in the old one and tell what they have of
it; the decision names the next members and what all of them deliver before they go there. It is taken by consensus
among all servers (Lamport's synod, 1998), as in Guerraoui and Schiper (2001, section 5.2): there is one next view, so
the group cannot split, and the part without a majority of servers stands still.

Why no answer is contradicted: a message is answered when every member of the view has it on disk and has not stopped.
The decision's tail holds all that any member who answered the flush has, and there is at least one. Afterwards that
member takes part in the old view no more, so nothing new reaches *every* member there.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import msgspec

from ...node import SECOND, Context, Durable, Node, on, on_durable, on_event, on_timer
from ...statemachine import KeyValue
from ..heartbeat.messages import Suspect, Trust
from ..heartbeat.server import Server as Detector
from .config import ServerConfig
from .messages import (
    Accept,
    Accepted,
    Accepting,
    Ack,
    Ask,
    Ballot,
    Decide,
    Decision,
    Done,
    Entry,
    Hello,
    Nack,
    NotMine,
    Order,
    Prepare,
    Promise,
    Promised,
)

NONE = Promised(0, Ballot(0, ""))
MESSAGES = "messages"
BATCH = 64
"""Entries that are sent again at once."""


class Base(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The state after the message ``index``; ``digest`` of all messages up to it."""

    index: int
    digest: int
    state: bytes


class View(msgspec.Struct, frozen=True):
    """What a look at a server shows.

    Attributes:
        number: of the last view it knows; rises.
        members: of that view.
        inside: it is a member.
        stopped: it has promised to take part in the next one, and delivers nothing until then.
        orders: it orders the messages.
        end: index of the last message of all views before.
        delivered: index of the last message it has delivered.
        digest: of all messages up to that one.
        foreign: messages that it delivered in another view than they were sent in.
        silent: it has lost its disk.
        data: of the keys; not to be changed.
    """

    number: int
    members: tuple[str, ...]
    inside: bool
    stopped: bool
    orders: bool
    end: int
    delivered: int
    digest: int
    foreign: int
    silent: bool
    data: dict[str, bytes]


class Change(msgspec.Struct, gc=False):
    """The next view, as far as whoever prepares it has come."""

    ballot: Ballot
    since: int
    promises: dict[str, Promise]
    accepting: set[str]
    decision: Decision | None = None


class Server(Node):
    """Marks: ``suspected`` (prepares a view), ``elected`` (it is decided), ``committed`` (first message in it),
    ``installed``, ``excluded``, ``silent``.
    """

    messages: ClassVar[Any] = Order | Ack | Hello | Prepare | Promise | Nack | Accept | Accepting | Decide | Ask
    stored: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"promised": Promised, "accepted": Accepted, "view": Decision, "base": Base, "silent": bool, MESSAGES: Entry}
    )

    config: ServerConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """Boot with what is on disk. A server that has lost it counts as one that has failed: it forgot promises."""
        self.me, self.everybody = ctx.id, ctx.bootstrap
        self.majority = len(self.everybody) // 2 + 1
        self.least = self.config.least or self.majority
        self.silent = durable.lost or bool(durable.corrupt) or durable.get("silent", False)
        if self.silent:
            ctx.mark("silent")
            ctx.persist("silent", True)
        self.promised: Promised = durable.get("promised", NONE)
        self.accepted: Accepted | None = durable.get("accepted")
        first = Decision(1, self.everybody, 0, (), KeyValue().snapshot(), 0)
        self.view: Decision = durable.get("view", first)
        base = Base(self.view.end, self.view.digest, self.view.state)
        kept: Base = durable.get("base", base)
        self.base = kept if kept.index > base.index else base
        self._restore(self.base)
        self.entries: list[Entry] = [each for each in durable.log(MESSAGES).entries if each.index > self.base.index]
        self.last = self.entries[-1].index if self.entries else self.base.index
        self.ahead: dict[int, Entry] = {}  # overtook others on the way
        self.stable = self.base.index
        self.durable = self.last
        self.unsynced: list[tuple[int, int]] = []  # (turn, last message then) whose writes are not on disk yet
        self.acks: dict[str, int] = {}
        self.before: dict[str, int] = {}  # acknowledged a period ago
        self.foreign = 0
        # of changes
        self.down: set[str] = set()
        self.outside: dict[str, int] = {}  # who wants to be taken in, and when it said so
        self.change: Change | None = None
        self.wanted = 0  # since when this server finds that the view has to change
        self.pause = 0
        self.round = self.promised.ballot.round
        self.installed = self.heard = ctx.monotonic()
        self.served = False
        if not self.silent:
            ctx.child("detector", Detector(self.config.detector))
            ctx.set_timer("tick", self.config.period)

    def _restore(self, base: Base) -> None:
        self.machine = KeyValue()
        self.machine.restore(base.state)
        self.delivered, self.digest = base.index, base.digest

    @property
    def inside(self) -> bool:
        """Whether this server is a member of the last view it knows."""
        return not self.silent and self.me in self.view.members

    @property
    def stopped(self) -> bool:
        """Whether it has promised to take part in a later view."""
        return self.promised.number > self.view.number

    @property
    def orders(self) -> bool:
        """Whether it orders messages: of those who are in the view the first by name."""
        return self.inside and not self.stopped and self.view.members[0] == self.me

    # --- in a view ---------------------------------------------------------------------------------------------------

    @on(Ask)
    def ask(self, ctx: Context, source: str, message: Ask) -> None:
        """A client's: the next message of the view."""
        if not self.orders:
            first = self.view.members[0]
            ctx.send(source, NotMine(message.operation, "" if first == self.me or first in self.down else first))
            return
        entry = Entry(self.last + 1, self.view.number, message.command, source, message.operation)
        self._keep(ctx, (entry,))
        ctx.broadcast(Order(self.view.number, (entry,), self.stable), self.view.members)

    def _keep(self, ctx: Context, entries: Iterable[Entry]) -> None:
        """Those that follow the last one, and later ones when their turn comes; acknowledged when they are on disk."""
        fresh = []
        for entry in entries:
            if entry.index > self.last:
                self.ahead[entry.index] = entry
        while self.last + 1 in self.ahead:
            self.last += 1
            fresh.append(self.ahead.pop(self.last))
        if fresh:
            self.entries.extend(fresh)
            ctx.append(MESSAGES, fresh)
            self.unsynced.append((ctx.turn, self.last))

    @on_durable
    def synced(self, ctx: Context, turn: int) -> None:
        """Own messages count from here on."""
        while self.unsynced and self.unsynced[0][0] <= turn:
            self.durable = self.unsynced.pop(0)[1]
        if self.orders:
            self._settle(ctx)
        else:
            self._deliver(ctx)

    @on(Order)
    def ordered(self, ctx: Context, source: str, message: Order) -> None:
        """Keep them. Whoever has promised to take part in the next view has stopped: what it told must stay all."""
        if message.view > self.view.number:
            ctx.send(source, Hello(self.view.number))
        elif message.view < self.view.number:
            ctx.send(source, Decide(self._current()))
        if message.view != self.view.number or not self.inside or self.stopped:
            return
        self.heard = ctx.monotonic()
        self._keep(ctx, message.entries)
        self.stable = max(self.stable, min(message.stable, self.last))
        ctx.send(source, Ack(self.view.number, self.last))
        self._deliver(ctx)

    @on(Ack)
    def acknowledged(self, ctx: Context, source: str, message: Ack) -> None:
        """Of one member; of all of them a message is stable."""
        if message.view == self.view.number and self.orders:
            self.acks[source] = max(self.acks.get(source, 0), message.index)
            self._settle(ctx)

    def _acked(self, name: str) -> int:
        return self.durable if name == self.me else self.acks.get(name, 0)

    def _settle(self, ctx: Context) -> None:
        self.stable = max(self.stable, min(self._acked(name) for name in self.view.members))
        self._deliver(ctx)

    def _deliver(self, ctx: Context) -> None:
        """In order. The one who orders messages answers the clients."""
        until = min(self.stable if self.config.delivery == "safe" else self.last, self.durable)
        for entry in self.entries[self.delivered - self.base.index : until - self.base.index]:
            result = self._apply(entry)
            if self.orders:
                ctx.send(entry.source, Done(entry.operation, result))
                if not self.served:
                    self.served = True
                    ctx.mark("committed")
        if self.delivered - self.base.index > self.config.snapshot_entries:
            self._compact(ctx)

    def _apply(self, entry: Entry) -> bytes | None:
        self.foreign += entry.view != self.view.number
        self.delivered = entry.index
        self.digest = zlib.crc32(f"{entry.index}/{entry.source}/{entry.operation}".encode(), self.digest)
        return self.machine.apply(entry.command)

    def _compact(self, ctx: Context) -> None:
        """Replace what everybody has by a snapshot. Then everybody is in this view, too, and needs no tail any more."""
        if self.stable < self.delivered:
            return
        self.base = Base(self.delivered, self.digest, self.machine.snapshot())
        self.entries = [entry for entry in self.entries if entry.index > self.delivered]
        ctx.persist("base", self.base)
        ctx.compact_prefix(MESSAGES, self.delivered)

    # --- who is up ---------------------------------------------------------------------------------------------------

    @on_event("detector", Suspect)
    def suspect(self, ctx: Context, child: str, event: Suspect) -> None:
        """A reason to change the view, if it is a member."""
        self.down.add(event.node)

    @on_event("detector", Trust)
    def trust(self, ctx: Context, child: str, event: Trust) -> None:
        """No reason any more."""
        self.down.discard(event.node)

    @on(Hello)
    def hello(self, ctx: Context, source: str, message: Hello) -> None:
        """Somebody who knows of an earlier view only, or who is not in this one. It knows this one, so it hears us."""
        if message.view < self.view.number:
            ctx.send(source, Decide(self._current()))
        elif message.view == self.view.number and source not in self.view.members:
            self.outside[source] = ctx.monotonic()

    def _current(self) -> Decision:
        """The last view, with the state as it was when it began, or later, if everybody there has come so far."""
        if self.base.index <= self.view.end:
            return self.view
        base = self.base
        return Decision(self.view.number, self.view.members, base.index, (), base.state, base.digest)

    @on_timer("tick")
    def tick(self, ctx: Context, key: Any) -> None:
        """Repeat what was not acknowledged, ask to be taken in, see whether the view has to change."""
        ctx.set_timer("tick", self.config.period)
        now = ctx.monotonic()
        if self.orders:
            for name in self.view.members:
                if name != self.me:
                    acked = self.acks.get(name, 0)
                    first = max(acked, self.base.index)
                    late = acked < self.last and acked == self.before.get(name, 0)
                    entries = self.entries[first - self.base.index :][:BATCH] if late else []
                    ctx.send(name, Order(self.view.number, tuple(entries), self.stable))
                    self.before[name] = acked
        lonely = now - self.heard > round(self.config.timeout_s * SECOND)
        if not self.inside or self.stopped or (lonely and not self.orders):
            ctx.broadcast(Hello(self.view.number))
        self._consider(ctx, now)

    # --- from one view to the next -----------------------------------------------------------------------------------

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
        return 6 * self.config.period + round(self.config.flush_s * SECOND)

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
        waited = now - change.since >= round(self.config.flush_s * SECOND)
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

    def inspect(self) -> View:
        """See :class:`View`."""
        return View(
            self.view.number,
            self.view.members,
            self.inside,
            self.stopped,
            self.orders,
            self.view.end,
            self.delivered,
            self.digest,
            self.foreign,
            self.silent,
            self.machine.data,
        )
