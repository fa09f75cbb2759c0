"""What all parts of a server share: what it has, its table, and operations."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any, ClassVar

import msgspec

from ...node import Context, Durable, Node, on
from ...requests import Cas, Read, Write
from ..ring import natural
from .config import StoreConfig
from .messages import (
    FENCED,
    LEFT,
    SERVES,
    Ask,
    Done,
    Elsewhere,
    Entry,
    Holding,
    News,
    Result,
    Session,
)
from .moving import Incoming, Outgoing
from .placing import entries_at_first, position
from .table import Table

SAMPLES = 64
"""Last operations of a partition, among which a boundary is looked for."""


Ended = tuple[tuple[Holding, dict[str, bytes], dict[str, Session]], ...]
"""What partitions were and had when they ended."""


class View(msgspec.Struct):
    """What invariants and reports see; live, not to be kept. ``version`` counts changes of ``holdings``.

    ``ended``: after a split or a merge, until ``holdings`` change again: (holding, pairs, sessions) of what it ended.
    """

    config: StoreConfig
    version: int
    holdings: dict[int, Holding]
    data: dict[int, dict[str, bytes]]
    sessions: dict[int, dict[str, Session]]
    ended: Ended


class Core(Node):
    """Serves what it has."""

    messages: ClassVar[Any] = Ask | News

    config: StoreConfig

    # --- boot --------------------------------------------------------------------------------------------------------

    def start(self, ctx: Context, durable: Durable) -> None:
        """What it has, it has from its disk; moves that were under way begin again when the coordinator asks."""
        config = self.config
        self.head = sorted(ctx.bootstrap, key=natural)[0]
        self.silent = durable.lost or bool(durable.corrupt) or durable.get("silent", False)
        first = entries_at_first(ctx.bootstrap, config.initial, config.partitions, config.placement)
        self.table = Table(first)
        self.version = 0
        self.holdings: dict[int, Holding] = {
            entry.partition: Holding(SERVES, 1, "", entry.low, entry.high) for entry in first if entry.server == ctx.id
        }
        self.data: dict[int, dict[str, bytes]] = {at: {} for at in self.holdings}
        self.sessions: dict[int, dict[str, Session]] = {at: {} for at in self.holdings}
        self.ended: Ended = ()
        self.outgoing: dict[int, Outgoing] = {}
        self.incoming: dict[int, Incoming] = {}
        self.counted: Counter[int] = Counter()
        self.samples: dict[int, deque[str]] = {}
        if self.silent:
            # It no longer knows what it has handed over. Were it to serve what it had at first, there would be two.
            self.holdings = {}
            ctx.persist("silent", True)  # the next boot finds a disk that is in order
            return
        for stored in sorted(durable.keys):  # holdings before items and sessions
            self._load(ctx, stored, durable.keys[stored])

    def _load(self, ctx: Context, stored: str, value: Any) -> None:
        kind, _, name = stored.partition(":")
        if kind == "holding":
            self._note(ctx, int(name), value)
        elif kind == "item":
            # Keys are not stored by partition, so that a split or a merge writes none of them. One that is in nothing
            # which this server has is of a move that did not end, and comes again with that.
            at = self.table.find(self._position(name)).partition
            if self._has(at):
                self.data[at][name] = value
        elif kind == "session":
            where, _, session = name.partition("/")
            if self._has(int(where)):
                self.sessions[int(where)][session] = (session, value.sequence, value.found)

    def _has(self, partition: int) -> bool:
        """Whether its data is here, and nowhere else newer."""
        return partition in self.holdings and self.holdings[partition].state in (SERVES, FENCED)

    def inspect(self) -> View:
        """For invariants and reports."""
        return View(self.config, self.version, self.holdings, self.data, self.sessions, self.ended)

    def _position(self, key: str) -> str:
        return position(key, self.config.placement, self.config.partitions)

    def _note(self, ctx: Context, partition: int, holding: Holding) -> None:
        """In memory; the table never lags behind what the server has itself."""
        self.holdings[partition] = holding
        self.version += 1
        if holding.state in (SERVES, FENCED):
            self.data.setdefault(partition, {})
            self.sessions.setdefault(partition, {})
            self.table.learn(Entry(holding.low, holding.high, partition, holding.epoch, ctx.id))
        elif holding.state == LEFT:
            self.table.learn(Entry(holding.low, holding.high, partition, holding.epoch, holding.other))

    def _hold(self, ctx: Context, partition: int, holding: Holding) -> None:
        self.ended = ()
        self._note(ctx, partition, holding)
        ctx.persist(f"holding:{partition}", holding)

    # --- operations --------------------------------------------------------------------------------------------------

    @on(Ask)
    def ask(self, ctx: Context, source: str, message: Ask) -> None:
        """Carry it out if the partition is here; if not, pass it on where that was asked for, else say where it is."""
        if self.silent:
            return
        where = self._position(message.request.key)
        known = self.table.find(where)
        partition = known.partition
        holding = self.holdings.get(partition)
        asked = (message.partition, message.epoch)
        if holding is not None and holding.state == SERVES and (partition, holding.epoch) >= asked:
            if self.config.report_s:
                self.counted[partition] += 1
                self.samples.setdefault(partition, deque(maxlen=SAMPLES)).append(where)
            # A client that routes by its table hears of a split or a merge with its answer.
            told = None if message.hops or known.rank == asked else known
            self._carry_out(ctx, partition, message, told)
            return
        between = holding is not None and holding.state == FENCED  # nobody can answer for a moment
        if message.hops and known.server != ctx.id and not between:
            ctx.mark("passed_on")
            newest = max(asked, known.rank)
            passed = msgspec.structs.replace(message, hops=message.hops - 1, partition=newest[0], epoch=newest[1])
            ctx.send(known.server, passed)
            return
        ctx.send(message.client, Elsewhere(message.operation, None if between or known.server == ctx.id else known))

    def _carry_out(self, ctx: Context, partition: int, message: Ask, told: Entry | None) -> None:
        request = message.request
        data = self.data[partition]
        if type(request) is Read:
            # All that is read here is on disk before the answer leaves, by prefix durability.
            ctx.send(message.client, Done(message.operation, data.get(request.key), told))
            return
        known = self.sessions[partition].get(message.session)
        if known is not None and message.sequence <= known[1]:
            # Carried out before. The sessions move with the data, so the next owner knows that too.
            if message.sequence == known[1]:
                ctx.send(message.client, Done(message.operation, known[2], told))
            return
        found = self._execute(ctx, partition, request)
        self.sessions[partition][message.session] = (message.session, message.sequence, found)
        ctx.persist(f"session:{partition}/{message.session}", Result(message.sequence, found))
        out = self.outgoing.get(partition)
        if out is not None:
            out.changed(message.session, request.key if request.key in data else None)
        ctx.send(message.client, Done(message.operation, found, told))

    def _execute(self, ctx: Context, partition: int, request: Read | Write | Cas) -> bytes | None:
        data = self.data[partition]
        found = None
        if type(request) is Cas:
            found = data.get(request.key)
            if found != request.expected:
                return found
        value: bytes = request.value  # type: ignore[union-attr]
        data[request.key] = value
        ctx.persist(f"item:{request.key}", value)
        return found

    @on(News)
    def news(self, ctx: Context, source: str, message: News) -> None:
        """Where everything is, or was a moment ago."""
        for entry in message.entries:
            self.table.learn(entry)
