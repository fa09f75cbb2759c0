"""A coordinator: any server, for one operation of a client. It asks replicas, counts answers, and repairs what it sees.

Dynamo's section 4.5 and 4.6; the names of levels, digests and blocking read repair are Cassandra's.
"""

from __future__ import annotations

from typing import Any

from ...deadlines import Deadlines
from ...node import Context, Durable, on, on_timer
from . import items, levels
from .items import Item, Version
from .levels import Requirement
from .messages import Answer, Forwarded, Get, Got, Put, Query, Replicate, Replicated, Short, Stored
from .replica import Replica


class Writing:
    """A write under way.

    Attributes:
        heard: replicas that have it on disk, each once.
        stand_ins: of which replica -> who keeps a hint for it (sloppy quorums), once that is on disk.
        asked: whom a stand-in was asked for -> who.
        done: the client has its answer; the rest of the replicas may still answer.
    """

    __slots__ = ("asked", "client", "done", "heard", "item", "key", "operation", "replicas", "stand_ins", "wanted")

    def __init__(self, client: str, put: Put, item: Item, wanted: Requirement, replicas: tuple[str, ...]) -> None:
        self.client = client
        self.operation = put.operation
        self.key = put.key
        self.item = item
        self.wanted = wanted
        self.replicas = replicas
        self.heard: list[str] = []
        self.stand_ins: dict[str, str] = {}
        self.asked: dict[str, str] = {}
        self.done = False


class Reading:
    """A read under way.

    Attributes:
        asked: servers that were asked; ``refetched``: those asked for the item after a digest that differed.
        answers: server -> its latest answer; ``counted``: replicas whose answers the decision rests on.
        merged: what is going to be returned, once that is decided; ``holders``: who is known to have it.
    """

    __slots__ = (
        "answers",
        "asked",
        "client",
        "counted",
        "decided",
        "done",
        "floor",
        "holders",
        "key",
        "merged",
        "operation",
        "refetched",
        "replicas",
        "wanted",
    )

    def __init__(self, client: str, get: Get, wanted: Requirement, replicas: tuple[str, ...]) -> None:
        self.client = client
        self.operation = get.operation
        self.key = get.key
        self.floor: Version = get.floor
        self.wanted = wanted
        self.replicas = replicas
        self.asked: list[str] = []
        self.refetched: set[str] = set()
        self.answers: dict[str, Answer] = {}
        self.counted: tuple[str, ...] = ()
        self.decided = self.done = False
        self.merged: Item | None = None
        self.holders: list[str] = []


class Coordinator(Replica):
    """The part of a server that works for clients."""

    def start(self, ctx: Context, durable: Durable) -> None:
        """No operation survives a crash: clients ask somebody else."""
        super().start(ctx, durable)
        self.rounds: dict[int, Writing | Reading] = {}
        self.last_round = ctx.rng.getrandbits(48)  # an answer to an earlier life must not be taken for one to this
        self.deadlines = Deadlines("expire")

    def _open(self, ctx: Context, work: Writing | Reading) -> int:
        self.last_round += 1
        self.rounds[self.last_round] = work
        now = ctx.monotonic()
        self.deadlines.add(ctx, self.last_round, now + self.config.request_timeout, now)
        return self.last_round

    # --- writes ------------------------------------------------------------------------------------------------------

    @on(Put)
    def put(self, ctx: Context, source: str, message: Put) -> None:
        """A client's write."""
        self._write(ctx, source, message)

    @on(Forwarded)
    def forwarded(self, ctx: Context, source: str, message: Forwarded) -> None:
        """A client's write that reached a server which cannot number it."""
        self.hear(source)
        self._write(ctx, message.client, message.put)

    def _write(self, ctx: Context, client: str, put: Put) -> None:
        """Send it to all replicas, whatever the level: that only says for how many to wait."""
        replicas = self.replicas(put.key)
        lww = self.config.conflict == "lww"
        if not lww and ctx.id not in replicas:
            # A dot says how many of a server's writes one has seen, so the server has to have seen its own.
            able = [each for each in replicas if each not in self.suspects] or list(replicas)
            ctx.send(able[ctx.rng.randrange(len(able))], Forwarded(client, put))
            return
        wanted = levels.requirement(put.level, replicas, self.zone, self.zone(ctx.id))
        item = items.write(
            self.config.conflict, self.store.get(put.key), put.written, put.context, self.identity.server
        )
        work = Writing(client, put, item, wanted, replicas)
        number = self._open(ctx, work)
        if ctx.id in replicas:
            if not lww:
                self.note("numbered", put.key, put.context)
            kept = self.keep(ctx, put.key, item)
            work.item = item = item if lww else kept
            # It counts at once: no answer leaves before this turn's write is on disk.
            work.heard.append(ctx.id)
        for replica in replicas:
            if replica != ctx.id:
                # May leave before our own copy is durable: each answer speaks for its sender only. Not so a dot: were
                # it forgotten here and known there, its number would be given to another write.
                ctx.send(replica, Replicate(number, put.key, item, ""), early=lww)
                if self.config.sloppy and replica in self.suspects:
                    self._ask_stand_in(ctx, number, work, replica)
        if put.level == "ANY" and ctx.id not in replicas and self.hint(ctx, replicas[0], put.key, item):
            work.stand_ins[replicas[0]] = ctx.id
        self._count(ctx, number, work)

    def _ask_stand_in(self, ctx: Context, number: int, work: Writing, replica: str) -> None:
        """The next server down the preference list keeps the write for a replica that is suspected."""
        for server in self.ring.preference(work.key)[self.n :]:
            if server in self.suspects or server in work.asked.values():
                continue
            work.asked[replica] = server
            if server != ctx.id:
                ctx.send(server, Replicate(number, work.key, work.item, replica))
            elif self.hint(ctx, replica, work.key, work.item):
                work.stand_ins[replica] = server
            return

    @on(Replicated)
    def replicated(self, ctx: Context, source: str, message: Replicated) -> None:
        """One server more has the item."""
        self.hear(source)
        work = self.rounds.get(message.round)
        if isinstance(work, Reading):
            if source not in work.holders:
                work.holders.append(source)
            self._answer_if_held(ctx, message.round, work)
        elif work is not None:
            if source in work.replicas:
                if source not in work.heard:
                    work.heard.append(source)
            else:
                # It keeps a hint: that is durable, but no read of the replicas will find it there.
                for replica, server in work.asked.items():
                    if server == source:
                        work.stand_ins[replica] = source
            self._count(ctx, message.round, work)

    def _count(self, ctx: Context, number: int, work: Writing) -> None:
        """Answer the client as soon as enough have it; forget the write when all have."""
        if not work.done:
            standing = [each for each in sorted(work.stand_ins.values()) if each not in work.heard]
            if levels.met(work.wanted, work.heard, self.zone):
                self._stored(ctx, work, ())
            elif standing and levels.met(work.wanted, [*work.heard, *standing], self.zone):
                self._stored(ctx, work, tuple(standing))
        if work.done and len(work.heard) == len(work.replicas):
            del self.rounds[number]

    def _stored(self, ctx: Context, work: Writing, standing: tuple[str, ...]) -> None:
        work.done = True
        ctx.send(work.client, Stored(work.operation, None if self.config.conflict == "lww" else work.item))
        self.note_when_durable("wrote", work.key, work.item, work.wanted, tuple(work.heard), standing)

    # --- reads -------------------------------------------------------------------------------------------------------

    @on(Get)
    def get(self, ctx: Context, source: str, message: Get) -> None:
        """A client's read: ask all replicas, or those that would be enough."""
        replicas = self.replicas(message.key)
        wanted = levels.requirement(message.level, replicas, self.zone, self.zone(ctx.id))
        work = Reading(source, message, wanted, replicas)
        number = self._open(ctx, work)
        self.note("began", number, message.key)
        here = self.zone(ctx.id)
        order = sorted(replicas, key=lambda each: (each != ctx.id, each in self.suspects, self.zone(each) != here))
        for replica in order:
            if self.config.read_from == "quorum" and levels.met(wanted, work.asked, self.zone):
                break
            self._ask(ctx, number, work, replica, self.config.digests and bool(work.asked))
        if self.config.sloppy:
            away = [each for each in replicas if each in self.suspects]
            for server in self.ring.preference(message.key)[self.n :][: len(away)]:
                self._ask(ctx, number, work, server, False)
        if self.config.speculate_s and len(work.asked) < len(replicas):
            ctx.set_timer("speculate", round(self.config.speculate_s * 1e9), number)
        self._decide(ctx, number, work)

    def _ask(self, ctx: Context, number: int, work: Reading, server: str, digest: bool) -> None:
        """Ask one server; ourselves at once, unless we have forgotten what we knew."""
        if server not in work.asked:
            work.asked.append(server)
        if server != ctx.id:
            ctx.send(server, Query(number, work.key, digest, server not in work.replicas), early=True)
        elif not self.identity.joining:
            item = self.store.get(work.key)
            if server not in work.replicas:
                item = self.with_hints(work.key, item)
            work.answers[server] = Answer(number, True, item, 0)

    @on_timer("speculate")
    def speculate(self, ctx: Context, number: int) -> None:
        """Somebody is slow: ask one replica more (Cassandra's speculative retry)."""
        work = self.rounds.get(number)
        if isinstance(work, Reading) and not work.decided:
            for replica in work.replicas:
                if replica not in work.asked:
                    ctx.mark("speculated")
                    self._ask(ctx, number, work, replica, False)
                    ctx.set_timer("speculate", round(self.config.speculate_s * 1e9), number)
                    return

    @on(Answer)
    def answer(self, ctx: Context, source: str, message: Answer) -> None:
        """One replica's word. After the decision it can still be found stale, or already up to date."""
        self.hear(source)
        work = self.rounds.get(message.round)
        if not isinstance(work, Reading):
            return
        if source in work.refetched and not message.full:
            return  # the digest, a second time
        work.answers[source] = message
        if not work.decided:
            self._decide(ctx, message.round, work)
            return
        if self._has(message, work.merged):
            if source not in work.holders:
                work.holders.append(source)
        elif self.config.read_repair != "none" and work.merged is not None and source in work.replicas:
            ctx.send(source, Replicate(message.round, work.key, work.merged, ""))
        self._answer_if_held(ctx, message.round, work)

    def _has(self, answer: Answer, item: Item | None) -> bool:
        """Whether an answer says that its sender has exactly this item."""
        return answer.item == item if answer.full else answer.digest == items.digest(item)

    def _decide(self, ctx: Context, number: int, work: Reading) -> None:
        """Once enough have answered: merge, and see who is behind."""
        if not levels.met(work.wanted, work.answers, self.zone):
            return
        full = [work.answers[each].item for each in sorted(work.answers) if work.answers[each].full]
        merged: Item | None = None
        for item in full:
            merged = items.merge(self.config.conflict, merged, item)
        unlike = [each for each, said in work.answers.items() if not said.full and not self._has(said, merged)]
        if unlike or not full:
            # A digest that differs may stand for something newer: the items themselves are needed.
            for server in sorted(unlike) or sorted(work.answers):
                del work.answers[server]
                work.refetched.add(server)
                self._ask(ctx, number, work, server, False)
            ctx.mark("digest_mismatch")
            return
        if items.newest(merged) < work.floor:
            # The session has seen more than these replicas know. Somebody knows it; if need be, wait for all.
            for replica in work.replicas:
                if replica not in work.asked:
                    self._ask(ctx, number, work, replica, False)
            return
        work.decided, work.merged = True, merged
        work.counted = tuple(each for each in sorted(work.answers) if each in work.replicas)
        work.holders = [each for each, said in work.answers.items() if self._has(said, merged)]
        stale = [each for each in sorted(work.answers) if each not in work.holders and each in work.replicas]
        if stale and merged is not None and self.config.read_repair != "none":
            ctx.mark("read_repair", count=len(stale))
            for server in stale:
                if server != ctx.id:
                    ctx.send(server, Replicate(number, work.key, merged, ""))
                else:
                    self.keep(ctx, work.key, merged)
                    work.holders.append(server)
        if self.config.read_repair == "blocking":
            self._answer_if_held(ctx, number, work)
        else:
            self._got(ctx, number, work)

    def _answer_if_held(self, ctx: Context, number: int, work: Reading) -> None:
        """Blocking read repair: as many as the level asks for have what we are about to return, on disk.

        So a later read that shares one of them with us does not return anything older.
        """
        if work.done or not work.decided:
            return
        if work.merged is None or levels.met(work.wanted, work.holders, self.zone):
            self._got(ctx, number, work)

    def _got(self, ctx: Context, number: int, work: Reading) -> None:
        work.done = True
        ctx.send(work.client, Got(work.operation, work.merged))
        self.note("read", number, work.key, work.merged, work.wanted, work.counted)

    # --- the end of an operation -------------------------------------------------------------------------------------

    @on_timer("expire")
    def expire(self, ctx: Context, key: Any) -> None:
        """Whoever has not answered by now is suspected; what it missed is kept for it."""
        for _, number in self.deadlines.due(ctx, ctx.monotonic()):
            work = self.rounds.pop(number, None)
            if isinstance(work, Reading):
                silent = [each for each in work.asked if each not in work.answers and each != ctx.id]
                self.suspects.update(silent)
                if not work.done:
                    ctx.mark("read_short")
                    ctx.send(work.client, Short(work.operation))
            elif work is not None:
                self._give_up(ctx, number, work)

    def _give_up(self, ctx: Context, number: int, work: Writing) -> None:
        missing = [each for each in work.replicas if each not in work.heard]
        self.suspects.update(missing)
        if self.config.sloppy and not work.done and not work.asked:
            self.rounds[number] = work
            now = ctx.monotonic()
            self.deadlines.add(ctx, number, now + self.config.request_timeout, now)
            for replica in missing:
                self._ask_stand_in(ctx, number, work, replica)
            self._count(ctx, number, work)
            return
        if self.config.hints:
            for replica in missing:
                if replica not in work.stand_ins:
                    self.hint(ctx, replica, work.key, work.item)
        if not work.done:
            ctx.mark("write_short")
            ctx.send(work.client, Short(work.operation))
