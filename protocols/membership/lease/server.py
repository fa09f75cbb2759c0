"""A server: it grants the lease, tries to get it, and while it holds it serves the registers.

Leases are Gray and Cheriton's (1989), granted by a majority (as in Chubby and PaxosLease): a *grantor* that has granted
the lease grants it to nobody else for a term; the *holder* is whoever has the grants of a majority, and deems them good
for a term from when it *sent* its request. Reads are answered by the holder alone, without asking anybody: that is what
the lease is for, and what two holders break. Writes go to a majority under the holder's ballot and need no clock.

Why no two hold the lease at one time: their majorities share a grantor. It granted the second no sooner than ``waited``
of its clock after it got the first one's request, which was no sooner than that was sent; and the first stopped after
``held`` of its own clock from then. Within the drift bound ``held`` takes no longer than the term, ``waited`` no less.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import msgspec

from ...node import Context, Durable, Node, on, on_timer
from ...requests import Cas, Read
from .config import ServerConfig
from .messages import (
    Acquire,
    Ballot,
    Denied,
    Do,
    Done,
    Elsewhere,
    Entry,
    Find,
    Granted,
    Here,
    NotHolder,
    Release,
    Renew,
    Renewed,
    Restore,
    Restored,
    Store,
    Stored,
)

NOBODY = Ballot(0, "")


class View(msgspec.Struct, frozen=True):
    """What a look at a server shows.

    Attributes:
        holding: it serves, as far as it knew at its last turn.
        ballot: under which it holds, or last held, the lease.
        began: the latest ballot under which it has begun to serve.
        promised: no lower ballot gets its grant.
        reads: how many it has answered by itself in this life.
        entries, serves: what it keeps, and what it would answer as the holder, by key; not to be changed.
        silent: it has lost its disk.
    """

    holding: bool
    ballot: Ballot
    began: Ballot
    promised: Ballot
    reads: int
    silent: bool
    entries: dict[str, Entry]
    serves: dict[str, Entry]


class Change(msgspec.Struct, gc=False):
    """A write under way: who asked for it, who has it, what to answer."""

    source: str
    asked: Do
    key: str
    entry: Entry
    answer: bytes | None
    kept: set[str]


class Server(Node):
    """Marks: ``suspected`` (tries to get the lease), ``elected`` (has it), ``committed`` (serves), ``expired``."""

    messages: ClassVar[Any] = (
        Acquire | Granted | Denied | Release | Restore | Restored | Renew | Renewed | Store | Stored | Find | Do
    )
    stored: ClassVar[Mapping[str, Any]] = MappingProxyType({"promised": Ballot, "silent": bool, "entry:": Entry})

    config: ServerConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """Boot. What was granted in an earlier life is not known any more, only to whom: that is waited out."""
        self.majority = len(ctx.bootstrap) // 2 + 1
        self.silent = durable.lost or bool(durable.corrupt) or durable.get("silent", False)
        if self.silent:
            # It may have granted the lease, or kept a value, that it has forgotten: it counts as one that has failed.
            ctx.mark("silent")
            ctx.persist("silent", True)
        now = ctx.monotonic()
        self.promised: Ballot = durable.get("promised", NOBODY)
        self.busy_until = now + self.config.waited if self.promised != NOBODY else 0  # of the grant
        self.entries: dict[str, Entry] = {
            name.partition(":")[2]: value for name, value in durable.keys.items() if name.startswith("entry:")
        }
        # of the candidate and holder
        self.ballot = self.began = NOBODY
        self.asking = False  # for the lease, under that ballot
        self.holding = False
        self.until = 0  # by this clock, if holding
        self.sent = 0
        self.grants: set[str] = set()
        self.restored: set[str] = set()
        self.newest: dict[str, Entry] = {}
        self.renewals: dict[int, tuple[int, set[str]]] = {}
        self.renewal = 0
        self.count = 0
        self.changes: dict[int, Change] = {}
        self.waiting: dict[str, list[tuple[str, Do]]] = {}  # per key with a change under way
        self.tokens: dict[tuple[str, int], Done | None] = {}  # of this ballot; None: under way
        self.reads = 0
        self._campaign_later(ctx, now)

    # --- getting the lease -------------------------------------------------------------------------------------------

    def _campaign_later(self, ctx: Context, now: int) -> None:
        """When the grant given here has run out, and a random time later: not all at once."""
        jitter = 1 + int(ctx.rng.random() * self.config.renew)
        ctx.set_timer("campaign", max(0, self.busy_until - now) + jitter)

    @on_timer("campaign")
    def campaign(self, ctx: Context, key: Any) -> None:
        """Ask everybody, oneself included, unless a grant is out."""
        now = ctx.monotonic()
        if self.silent or self.holding:
            return
        if self.asking:
            # Not enough answers in time. Whoever does not hear them may be heard, and would keep all others from it.
            self._give_up(ctx, self.ballot.number)
            return
        if now < self.busy_until:
            self._campaign_later(ctx, now)
            return
        ctx.mark("suspected")
        self.asking = True
        self.ballot = Ballot(max(self.promised.number, self.ballot.number) + 1, ctx.id)
        self.sent = now
        self.grants, self.restored, self.newest = set(), set(), {}
        for server in ctx.bootstrap:
            ctx.send(server, Acquire(self.ballot))
        ctx.set_timer("campaign", self.config.renew + int(ctx.rng.random() * self.config.renew))

    @on(Acquire)
    def acquire(self, ctx: Context, source: str, message: Acquire) -> None:
        """Grant it, if it is nobody else's now. The promise outlives a crash, so that old ballots write no more."""
        if self.silent:
            return
        now = ctx.monotonic()
        if message.ballot <= self.promised or now < self.busy_until:
            ctx.send(source, Denied(message.ballot, self.promised))
            return
        self.promised = message.ballot
        ctx.persist("promised", self.promised)
        self.busy_until = now + self.config.waited
        if source != ctx.id:
            self._lose(ctx)
        ctx.send(source, Granted(message.ballot, tuple(self.entries.items()), ctx.wall()))

    @on(Denied)
    def denied(self, ctx: Context, source: str, message: Denied) -> None:
        """Somebody else has it, or tries at the same time. Then both may have half of the grants: give them back."""
        if message.ballot != self.ballot or self.holding or len(self.grants) >= self.majority:
            return
        self._give_up(ctx, message.promised.number)

    def _give_up(self, ctx: Context, number: int) -> None:
        ctx.broadcast(Release(self.ballot))
        self._release(ctx, ctx.id, self.ballot)
        # One that is never asked for, so that no late grant is taken for it.
        self.ballot = Ballot(max(self.ballot.number, number) + 1, ctx.id)
        self.grants, self.asking = set(), False
        self._campaign_later(ctx, ctx.monotonic())

    @on(Release)
    def release(self, ctx: Context, source: str, message: Release) -> None:
        """The grant is free again; the promise stands."""
        self._release(ctx, source, message.ballot)

    def _release(self, ctx: Context, source: str, ballot: Ballot) -> None:
        if self.promised == ballot:
            self.busy_until = min(self.busy_until, ctx.monotonic())
            if source != ctx.id:
                self._campaign_later(ctx, ctx.monotonic())

    @on(Granted)
    def granted(self, ctx: Context, source: str, message: Granted) -> None:
        """With a majority the lease is ours, for a term from when we asked; what they keep is to be kept by a majority.

        A value that only a minority has may be of a write that was never acknowledged. Whoever returned it would have
        to be believed by the next holder, whose majority may miss it: so it is written again before anything is served.
        """
        if message.ballot != self.ballot or self.holding or len(self.grants) >= self.majority:
            return
        self.grants.add(source)
        for key, entry in message.entries:
            if entry.newer(self.newest.get(key)):
                self.newest[key] = entry
        if len(self.grants) < self.majority:
            return
        self.until = self.sent + self.config.held
        if ctx.monotonic() >= self.until:
            return
        ctx.mark("elected")
        self.count = 0
        entries = {}
        for key, entry in sorted(self.newest.items()):
            self.count += 1
            entries[key] = Entry(self.ballot, self.count, entry.value)
        for server in ctx.bootstrap:
            ctx.send(server, Restore(self.ballot, tuple(entries.items())))

    @on(Restore)
    def restore(self, ctx: Context, source: str, message: Restore) -> None:
        """Keep what the new holder found."""
        if self.silent or message.ballot < self.promised:
            return
        for key, entry in message.entries:
            self._keep(ctx, key, entry)
        ctx.send(source, Restored(message.ballot))

    @on(Restored)
    def begin(self, ctx: Context, source: str, message: Restored) -> None:
        """With a majority, serve."""
        if message.ballot != self.ballot or self.holding or len(self.grants) < self.majority:
            return
        self.restored.add(source)
        if len(self.restored) < self.majority or ctx.monotonic() >= self.until:
            return
        ctx.mark("committed")
        self.holding, self.began, self.asking = True, self.ballot, False
        self.changes, self.waiting, self.renewals, self.tokens = {}, {}, {}, {}
        ctx.cancel_timer("campaign")
        ctx.set_timer("expire", self.until - ctx.monotonic())
        self.renew(ctx, None)

    # --- keeping it --------------------------------------------------------------------------------------------------

    @on_timer("renew")
    def renew(self, ctx: Context, key: Any) -> None:
        """Ask for another term, well before this one ends."""
        if not self.holding:
            return
        self.renewal += 1
        self.renewals[self.renewal] = (ctx.monotonic(), set())
        self.renewals.pop(self.renewal - 16, None)
        for server in ctx.bootstrap:
            ctx.send(server, Renew(self.ballot, self.renewal))
        ctx.set_timer("renew", self.config.renew)

    @on(Renew)
    def extend(self, ctx: Context, source: str, message: Renew) -> None:
        """Only for whom it was granted to last: a renewal after another's grant would make two holders."""
        if self.silent or message.ballot != self.promised:
            return
        self.busy_until = ctx.monotonic() + self.config.waited
        ctx.send(source, Renewed(message.ballot, message.number))

    @on(Renewed)
    def extended(self, ctx: Context, source: str, message: Renewed) -> None:
        """With a majority, another term from when that was sent."""
        if message.ballot != self.ballot or not self.holding or message.number not in self.renewals:
            return
        sent, answered = self.renewals[message.number]
        answered.add(source)
        now = ctx.monotonic()
        if len(answered) >= self.majority and sent + self.config.held > self.until and now < self.until:
            self.until = sent + self.config.held
            ctx.set_timer("expire", max(1, self.until - now))

    @on_timer("expire")
    def expire(self, ctx: Context, key: Any) -> None:
        """The term is over, and no majority has granted another."""
        if self.holding:
            ctx.mark("expired")
            self._lose(ctx)
            self._campaign_later(ctx, ctx.monotonic())

    def _lose(self, ctx: Context) -> None:
        """Serve no more. Writes under way stay unanswered: they may be kept yet."""
        if self.holding:
            self.holding = False
            ctx.cancel_timer("expire")
            ctx.cancel_timer("renew")
            self._campaign_later(ctx, ctx.monotonic())

    def _holds(self, ctx: Context, ballot: Ballot) -> bool:
        """Whether the lease is good at this moment: by the clock, for the timer may ring late."""
        return self.holding and ballot == self.ballot and ctx.monotonic() < self.until

    # --- serving -----------------------------------------------------------------------------------------------------

    @on(Find)
    def find(self, ctx: Context, source: str, message: Find) -> None:
        """Say who holds the lease."""
        if self._holds(ctx, self.ballot):
            ctx.send(source, Here(message.operation, self.ballot))
        else:
            known = ctx.monotonic() < self.busy_until
            ctx.send(source, Elsewhere(message.operation, self.promised.server if known else ""))

    @on(Do)
    def do(self, ctx: Context, source: str, message: Do) -> None:
        """A read is answered from here; a change waits for those of its key before it.

        What comes again under this ballot, by the network or because its answer was lost, is answered again, not done.
        """
        if not self._holds(ctx, message.ballot):
            ctx.send(source, NotHolder(message.operation))
            return
        if type(message.request) is Read:
            self.reads += 1
            entry = self.newest.get(message.request.key)
            ctx.send(source, Done(message.operation, None if entry is None else entry.value))
            return
        if (source, message.token) in self.tokens:
            answer = self.tokens[source, message.token]
            if answer is not None:
                ctx.send(source, answer)
            return
        self.tokens[source, message.token] = None
        if message.request.key in self.waiting:
            self.waiting[message.request.key].append((source, message))
        else:
            self._change(ctx, source, message)

    def _done(self, ctx: Context, source: str, message: Do, result: bytes | None) -> None:
        answer = self.tokens[source, message.token] = Done(message.operation, result)
        ctx.send(source, answer)

    def _change(self, ctx: Context, source: str, message: Do) -> None:
        request = message.request
        assert not isinstance(request, Read)
        before = self.newest.get(request.key)
        witness = None if before is None else before.value
        if type(request) is Cas and request.expected != witness:
            self._done(ctx, source, message, witness)
            self._next(ctx, request.key)
            return
        self.count += 1
        entry = Entry(self.ballot, self.count, request.value)
        answer = witness if type(request) is Cas else None
        self.changes[self.count] = Change(source, message, request.key, entry, answer, set())
        self.waiting.setdefault(request.key, [])
        self._send_change(ctx, self.count)

    @on_timer("again")
    def _send_change(self, ctx: Context, count: int) -> None:
        """To those that have not acknowledged it, again and again: messages get lost."""
        change = self.changes.get(count)
        if change is None or not self.holding:
            return
        for server in ctx.bootstrap:
            if server not in change.kept:
                ctx.send(server, Store(change.key, change.entry))
        ctx.set_timer("again", self.config.renew, count)

    @on(Store)
    def store(self, ctx: Context, source: str, message: Store) -> None:
        """Keep it, unless a higher ballot was promised: then its holder may have read what is here already."""
        if self.silent or message.entry.ballot < self.promised:
            return
        self._keep(ctx, message.key, message.entry)
        ctx.send(source, Stored(message.entry.ballot, message.entry.count))

    def _keep(self, ctx: Context, key: str, entry: Entry) -> None:
        if entry.newer(self.entries.get(key)):
            self.entries[key] = entry
            ctx.persist("entry:" + key, entry)

    @on(Stored)
    def stored_there(self, ctx: Context, source: str, message: Stored) -> None:
        """With a majority it has happened."""
        change = self.changes.get(message.count)
        if change is None or message.ballot != self.ballot or change.entry.ballot != self.ballot:
            return
        change.kept.add(source)
        if len(change.kept) < self.majority:
            return
        del self.changes[message.count]
        ctx.cancel_timer("again", message.count)
        self.newest[change.key] = change.entry
        self._done(ctx, change.source, change.asked, change.answer)
        self._next(ctx, change.key)

    def _next(self, ctx: Context, key: str) -> None:
        """The next change of the key, if one waits."""
        waiting = self.waiting.get(key)
        if waiting is None:
            return
        if not waiting or not self.holding:
            del self.waiting[key]
            return
        self._change(ctx, *waiting.pop(0))

    def inspect(self) -> View:
        """See :class:`View`."""
        return View(
            self.holding,
            self.ballot,
            self.began,
            self.promised,
            self.reads,
            self.silent,
            self.entries,
            self.newest,
        )
