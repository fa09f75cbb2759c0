"""The state of a member of a process group, on disk and in memory."""

from __future__ import annotations

import zlib

import msgspec

from ...node import Context, Durable, Node
from ...statemachine import KeyValue
from .config import ServerConfig
from .messages import MESSAGES, Accepted, Ballot, Decision, Entry, Promise, Promised

NONE = Promised(0, Ballot(0, ""))


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


class Group(Node):
    """What is known of the group, and what was delivered."""

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
        self.hasty = 0  # changes in a row that left out somebody who is up
        self.round = self.promised.ballot.round
        self.installed = self.heard = ctx.monotonic()
        self.served = False

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

    def _apply(self, entry: Entry) -> bytes | None:
        self.foreign += entry.view != self.view.number
        self.delivered = entry.index
        self.digest = zlib.crc32(f"{entry.index}/{entry.source}/{entry.operation}".encode(), self.digest)
        return self.machine.apply(entry.command)

    def _current(self) -> Decision:
        """The last view, with the state as it was when it began, or later, if everybody there has come so far."""
        if self.base.index <= self.view.end:
            return self.view
        base = self.base
        return Decision(self.view.number, self.view.members, base.index, (), base.state, base.digest)

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
