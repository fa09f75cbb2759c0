"""A server of the partitioned store: it serves the partitions that it has, and hands them over when asked to.

Each partition has one copy. What keeps it one while it moves is the order of three writes: the source's fence, the
target's first right to serve, the source's farewell. A crash between any two of them leaves a state from which the rest
follows, as both ends repeat what was not answered.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from ...node import SECOND, AddServer, Context, Drain, Durable, Node, RemoveServer, on, on_admin, on_timer
from ...requests import Cas, Read, Write
from ..ring import natural
from .config import StoreConfig
from .coordinator import Coordinator
from .messages import (
    FENCED,
    LEFT,
    SERVES,
    Ask,
    Chunk,
    Directory,
    Done,
    Elsewhere,
    Give,
    Gone,
    Got,
    Holding,
    Lost,
    News,
    Owner,
    Result,
    Session,
    Taken,
)
from .moving import Incoming, Outgoing
from .placing import owners_at_first, partition_of


class View(msgspec.Struct):
    """What invariants and reports see; live, not to be kept. ``version`` counts changes of ``holdings``."""

    version: int
    holdings: dict[int, Holding]
    data: dict[int, dict[str, bytes]]
    sessions: dict[int, dict[str, Session]]


class Server(Node):
    """Marks: ``move_begun``, ``fenced``, ``taken``, ``left``, ``moved``, ``move_restarted``, ``passed_on``."""

    messages: ClassVar[Any] = Ask | Give | Chunk | Got | Lost | Taken | Gone | News
    stored: ClassVar[dict[str, Any]] = {
        "directory": Directory,
        "holding:": Holding,
        "item:": bytes,
        "session:": Result,
        "silent": bool,
    }

    config: StoreConfig

    # --- boot --------------------------------------------------------------------------------------------------------

    def start(self, ctx: Context, durable: Durable) -> None:
        """What it has, it has from its disk; moves that were under way begin again when the coordinator asks."""
        first = sorted(ctx.bootstrap, key=natural)[0]
        self.head = first
        self.silent = durable.lost or bool(durable.corrupt) or durable.get("silent", False)
        self.table = list(owners_at_first(ctx.bootstrap, self.config.initial, self.config.partitions))
        self.version = 0
        self.holdings: dict[int, Holding] = {
            at: Holding(SERVES, 1, "") for at, owner in enumerate(self.table) if owner.server == ctx.id
        }
        self.data: dict[int, dict[str, bytes]] = {at: {} for at in range(self.config.partitions)}
        self.sessions: dict[int, dict[str, Session]] = {at: {} for at in range(self.config.partitions)}
        self.outgoing: dict[int, Outgoing] = {}
        self.incoming: dict[int, Incoming] = {}
        self.coordinator: Coordinator | None = None
        if self.silent:
            # It no longer knows what it has handed over. Were it to serve what it had at first, there would be two.
            self.holdings = {}
            ctx.persist("silent", True)  # the next boot finds a disk that is in order
            return
        for stored in sorted(durable.keys):
            self._load(stored, durable.keys[stored])
        if ctx.id == first:
            self.coordinator = Coordinator(ctx, durable, self.config)

    def _load(self, stored: str, value: Any) -> None:
        kind, _, name = stored.partition(":")
        where, _, rest = name.partition("/")
        if kind == "holding":
            self.holdings[int(where)] = value
            if value.state == LEFT:
                self.table[int(where)] = Owner(value.other, value.epoch)
        elif kind == "item":
            self.data[int(where)][rest] = value
        elif kind == "session":
            self.sessions[int(where)][rest] = (rest, value.sequence, value.found)

    def inspect(self) -> View:
        """For invariants and reports."""
        return View(self.version, self.holdings, self.data, self.sessions)

    def _hold(self, ctx: Context, partition: int, holding: Holding) -> None:
        self.holdings[partition] = holding
        self.version += 1
        ctx.persist(f"holding:{partition}", holding)

    # --- operations --------------------------------------------------------------------------------------------------

    @on(Ask)
    def ask(self, ctx: Context, source: str, message: Ask) -> None:
        """Carry it out if the partition is here; if not, pass it on where that was asked for, else say where it is."""
        if self.silent:
            return
        partition = partition_of(message.request.key, self.config.partitions)
        holding = self.holdings.get(partition)
        if holding is not None and holding.state == SERVES and holding.epoch >= message.epoch:
            self._carry_out(ctx, partition, holding.epoch, message)
            return
        known = self.table[partition]
        if holding is not None and holding.state == FENCED:
            known = Owner("", holding.epoch)  # between two owners: nobody can answer for a moment
        if message.hops and known.server not in ("", ctx.id):
            ctx.mark("passed_on")
            passed = msgspec.structs.replace(message, hops=message.hops - 1, epoch=max(message.epoch, known.epoch))
            ctx.send(known.server, passed)
            return
        where = "" if known.server == ctx.id else known.server
        ctx.send(message.client, Elsewhere(message.operation, partition, where, known.epoch))

    def _carry_out(self, ctx: Context, partition: int, epoch: int, message: Ask) -> None:
        request = message.request
        data = self.data[partition]
        if type(request) is Read:
            # All that is read here is on disk before the answer leaves, by prefix durability.
            ctx.send(message.client, Done(message.operation, partition, epoch, data.get(request.key)))
            return
        known = self.sessions[partition].get(message.session)
        if known is not None and message.sequence <= known[1]:
            # Carried out before. The sessions move with the data, so the next owner knows that too.
            if message.sequence == known[1]:
                ctx.send(message.client, Done(message.operation, partition, epoch, known[2]))
            return
        found = self._execute(ctx, partition, request)
        self.sessions[partition][message.session] = (message.session, message.sequence, found)
        ctx.persist(f"session:{partition}/{message.session}", Result(message.sequence, found))
        out = self.outgoing.get(partition)
        if out is not None:
            out.changed(message.session, request.key if request.key in data else None)
        ctx.send(message.client, Done(message.operation, partition, epoch, found))

    def _execute(self, ctx: Context, partition: int, request: Read | Write | Cas) -> bytes | None:
        data = self.data[partition]
        found = None
        if type(request) is Cas:
            found = data.get(request.key)
            if found != request.expected:
                return found
        value: bytes = request.value  # type: ignore[union-attr]
        data[request.key] = value
        ctx.persist(f"item:{partition}/{request.key}", value)
        return found

    @on(News)
    def news(self, ctx: Context, source: str, message: News) -> None:
        """Where everything is, or was a moment ago."""
        for at, owner in enumerate(message.owners):
            if owner.epoch > self.table[at].epoch:
                self.table[at] = owner

    # --- a move: the source ------------------------------------------------------------------------------------------

    @on(Give)
    def give(self, ctx: Context, source: str, message: Give) -> None:
        """Begin, unless it is under way; or say that it is over."""
        move = message.move
        holding = self.holdings.get(move.partition)
        if self.silent or holding is None:
            return
        if holding.epoch >= move.epoch:
            ctx.send(source, Gone(move.partition, move.epoch))
        elif holding.epoch == move.epoch - 1 and holding.state != LEFT and move.partition not in self.outgoing:
            self._begin(ctx, message)

    def _begin(self, ctx: Context, message: Give) -> None:
        partition = message.move.partition
        attempt = ctx.rng.getrandbits(48)  # no two alike, also over restarts
        keys, sessions = set(self.data[partition]), set(self.sessions[partition])
        self.outgoing[partition] = Outgoing(message.move, attempt, keys, sessions)
        self._next(ctx, partition)

    def _next(self, ctx: Context, partition: int) -> None:
        """The next part; with the last the partition is fenced."""
        out = self.outgoing[partition]
        last = len(out.keys) <= self.config.catch_up
        if last and self.holdings[partition].state == SERVES:
            ctx.mark("fenced")
            self._hold(ctx, partition, Holding(FENCED, out.move.epoch - 1, out.move.target))
        part = out.cut(self.config.chunk, self.data[partition], self.sessions[partition], last=last)
        ctx.set_timer("part", self.config.retry, partition)
        ctx.send(out.move.target, part)

    @on_timer("part")
    def part_unanswered(self, ctx: Context, partition: int) -> None:
        """Again: it, or the answer, was lost; or the target is down."""
        out = self.outgoing.get(partition)
        if out is not None and out.under_way is not None:
            ctx.send(out.move.target, out.under_way)
            ctx.set_timer("part", self.config.retry, partition)

    @on(Got)
    def got(self, ctx: Context, source: str, message: Got) -> None:
        """On to the next part, after a pause if the move is throttled."""
        out = self.outgoing.get(message.partition)
        if out is None or out.attempt != message.attempt or out.number != message.number or out.under_way is None:
            return
        out.under_way = None
        ctx.cancel_timer("part", message.partition)
        if self.config.pause_s:
            ctx.set_timer("pause", round(self.config.pause_s * SECOND), message.partition)
        else:
            self._next(ctx, message.partition)

    @on_timer("pause")
    def paused(self, ctx: Context, partition: int) -> None:
        """Enough of a pause."""
        if partition in self.outgoing:
            self._next(ctx, partition)

    @on(Lost)
    def lost(self, ctx: Context, source: str, message: Lost) -> None:
        """The target was restarted, and cannot tell what it has: all of it again."""
        out = self.outgoing.get(message.partition)
        if out is not None and out.attempt == message.attempt:
            ctx.mark("move_restarted")
            ctx.cancel_timer("pause", message.partition)
            self._begin(ctx, Give(out.move))

    @on(Taken)
    def taken(self, ctx: Context, source: str, message: Taken) -> None:
        """The target serves: forget the data, remember where it went, and tell the coordinator."""
        partition = message.partition
        holding = self.holdings.get(partition)
        if holding is None or holding.state != FENCED or holding.epoch + 1 != message.epoch or holding.other != source:
            return
        ctx.mark("left")
        self._hold(ctx, partition, Holding(LEFT, message.epoch, source))
        self.table[partition] = Owner(source, message.epoch)
        for key in sorted(self.data[partition]):
            ctx.delete(f"item:{partition}/{key}")
        for session in sorted(self.sessions[partition]):
            ctx.delete(f"session:{partition}/{session}")
        self.data[partition] = {}
        self.sessions[partition] = {}
        self.outgoing.pop(partition, None)
        ctx.cancel_timer("part", partition)
        ctx.cancel_timer("pause", partition)
        ctx.send(self.head, Gone(partition, message.epoch))

    # --- a move: the target ------------------------------------------------------------------------------------------

    @on(Chunk)
    def chunk(self, ctx: Context, source: str, message: Chunk) -> None:
        """Store a part; with the last one, serve."""
        if self.silent:
            return
        partition = message.partition
        holding = self.holdings.get(partition)
        if holding is not None and holding.epoch >= message.epoch:
            # It was taken before, and perhaps has changed, or left, since. Storing this again would undo that.
            ctx.send(source, Taken(partition, message.epoch))
            return
        known = self.incoming.get(partition)
        if message.number == 1 and (known is None or known.attempt != message.attempt):
            known = self.incoming[partition] = Incoming(message.epoch, message.attempt)
        if known is None or known.attempt != message.attempt or message.number > known.number + 1:
            # The source never sends ahead, so after a restart a first part that came twice looked like a beginning.
            ctx.send(source, Lost(partition, message.attempt))
            return
        if message.number == known.number + 1:
            self._store(ctx, message)
            known.number = message.number
            if message.last:
                # In one turn with the last data: it serves all of it, or does not serve.
                ctx.mark("taken")
                self._hold(ctx, partition, Holding(SERVES, message.epoch, ""))
                del self.incoming[partition]
                ctx.send(source, Taken(partition, message.epoch))
                return
        ctx.send(source, Got(partition, message.attempt, known.number))

    def _store(self, ctx: Context, message: Chunk) -> None:
        partition = message.partition
        for key, value in message.pairs:
            self.data[partition][key] = value
            ctx.persist(f"item:{partition}/{key}", value)
        for session, sequence, found in message.sessions:
            self.sessions[partition][session] = (session, sequence, found)
            ctx.persist(f"session:{partition}/{session}", Result(sequence, found))

    # --- the coordinator, on one of the servers ----------------------------------------------------------------------

    @on(Gone)
    def gone(self, ctx: Context, source: str, message: Gone) -> None:
        """See :class:`Coordinator`."""
        if self.coordinator is not None:
            self.coordinator.gone(ctx, source, message)

    @on_timer("urge")
    def urge(self, ctx: Context, key: Any) -> None:
        """See :class:`Coordinator`."""
        if self.coordinator is not None:
            self.coordinator.urge(ctx)

    @on_timer("shuffle")
    def shuffle(self, ctx: Context, key: Any) -> None:
        """See :class:`Coordinator`."""
        if self.coordinator is not None:
            self.coordinator.shuffle(ctx)

    @on_timer("join")
    def join(self, ctx: Context, key: Any) -> None:
        """All that are idle join."""
        if self.coordinator is not None:
            self.coordinator.join(ctx, sorted(ctx.bootstrap, key=natural))

    @on_admin(AddServer, RemoveServer)
    def membership(self, ctx: Context, request: AddServer | RemoveServer) -> None:
        """The operator asks; whom it asks is the coordinator, if anybody."""
        if self.coordinator is not None:
            if type(request) is AddServer:
                self.coordinator.join(ctx, [request.node])
            elif request.node in ctx.bootstrap:
                self.coordinator.leave(ctx, request.node)

    @on_admin(Drain)
    def drain(self, ctx: Context, request: Drain) -> None:
        """It will be back, with its disk: moving all that it has would take longer than it is away."""
