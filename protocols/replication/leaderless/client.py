"""A client of the store: picks a coordinator, stamps its writes, keeps session tokens and contexts."""

from __future__ import annotations

from typing import Any, ClassVar

from ...deadlines import Deadlines
from ...node import SECOND, Context, Durable, Fail, Info, Node, Ok, on, on_request, on_timer
from ...partitioning.ring import Ring, natural
from ...requests import Read, Write
from . import items, levels
from .config import ClientConfig
from .items import NEVER, Sibling, Version
from .messages import Get, Got, Put, Short, Stored
from .places import ring_of

WORD = 8
"""Bytes of a cart's element."""


class Pending:
    """An operation under way: what is asked, where it was last sent, when it is asked again and when given up."""

    __slots__ = ("deadline", "due", "message", "retries", "server")

    def __init__(self, message: Get | Put, deadline: int) -> None:
        self.message = message
        self.deadline = deadline
        self.due = 0
        self.retries = 0
        self.server = ""


class Client(Node):
    """One client; it may have many operations under way."""

    messages: ClassVar[Any] = Got | Stored | Short

    config: ClientConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """A client remembers nothing: after a crash its sessions are new."""
        config = self.config
        self.servers = tuple(sorted(ctx.bootstrap, key=natural))
        self.ring: Ring = ring_of(self.servers, config.vnodes, config.zones)
        self.n = min(config.replicas, len(self.servers))
        number = natural(ctx.id)[1]
        self.near = (number - 1) % len(self.servers) if number > 0 else ctx.rng.randrange(len(self.servers))
        self.pending: dict[int, Pending] = {}
        self.deadlines = Deadlines("retry")
        self.retry = round(config.retry_s * SECOND)
        self.patience = round(config.operation_timeout_s * SECOND)
        self.grain = max(1, round(config.grain_s * SECOND))
        self.stamped = 0
        # Of this life: one that was restarted may read the same time again, and must not stamp another value alike.
        self.writer = f"{ctx.id}.{ctx.monotonic():016x}"
        self.floors: dict[str, Version] = {}  # session tokens: the newest version this client has seen of a key
        self.seen: dict[str, items.Item] = {}  # what it has read of a key last, for contexts and carts

    # --- asking ------------------------------------------------------------------------------------------------------

    @on_request(Read)
    def read(self, ctx: Context, operation: int, request: Read) -> None:
        """Ask a coordinator for the key, no older than this session has seen it."""
        floor = self.floors.get(request.key, NEVER)
        self._begin(ctx, operation, Get(operation, request.key, self._level(self.config.read_level), floor))

    @on_request(Write)
    def write(self, ctx: Context, operation: int, request: Write) -> None:
        """Stamp the write once: a repetition is the same write, wherever it arrives and however late."""
        now, config = ctx.wall(), self.config
        deleted = config.deletes > 0 and ctx.rng.random() < config.deletes
        known = self.seen.get(request.key)
        context = known.context if known is not None else ()
        value = request.value
        if config.cart and known is not None:
            value = cart([value, *(each.value for each in items.alive(known))])
        written = Sibling(self._stamp(ctx, request.key, now), value, deleted, now)
        put = Put(operation, request.key, self._level(config.write_level), written, context)
        self._begin(ctx, operation, put)

    def _stamp(self, ctx: Context, key: str, now: int) -> Version:
        """A timestamp above this client's last one; in a session, above what it has seen of the key as well.

        Two clients may read the same time: the writer's name makes versions unique, so that all replicas choose alike.
        """
        at = now - now % self.grain
        if at <= self.stamped:
            at = self.stamped + 1
        if self.config.sessions:
            at = max(at, self.floors.get(key, NEVER).time + 1)
        self.stamped = at
        return Version(at, self.writer)

    def _level(self, level: str) -> str:
        """A number of replicas beyond those of a small cluster means all of them."""
        wanted = levels.count(level, self.n)
        return level if wanted is None or wanted <= self.n else "ALL"

    def _begin(self, ctx: Context, operation: int, message: Get | Put) -> None:
        now = ctx.monotonic()
        pending = self.pending[operation] = Pending(message, now + self.patience)
        self._try(ctx, operation, pending, now)

    def _try(self, ctx: Context, operation: int, pending: Pending, now: int) -> None:
        pending.server = self._coordinator(ctx, pending.message.key, pending.retries)
        if isinstance(pending.message, Put):
            ctx.attempt(operation)
        ctx.send(pending.server, pending.message)
        pending.due = min(now + (self.retry << min(pending.retries, 2)), pending.deadline)
        self.deadlines.add(ctx, operation, pending.due, now)

    def _coordinator(self, ctx: Context, key: str, retries: int) -> str:
        """By the rule at first; whoever it is when that one has not answered."""
        routing = self.config.routing
        if routing == "random" or retries > 1:
            return self.servers[ctx.rng.randrange(len(self.servers))]
        if routing == "near":
            return self.servers[(self.near + retries) % len(self.servers)]
        order = self.ring.preference(key)
        if routing == "token":
            return order[retries % self.n]
        return order[self.n + ctx.rng.randrange(len(order) - self.n)]

    # --- answers -----------------------------------------------------------------------------------------------------

    @on(Got)
    def got(self, ctx: Context, source: str, message: Got) -> None:
        """One value for the application: the only one, or what it makes of several."""
        pending = self.pending.pop(message.operation, None)
        if pending is None:
            return
        key, item = pending.message.key, message.item
        self._note(key, items.newest(item))
        if item is not None and (self.config.cart or self.config.conflict != "lww"):
            self.seen[key] = item
        siblings = items.alive(item)
        if len(siblings) > 1:
            ctx.mark("siblings", count=len(siblings))
        if not siblings:
            ctx.reply(message.operation, Ok(None))
        elif self.config.cart:
            words = cart([each.value for each in siblings])
            ctx.reply(message.operation, Ok(words[-WORD:]))
        else:
            ctx.reply(message.operation, Ok(siblings[-1].value))

    @on(Stored)
    def acknowledged(self, ctx: Context, source: str, message: Stored) -> None:
        """As many replicas as asked for have it."""
        pending = self.pending.pop(message.operation, None)
        if pending is None:
            return
        put = pending.message
        assert isinstance(put, Put)
        self._note(put.key, put.written.version)
        if message.item is not None:
            self.seen[put.key] = message.item
        elif self.config.cart:
            self.seen[put.key] = items.Item((), (put.written,))
        ctx.reply(message.operation, Ok(None))

    def _note(self, key: str, version: Version) -> None:
        """The session token of the key never falls."""
        if self.config.sessions and version > self.floors.get(key, NEVER):
            self.floors[key] = version

    @on(Short)
    def short(self, ctx: Context, source: str, message: Short) -> None:
        """Too few replicas answered that coordinator; another one may reach more."""
        pending = self.pending.get(message.operation)
        if pending is not None and pending.server == source:
            self._again(ctx, message.operation, pending, ctx.monotonic())

    # --- no answer ---------------------------------------------------------------------------------------------------

    @on_timer("retry")
    def retry_timeout(self, ctx: Context, key: Any) -> None:
        """Ask again for what is due."""
        now = ctx.monotonic()
        for due, operation in self.deadlines.due(ctx, now):
            pending = self.pending.get(operation)
            if pending is not None and pending.due == due:
                self._again(ctx, operation, pending, now)

    def _again(self, ctx: Context, operation: int, pending: Pending, now: int) -> None:
        if now >= pending.deadline:
            del self.pending[operation]
            if isinstance(pending.message, Get):
                ctx.reply(operation, Fail("not enough replicas answered in time"))
            else:
                ctx.reply(operation, Info("not enough replicas answered in time; some may have it"))
            return
        pending.retries += 1
        self._try(ctx, operation, pending, now)


def cart(values: list[bytes]) -> bytes:
    """The union of sets of 8-byte words, ascending: the application's merge of siblings.

    >>> cart([b"00000002", b"0000000100000002"])
    b'0000000100000002'
    """
    words = {value[at : at + WORD] for value in values for at in range(0, len(value), WORD)}
    return b"".join(sorted(words))
