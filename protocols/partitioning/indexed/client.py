"""A client: it knows who has what, and gathers what several servers have."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from ...node import SECOND, Context, Durable, Fail, Node, Ok, on, on_request, on_timer
from ...requests import Cas, Read, Write
from .config import ClientConfig
from .messages import Ask, Done, Fetch, Keys, Row, Rows, Scan, Search
from .placing import Placing, number_of, salted


class Query(msgspec.Struct):
    """Something asked of several servers: ``waiting`` are the questions without an answer yet."""

    operation: int
    key: str
    step: str  # primary, index (the second part of an index read), query, scan
    attribute: int
    waiting: dict[str, Fetch | Search | Scan]
    rows: dict[str, Row]
    missed: bytes | None = None  # how the record was seen before the index was looked at


class Client(Node):
    """Marks: ``missed`` (the index lacks a record), ``left_over`` (candidates that do not match), ``cached``."""

    messages: ClassVar[Any] = Done | Rows | Keys

    config: ClientConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """It remembers nothing."""
        self.placing = Placing(self.config, ctx.bootstrap)
        self.asked: dict[int, Ask] = {}
        self.queries: dict[int, Query] = {}
        self.of_operation: dict[int, int] = {}  # operation -> its query
        self.idle: list[str] = []
        self.sequences: dict[str, int] = {}
        self.numbers = ctx.rng.getrandbits(48)  # of queries, so that no answer is for one of an earlier life
        self.cache: dict[str, tuple[int, bytes | None]] = {}  # key -> (until, value)

    # --- changes -----------------------------------------------------------------------------------------------------

    @on_request(Write, Cas)
    def change(self, ctx: Context, operation: int, request: Write | Cas) -> None:
        """Ask whoever has the record, or one of its pieces."""
        pieces = salted(request.key, self.config.salts, self.config.hot)
        if len(pieces) > 1:
            if type(request) is Cas:
                ctx.reply(operation, Fail("a salted key has no compare-and-set: no server knows what it is"))
                return
            request = Write(pieces[ctx.rng.randrange(len(pieces))], request.value)
        session = self.idle.pop() if self.idle else f"{ctx.id}.{ctx.rng.getrandbits(64):016x}"
        sequence = self.sequences[session] = self.sequences.get(session, 0) + 1
        self.asked[operation] = Ask(operation, ctx.id, session, sequence, ctx.wall(), request)
        ctx.set_timer("give_up", round(self.config.operation_timeout_s * SECOND), operation)
        self.again(ctx, operation)

    @on(Done)
    def done(self, ctx: Context, source: str, message: Done) -> None:
        """It took effect once, however often it was asked for."""
        ask = self.asked.pop(message.operation, None)
        if ask is None:
            return
        self.idle.append(ask.session)
        self.cache.pop(ask.request.key.partition("#")[0], None)
        ctx.cancel_timer("again", message.operation)
        ctx.cancel_timer("give_up", message.operation)
        ctx.reply(message.operation, Ok(message.found))

    @on_timer("again")
    def again(self, ctx: Context, operation: int) -> None:
        """Ask; and once more, while there is no answer."""
        ask = self.asked.get(operation)
        if ask is not None:
            ctx.attempt(operation)
            ctx.send(self.placing.owner(ask.request.key), ask)
            ctx.set_timer("again", round(self.config.ask_again_s * SECOND), operation)

    # --- reads -------------------------------------------------------------------------------------------------------

    @on_request(Read)
    def read(self, ctx: Context, operation: int, request: Read) -> None:
        """By key, by attribute, or in key order, as the client is configured."""
        if self.config.cache_ttl_s:
            until, value = self.cache.get(request.key, (0, None))
            if ctx.monotonic() < until:
                ctx.mark("cached")
                ctx.reply(operation, Ok(value))
                return
        ctx.set_timer("give_up", round(self.config.operation_timeout_s * SECOND), operation)
        if self.config.reads == "query":
            self._find(ctx, operation, request.key, "query", number_of(request.key) % self.config.attributes, None)
        elif self.config.reads == "scan":
            self._scan(ctx, operation, request.key)
        else:
            self._read_record(ctx, operation, request.key, None)

    def _read_record(self, ctx: Context, operation: int, key: str, missed: bytes | None) -> None:
        query = self._begin(operation, key, "primary", -1, missed)
        self._fetch(ctx, query, salted(key, self.config.salts, self.config.hot))

    def _find(self, ctx: Context, operation: int, key: str, step: str, attribute: int, seen: bytes | None) -> None:
        """Everything with that attribute: of a local index everybody has a part, of a global one a single server."""
        query = self._begin(operation, key, step, attribute, seen)
        everybody = self.placing.servers
        asked = everybody if self.config.index == "local" else (self.placing.owner_of_term(attribute),)
        self.queries[query].waiting = {server: Search(query, attribute) for server in asked}
        self.ask_again(ctx, query)

    def _scan(self, ctx: Context, operation: int, key: str) -> None:
        query = self._begin(operation, key, "scan", -1)
        first = number_of(key)
        last = first + self.config.width - 1
        asked = self.placing.with_range(first, last)
        self.queries[query].waiting = {server: Scan(query, first, last) for server in asked}
        self.ask_again(ctx, query)

    def _begin(self, operation: int, key: str, step: str, attribute: int, missed: bytes | None = None) -> int:
        self.numbers += 1
        self.of_operation[operation] = self.numbers
        self.queries[self.numbers] = Query(operation, key, step, attribute, {}, {}, missed)
        return self.numbers

    def _fetch(self, ctx: Context, query: int, keys: tuple[str, ...]) -> None:
        parts = self.placing.by_owner(keys)
        self.queries[query].waiting = {server: Fetch(query, tuple(part)) for server, part in parts.items()}
        self.ask_again(ctx, query)

    @on_timer("ask_again")
    def ask_again(self, ctx: Context, query: int) -> None:
        """Ask; and once more whoever has not answered."""
        state = self.queries.get(query)
        if state is None:
            return
        ctx.attempt(state.operation)
        for server, question in state.waiting.items():
            ctx.send(server, question)
        ctx.set_timer("ask_again", round(self.config.ask_again_s * SECOND), query)

    # --- answers -----------------------------------------------------------------------------------------------------

    @on(Keys)
    def keys(self, ctx: Context, source: str, message: Keys) -> None:
        """Candidates of a global index; their records say whether they match."""
        state = self.queries.get(message.query)
        if state is None or type(state.waiting.get(source)) is not Search:
            return
        if message.keys:
            self._fetch(ctx, message.query, message.keys)
        else:
            state.waiting = {}
            self._gathered(ctx, message.query, state)

    @on(Rows)
    def rows(self, ctx: Context, source: str, message: Rows) -> None:
        """A part; with the last one the whole."""
        state = self.queries.get(message.query)
        if state is None or source not in state.waiting:
            return
        del state.waiting[source]
        for row in message.rows:
            state.rows[row[0]] = row
        if not state.waiting:
            self._gathered(ctx, message.query, state)

    def _gathered(self, ctx: Context, query: int, state: Query) -> None:
        del self.queries[query]
        ctx.cancel_timer("ask_again", query)
        rows = [row for row in state.rows.values() if row[1] is not None]
        if state.step == "primary":
            # Of one piece or of many, the newest; without salts there is one.
            self._record(ctx, state, max(rows, key=lambda row: (row[2], row[0]))[1] if rows else None)
        elif state.step == "scan":
            self._finish(ctx, state, len(rows).to_bytes(8, "big"))
        else:
            self._found(ctx, query, state, rows)

    def _record(self, ctx: Context, state: Query, value: bytes | None) -> None:
        """The record is known: that was all, or now it is looked up by its attribute."""
        if self.config.reads == "primary" or value is None:
            self._finish(ctx, state, value)
        elif value == state.missed and self.config.index != "async":
            # It was so before and after the index said that there is no such record. Who asks by attribute alone
            # believes that, and so do we: whoever judges the history shall see it.
            self._finish(ctx, state, None)
        else:
            self._find(ctx, state.operation, state.key, "index", self.placing.attribute(value), value)

    def _found(self, ctx: Context, query: int, state: Query, rows: list[Row]) -> None:
        matching = {row[0]: row[1] for row in rows if row[1] and self.placing.attribute(row[1]) == state.attribute}
        if len(matching) < len(state.rows):
            ctx.mark("left_over", candidates=len(state.rows) - len(matching))
        if state.step == "query":
            self._finish(ctx, state, len(matching).to_bytes(8, "big"))
        elif state.key in matching:
            self._finish(ctx, state, matching[state.key])
        else:
            # The record has changed since it was read, or the index does not know it yet.
            ctx.mark("missed", operation=state.operation)
            self.queries[query] = state
            ctx.set_timer("look_again", round(self.config.backoff_s * (1 + ctx.rng.random()) * SECOND), query)

    @on_timer("look_again")
    def look_again(self, ctx: Context, query: int) -> None:
        """From the beginning, the record first."""
        state = self.queries.pop(query, None)
        if state is not None:
            self._read_record(ctx, state.operation, state.key, state.missed)

    def _finish(self, ctx: Context, state: Query, value: bytes | None) -> None:
        del self.of_operation[state.operation]
        ctx.cancel_timer("give_up", state.operation)
        if self.config.cache_ttl_s:
            self.cache[state.key] = (ctx.monotonic() + round(self.config.cache_ttl_s * SECOND), value)
        ctx.reply(state.operation, Ok(value))

    # --- no answer ---------------------------------------------------------------------------------------------------

    @on_timer("give_up")
    def give_up(self, ctx: Context, operation: int) -> None:
        """Too long. The session of a change is abandoned with it, for it may still be made."""
        ask = self.asked.pop(operation, None)
        if ask is not None:
            self.sequences.pop(ask.session, None)
            ctx.cancel_timer("again", operation)
        query = self.of_operation.pop(operation, None)
        if query is not None:
            self.queries.pop(query, None)
            ctx.cancel_timer("ask_again", query)
            ctx.cancel_timer("look_again", query)
        ctx.reply(operation, Fail("no answer in time"))
