"""A server of the indexed table: some partitions of the records, and some of the index.

A local index (by document, in Kleppmann's words) changes with the record, in one turn. A global one (by term) is
elsewhere: each server has a queue of updates on disk for each other one, which are numbered, sent until they are
acknowledged, and applied in their order, once. So no update is lost, and a late one undoes nothing.

What ``async`` and ``sync`` differ in is when the record changes: at once, with the updates queued in the same turn; or
when the new entry is known to be in the index, and the old one goes afterwards. Synchronously the index thus has, at
any time, every record under its attribute, and sometimes under others: whoever reads by it looks at the records
(sync-insert in Tan et al.: Diff-Index, EDBT 2014).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import msgspec

from ...node import SECOND, Context, Durable, Node, on, on_timer
from ...requests import Cas
from .config import TableConfig
from .messages import Applied, Ask, Change, Done, Fetch, Keys, Record, Result, Row, Rows, Scan, Search, Update, Updates
from .placing import Placing, number_of


class Outbox(msgspec.Struct):
    """Updates for another server that it has not acknowledged: ``first`` is the number of the first of them."""

    first: int
    updates: list[Update]
    sent: int = 0  # up to that number they are on their way


class View(msgspec.Struct):
    """What invariants and reports see; live, not to be kept. ``version`` counts changes."""

    version: int
    index: str
    silent: bool
    placing: Placing
    records: dict[str, Record]
    entries: dict[int, dict[str, None]]
    outboxes: dict[str, Outbox]
    applied: dict[str, int]
    changes: dict[str, Change]


class Server(Node):
    """Marks: ``applied`` (an update of the index; ``lag``: ns since its record changed or was to), ``sent_again``."""

    messages: ClassVar[Any] = Ask | Fetch | Search | Scan | Updates | Applied
    stored: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "record:": Record,
            "session:": Result,
            "entry:": bool,
            "change:": Change,
            "applied:": int,
            "outbox:": Update,
            "silent": bool,
        }
    )

    config: TableConfig

    # --- boot --------------------------------------------------------------------------------------------------------

    def start(self, ctx: Context, durable: Durable) -> None:
        """What it has, it has from its disk; what was not acknowledged is sent again."""
        self.placing = Placing(self.config, ctx.bootstrap)
        self.silent = durable.lost or bool(durable.corrupt) or durable.get("silent", False)
        self.version = 0
        self.records: dict[str, Record] = {}
        self.sessions: dict[str, Result] = {}
        self.entries: dict[int, dict[str, None]] = {at: {} for at in range(self.config.attributes)}
        self.changes: dict[str, Change] = {}
        self.waiting: dict[str, deque[Ask]] = {}
        self.applied: dict[str, int] = {}
        self.outboxes: dict[str, Outbox] = {}
        if self.silent:
            ctx.persist("silent", True)  # the only copy is gone: to answer that there is nothing would be a lie
            return
        for stored in sorted(durable.keys):
            self._load(stored, durable.keys[stored])
        for log in sorted(durable.logs):
            image = durable.logs[log]
            self.outboxes[log.partition(":")[2]] = Outbox(image.first, list(image.entries))
        for target in sorted(self.outboxes):
            self._push(ctx, target)

    def _load(self, stored: str, value: Any) -> None:
        kind, _, name = stored.partition(":")
        if kind == "record":
            self.records[name] = value
        elif kind == "session":
            self.sessions[name] = value
        elif kind == "entry":
            attribute, _, key = name.partition("/")
            self.entries[int(attribute)][key] = None
        elif kind == "change":
            self.changes[name] = value
        elif kind == "applied":
            self.applied[name] = value

    def inspect(self) -> View:
        """See :class:`View`."""
        return View(
            self.version,
            self.config.index,
            self.silent,
            self.placing,
            self.records,
            self.entries,
            self.outboxes,
            self.applied,
            self.changes,
        )

    # --- changes of records ------------------------------------------------------------------------------------------

    @on(Ask)
    def ask(self, ctx: Context, source: str, message: Ask) -> None:
        """Change a record, unless that was done before; after other changes of it that are under way."""
        if self.silent:
            return
        key = message.request.key
        known = self.sessions.get(message.session)
        if known is not None and message.sequence <= known.sequence:
            if message.sequence == known.sequence:
                ctx.send(message.client, Done(message.operation, known.found))
            return
        under_way = self.changes.get(key)
        if under_way is None:
            self._change(ctx, message)
        elif under_way.ask != message:
            self.waiting.setdefault(key, deque()).append(message)

    def _change(self, ctx: Context, message: Ask) -> None:
        request = message.request
        before = self.records.get(request.key)
        value = None if before is None else before.value
        if type(request) is Cas and request.expected != value:
            self._answer(ctx, message, value)
            return
        attribute = self.placing.attribute(request.value)
        old = None if value is None else self.placing.attribute(value)
        if self.config.index != "sync" or attribute == old:
            self._commit(ctx, message)
            return
        # First the entry, then the record: in between, who finds the entry and looks at the record is not deceived.
        target = self.placing.owner_of_term(attribute)
        number = self._queue(ctx, target, Update(attribute, request.key, True, ctx.wall()))
        self.changes[request.key] = Change(message, target, number)
        ctx.persist("change:" + request.key, self.changes[request.key])
        self._push(ctx, target)

    def _commit(self, ctx: Context, message: Ask) -> None:
        """The record changes, and with it, in this turn, what is on disk of the index or of its updates."""
        request, key = message.request, message.request.key
        before = self.records.get(key)
        old = None if before is None else self.placing.attribute(before.value)
        new = self.placing.attribute(request.value)
        self.records[key] = Record(request.value, message.at)
        self.version += 1
        ctx.persist("record:" + key, self.records[key])
        if old != new:
            if self.config.index == "local":
                if old is not None:
                    self._entry(ctx, old, key, present=False)
                self._entry(ctx, new, key, present=True)
            else:
                if old is not None:
                    self._tell(ctx, Update(old, key, False, ctx.wall()))
                if self.config.index == "async":
                    self._tell(ctx, Update(new, key, True, ctx.wall()))
        found = before.value if type(request) is Cas and before is not None else None
        self._answer(ctx, message, found)

    def _answer(self, ctx: Context, message: Ask, found: bytes | None) -> None:
        result = self.sessions[message.session] = Result(message.sequence, found)
        ctx.persist("session:" + message.session, result)
        ctx.send(message.client, Done(message.operation, found))

    def _entry(self, ctx: Context, attribute: int, key: str, *, present: bool) -> None:
        self.version += 1
        if present:
            self.entries[attribute][key] = None
            ctx.persist(f"entry:{attribute}/{key}", True)
        else:
            self.entries[attribute].pop(key, None)
            ctx.delete(f"entry:{attribute}/{key}")

    # --- updates of a global index: their sender ---------------------------------------------------------------------

    def _tell(self, ctx: Context, update: Update) -> None:
        """Queue it, and send it in a while."""
        target = self.placing.owner_of_term(update.attribute)
        self._queue(ctx, target, update)
        if not self.config.flush_s:
            self._push(ctx, target)
        elif len(self.outboxes[target].updates) == 1:
            ctx.set_timer("push", round(self.config.flush_s * SECOND), target)

    def _queue(self, ctx: Context, target: str, update: Update) -> int:
        """Its number; numbers go on over restarts, as the log's do."""
        box = self.outboxes.setdefault(target, Outbox(1, []))
        box.updates.append(update)
        ctx.append("outbox:" + target, (update,))
        self.version += 1
        return box.first + len(box.updates) - 1

    def _push(self, ctx: Context, target: str) -> None:
        """Send what waits, if nothing is on its way; what comes meanwhile goes with the next message, together."""
        box = self.outboxes[target]
        if box.updates and box.sent < box.first:
            part = tuple(box.updates[: self.config.batch])
            box.sent = box.first + len(part) - 1
            ctx.send(target, Updates(box.first, part))
            ctx.set_timer("push", self.config.retry, target)

    @on_timer("push")
    def push(self, ctx: Context, target: str) -> None:
        """Enough has gathered; or the message, or its answer, was lost, or the other server is down."""
        box = self.outboxes[target]
        if box.sent >= box.first:
            ctx.mark("sent_again")
            box.sent = 0
        self._push(ctx, target)

    @on(Applied)
    def acknowledged(self, ctx: Context, source: str, message: Applied) -> None:
        """Forget these updates, and make the changes that waited for them."""
        box = self.outboxes.get(source)
        if box is None or message.number < box.first:
            return
        del box.updates[: message.number + 1 - box.first]
        box.first = message.number + 1
        self.version += 1
        ctx.compact_prefix("outbox:" + source, message.number)
        ready = [key for key, each in self.changes.items() if each.target == source and each.number <= message.number]
        for key in ready:
            change = self.changes.pop(key)
            ctx.delete("change:" + key)
            self._commit(ctx, change.ask)
            waiting = self.waiting.pop(key, deque())
            while waiting and key not in self.changes:
                self.ask(ctx, source, waiting.popleft())
            if waiting:
                self.waiting.setdefault(key, deque()).extend(waiting)
        if box.sent >= box.first:
            return  # an answer to an earlier life, which had sent less: the rest is on its way yet, and its timer stays
        ctx.cancel_timer("push", source)
        if self.config.flush_s and self.config.index == "async":
            if box.updates:
                ctx.set_timer("push", round(self.config.flush_s * SECOND), source)
        else:
            self._push(ctx, source)

    # --- updates of a global index: their receiver -------------------------------------------------------------------

    @on(Updates)
    def updates(self, ctx: Context, source: str, message: Updates) -> None:
        """Apply what is next of that sender's. With the update its number is stored, so that it is applied once."""
        if self.silent:
            return
        applied = self.applied.get(source, 0)
        for number, update in enumerate(message.updates, message.first):
            if number != applied + 1:
                continue
            self._entry(ctx, update.attribute, update.key, present=update.present)
            applied = number
            ctx.mark("applied", lag=ctx.wall() - update.at)
        self.applied[source] = applied
        ctx.persist("applied:" + source, applied)
        ctx.send(source, Applied(applied))

    # --- reading -----------------------------------------------------------------------------------------------------

    def _row(self, key: str) -> Row:
        record = self.records.get(key)
        return (key, None, 0) if record is None else (key, record.value, record.at)

    @on(Fetch)
    def fetch(self, ctx: Context, source: str, message: Fetch) -> None:
        """Records by their keys."""
        if not self.silent:
            ctx.send(source, Rows(message.query, tuple(self._row(key) for key in message.keys)))

    @on(Search)
    def search(self, ctx: Context, source: str, message: Search) -> None:
        """By attribute: the records, where the index is beside them; else their keys."""
        if self.silent:
            return
        keys = tuple(self.entries[message.attribute])
        if self.config.index == "local":
            ctx.send(source, Rows(message.query, tuple(self._row(key) for key in keys)))
        else:
            ctx.send(source, Keys(message.query, keys))

    @on(Scan)
    def scan(self, ctx: Context, source: str, message: Scan) -> None:
        """Those of a range that are here."""
        if not self.silent:
            keys = [key for key in self.records if message.first <= number_of(key) <= message.last]
            ctx.send(source, Rows(message.query, tuple(self._row(key) for key in keys)))
