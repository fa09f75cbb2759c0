"""One tiny node for each corner of the node API."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from protocols.node import (
    SECOND,
    AddServer,
    Context,
    Drain,
    Durable,
    Fail,
    Fenced,
    Node,
    Ok,
    RemoveServer,
    on,
    on_admin,
    on_batch_end,
    on_disconnect,
    on_durable,
    on_event,
    on_request,
    on_storage_full,
    on_timer,
)


class Ping(msgspec.Struct, frozen=True, tag=True):
    number: int = 0


class Pong(msgspec.Struct, frozen=True, tag=True):
    number: int = 0


class Echo(Node):
    """Answers a Ping with a Pong, and remembers what arrived, when and from whom."""

    messages: ClassVar[Any] = Ping | Pong

    def start(self, ctx: Context, durable: Durable) -> None:
        self.seen: list[tuple[int, str, int]] = []
        self.gone: list[str] = []

    @on(Ping)
    def ping(self, ctx: Context, source: str, message: Ping) -> None:
        self.seen.append((ctx.monotonic(), source, message.number))
        ctx.send(source, Pong(message.number))

    @on(Pong)
    def pong(self, ctx: Context, source: str, message: Pong) -> None:
        self.seen.append((ctx.monotonic(), source, message.number))

    @on_disconnect
    def disconnected(self, ctx: Context, peer: str) -> None:
        self.gone.append(peer)


class Silent(Echo):
    """Like Echo, but never answers."""

    @on(Ping)
    def ping(self, ctx: Context, source: str, message: Ping) -> None:
        self.seen.append((ctx.monotonic(), source, message.number))


class AlarmClock(Node):
    """Ticks each ``config`` ns by its own clock, and notes both clocks at each tick."""

    def start(self, ctx: Context, durable: Durable) -> None:
        self.ticks: list[tuple[int, int]] = [(ctx.monotonic(), ctx.wall())]
        ctx.set_timer("tick", self.config)

    @on_timer("tick")
    def tick(self, ctx: Context, key: Any) -> None:
        self.ticks.append((ctx.monotonic(), ctx.wall()))
        ctx.set_timer("tick", self.config)


class Alarms(Node):
    """Sets timers as it is told: keyed, replaced, cancelled."""

    messages: ClassVar[Any] = Ping

    def start(self, ctx: Context, durable: Durable) -> None:
        self.rang: list[tuple[str, Any, int]] = []

    @on(Ping)
    def ping(self, ctx: Context, source: str, message: Ping) -> None:
        ctx.set_timer("a", 100)
        ctx.set_timer("a", 250)  # replaces
        for key in (1, 2, 3):
            ctx.set_timer("b", 100 * key, key)
        ctx.cancel_timer("b", 2)
        ctx.cancel_timer("b", 9)  # never set: no effect

    @on_timer("a")
    def a(self, ctx: Context, key: Any) -> None:
        self.rang.append(("a", key, ctx.monotonic()))

    @on_timer("b")
    def b(self, ctx: Context, key: Any) -> None:
        self.rang.append(("b", key, ctx.monotonic()))


class Guard(Node):
    """Fences a peer once it has written down that it will."""

    messages: ClassVar[Any] = Ping
    stored: ClassVar[dict[str, Any]] = {"victim": str}

    def start(self, ctx: Context, durable: Durable) -> None:
        self.fenced: list[str] = []

    @on(Ping)
    def ping(self, ctx: Context, source: str, message: Ping) -> None:
        ctx.persist("victim", source)
        ctx.fence(source)

    @on_event("runtime", Fenced)
    def done(self, ctx: Context, child: str, event: Fenced) -> None:
        self.fenced.append(event.node)
        ctx.mark("fenced", node=event.node)


class Nervous(Guard):
    """A Guard whose handler of the good news raises."""

    @on_event("runtime", Fenced)
    def done(self, ctx: Context, child: str, event: Fenced) -> None:
        raise RuntimeError("cannot look at it")


class Roster(Node):
    """Membership as its own durable state, changed by the operator."""

    stored: ClassVar[dict[str, Any]] = {"member:": bool}

    def start(self, ctx: Context, durable: Durable) -> None:
        kept = {key.removeprefix("member:") for key in durable.keys}
        self.members = kept or set(ctx.bootstrap)
        self.draining = False

    @on_admin(AddServer)
    def add(self, ctx: Context, request: AddServer) -> None:
        self.members.add(request.node)
        self._save(ctx)

    @on_admin(RemoveServer)
    def remove(self, ctx: Context, request: RemoveServer) -> None:
        self.members.discard(request.node)
        ctx.delete(f"member:{request.node}")
        self._save(ctx)

    @on_admin(Drain)
    def drain(self, ctx: Context, request: Drain) -> None:
        self.draining = True
        ctx.emit(request)

    def _save(self, ctx: Context) -> None:
        for member in sorted(self.members):
            ctx.persist(f"member:{member}", True)


class Try(msgspec.Struct, frozen=True, tag=True):
    """A request, and what becomes of its attempts: ``d`` definitely failed, ``l`` lost, ``o`` it worked."""

    attempts: str


class Attempts(Node):
    """A client whose servers are a string."""

    def start(self, ctx: Context, durable: Durable) -> None:
        pass

    @on_request(Try)
    def run(self, ctx: Context, operation: int, request: Try) -> None:
        for fate in request.attempts:
            ctx.attempt(operation)
            if fate == "d":
                ctx.attempt_failed(operation)
            elif fate == "o":
                ctx.reply(operation, Ok(b"done"))
        ctx.reply(operation, Fail("not the leader"))


class Put(msgspec.Struct, frozen=True, tag=True):
    key: str
    value: int


class Cut(msgspec.Struct, frozen=True, tag=True):
    """Of the log: ``how`` is suffix, prefix, snapshot or append."""

    how: str
    index: int


class Undeclared(msgspec.Struct, frozen=True, tag=True):
    """Write where nothing was declared."""

    key: str


class Store(Node):
    """Every kind of write. Has a plan for a full disk."""

    messages: ClassVar[Any] = Put | Cut | Undeclared
    stored: ClassVar[dict[str, Any]] = {"item:": int, "snapshot": int, "log": int}

    def start(self, ctx: Context, durable: Durable) -> None:
        self.found = durable
        self.full = 0

    @on(Put)
    def put(self, ctx: Context, source: str, message: Put) -> None:
        if message.value < 0:
            ctx.delete(f"item:{message.key}")
        else:
            ctx.persist(f"item:{message.key}", message.value)
        ctx.send(source, Pong(message.value))
        ctx.send("n3", Ping(message.value), early=True)
        ctx.emit(message)

    @on(Cut)
    def cut(self, ctx: Context, source: str, message: Cut) -> None:
        if message.how == "append":
            ctx.append("log", tuple(range(1, message.index + 1)))
        elif message.how == "suffix":
            ctx.truncate_suffix("log", message.index)
        elif message.how == "prefix":
            ctx.compact_prefix("log", message.index)
        else:
            ctx.install_snapshot("snapshot", 7, "log", message.index)
        ctx.send(source, Pong(message.index))

    @on(Undeclared)
    def undeclared(self, ctx: Context, source: str, message: Undeclared) -> None:
        ctx.persist(message.key, 1)

    @on_storage_full
    def no_space(self, ctx: Context) -> None:
        self.full += 1
        ctx.persist("item:sorry", 1)  # does not fit either
        ctx.send("n2", Pong(-1))


class Hopeful(Node):
    """Writes, and has no plan for a full disk."""

    messages: ClassVar[Any] = Put
    stored: ClassVar[dict[str, Any]] = {"item:": int}

    @on(Put)
    def put(self, ctx: Context, source: str, message: Put) -> None:
        ctx.persist(f"item:{message.key}", message.value)
        ctx.send(source, Pong(message.value))


class Early(Node):
    """Replicates before its own disk has synced, and says so only when it has."""

    messages: ClassVar[Any] = Put
    stored: ClassVar[dict[str, Any]] = {"log": int}

    def start(self, ctx: Context, durable: Durable) -> None:
        self.synced: list[int] = []
        self.batches = 0

    @on(Put)
    def put(self, ctx: Context, source: str, message: Put) -> None:
        ctx.append("log", (message.value,))
        ctx.send("n2", Ping(message.value), early=True)
        ctx.send(source, Pong(message.value))
        ctx.at_batch_end()

    @on_durable
    def durable(self, ctx: Context, turn: int) -> None:
        self.synced.append(turn)

    @on_batch_end
    def over(self, ctx: Context) -> None:
        self.batches += 1
        ctx.send("n3", Ping(self.batches))


class Bomb(Node):
    """Raises on the Ping of that number."""

    messages: ClassVar[Any] = Ping

    @on(Ping)
    def ping(self, ctx: Context, source: str, message: Ping) -> None:
        if message.number == self.config:
            raise ValueError("boom")


class Signer(Node):
    """Signs and checks, for whoever holds its context."""

    messages: ClassVar[Any] = Ping

    def start(self, ctx: Context, durable: Durable) -> None:
        self.ctx = ctx

    @on(Ping)
    def ping(self, ctx: Context, source: str, message: Ping) -> None:
        pass


class Namer(Node):
    """Sets a timer whose name is computed, so that no class definition can check it."""

    messages: ClassVar[Any] = Ping

    @on(Ping)
    def ping(self, ctx: Context, source: str, message: Ping) -> None:
        ctx.set_timer("tick" if message.number == 0 else f"tick{message.number}", SECOND)

    @on_timer("tick")
    def tick(self, ctx: Context, key: Any) -> None:
        pass
