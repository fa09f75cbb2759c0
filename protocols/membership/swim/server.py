"""A member: it probes the others in turn, passes on what is new, and stands up for itself when it is suspected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import msgspec

from ...node import SECOND, Context, Drain, Durable, Node, on, on_admin, on_timer
from ..asking import Answer, Ask
from .config import SwimConfig
from .formulas import confirmations_wanted, health, retransmit_limit, scaled, suspicion_min, suspicion_timeout
from .members import Known, Members
from .messages import ALIVE, DEAD, LEFT, SUSPECT, Ack, Down, Gossip, Nack, Ping, PingReq, Sync, Up, Update, Updates
from .news import News
from .order import Order

MOST_RELAYS = 256
"""Pings for others under way, at most: older ones are forgotten."""
JOIN_RETRY_S = 1.0
"""Seconds until a member that has just booted asks somebody else what there is to know."""


class Suspicion:
    """A member that is suspected: since when, and by whom (each counts once)."""

    __slots__ = ("accusers", "begun", "wanted")

    def __init__(self, begun: int, wanted: int, origin: str) -> None:
        self.begun = begun
        self.wanted = wanted
        self.accusers: dict[str, None] = {origin: None}


class View(msgspec.Struct, frozen=True):
    """What a look at a member shows. The tables are the member's own, not to be modified.

    ``down``: who is dead, has left, or was never heard of. ``amnesiac``: its disk was lost, so it does not know its
    incarnation until the others tell. ``helpers`` were asked to ping ``target``. ``told``: how often each piece
    of ``news`` has been passed on.
    """

    down: Mapping[str, int]
    incarnation: int
    amnesiac: bool
    changed: Mapping[str, Known]
    target: str
    helpers: tuple[str, ...]
    health: int
    suspects: int
    told: Mapping[str, int]
    news: Mapping[str, Update]


class Server(Node):
    """Marks: ``booted``, ``deemed_down`` and ``deemed_up`` with their ``subject``, ``accused`` by a missed probe, and
    ``refuted``. Emits :class:`Down` and :class:`Up` for a parent.
    """

    messages: ClassVar[Any] = Ping | Ack | PingReq | Nack | Gossip | Sync | Ask
    stored: ClassVar[dict[str, Any]] = {"incarnation": int, "amnesiac": bool}

    config: SwimConfig

    # --- joining and leaving -----------------------------------------------------------------------------------------

    def start(self, ctx: Context, durable: Durable) -> None:
        """A new life has a new incarnation, so that what is said of the old one cannot be held against it."""
        config = self.config
        self.members = Members(self._base(ctx))
        self.order = Order()
        self.news = News()
        self.suspicions: dict[str, Suspicion] = {}
        self.relays: dict[int, tuple[str, int]] = {}  # our ping for another -> (who asked, its number)
        self.health = self.number = self.probing = 0
        self.target = ""  # of the probe under way; empty once it has answered
        self.helpers: tuple[str, ...] = ()
        self.nacks = 0
        self.leaving = self.gossiping = False
        before = durable.get("incarnation")
        self.incarnation = 0 if before is None else before + 1
        self.amnesiac = durable.lost or durable.corrupt > 0 or durable.get("amnesiac", False)
        ctx.persist("incarnation", self.incarnation)
        if self.amnesiac:
            ctx.persist("amnesiac", True)
        ctx.mark("booted")
        if self.members.get(ctx.id) is None or before is not None or self.amnesiac:
            self._say(ctx, Update(ctx.id, ALIVE, self.incarnation, ctx.id))
            self.members.put(ctx.id, self.incarnation, ALIVE)
            self.join(ctx, None)
        initial = ctx.bootstrap if config.seeds else ()
        self.unknown = {name: 0 for name in initial if self.members.get(name) is None}
        for name in self.unknown:
            ctx.mark("deemed_down", subject=name)  # of whom nothing is known, one does not say that it is up
        self.interval, self.timeout = config.probe_interval, config.probe_timeout
        ctx.set_timer("probe", self.interval if config.synchronised else int(ctx.rng.random() * self.interval))
        for timer, period in (("push_pull", config.push_pull_s), ("reconnect", config.reconnect_s)):
            if period:
                ctx.set_timer(timer, int((0.5 + ctx.rng.random()) * period * SECOND))

    def _base(self, ctx: Context) -> tuple[str, ...]:
        """Whom this member knows from the start: the initial servers, or the first few of them."""
        return ctx.bootstrap[: self.config.seeds] if self.config.seeds else ctx.bootstrap

    @on_timer("join")
    def join(self, ctx: Context, key: Any) -> None:
        """Ask somebody what there is to know, until somebody answers."""
        names = self._pick(ctx, 1, ctx.id, dead=True)
        if names:
            ctx.send(names[0], Sync(True, self._state(ctx)))
            ctx.set_timer("join", int(JOIN_RETRY_S * SECOND))

    @on_admin(Drain)
    def drain(self, ctx: Context, request: Drain) -> None:
        """Leave: say so oneself, rather than be missed. Who is not stopped afterwards joins again."""
        self.leaving = True
        update = Update(ctx.id, LEFT, self.incarnation, ctx.id)
        self._say(ctx, update)
        for name in self._pick(ctx, self.config.indirect_checks, ctx.id):
            ctx.send(name, Gossip((update,)))
        ctx.set_timer("rejoin", round(self.config.leave_s * SECOND))

    @on_timer("rejoin")
    def rejoin(self, ctx: Context, key: Any) -> None:
        """Still here."""
        self.leaving = False
        self._stand_up(ctx, self.incarnation)

    # --- probing (section 3.1) ---------------------------------------------------------------------------------------

    @on_timer("probe")
    def probe(self, ctx: Context, key: Any) -> None:
        """A period begins: judge the last probe, and ping the next member."""
        if self.target:
            self._missed(ctx)
        target = self._next_target(ctx)
        self.number += 1
        self.probing, self.target, self.helpers, self.nacks = self.number, target, (), 0
        interval = self.interval
        if self.health and self.config.lifeguard_probe:
            interval = scaled(interval, self.health)
        ctx.set_timer("probe", interval)
        if not target:
            return
        updates = self._updates()
        if target in self.suspicions and self.config.lifeguard_buddy:
            updates = self._tell_suspect(ctx, target, updates)
        ctx.send(target, Ping(self.number, updates))
        timeout = self.timeout
        if self.health and self.config.lifeguard_probe:
            timeout = scaled(timeout, self.health)
        ctx.set_timer("unanswered", timeout)

    def _next_target(self, ctx: Context) -> str:
        """Whose turn it is among those that are not down; empty if nobody is left."""
        members, size, rng = self.members, self.members.size, ctx.rng
        in_turn = self.config.probe_order == "round-robin"
        for _ in range(2 * size):
            index = self.order.next(size, rng) if in_turn else int(rng.random() * size)
            name = members.name(index)
            if name != ctx.id and name not in members.down:
                return name
        return ""

    @on(Ping)
    def ping(self, ctx: Context, source: str, message: Ping) -> None:
        """Answer at once."""
        if message.updates:
            self._hear(ctx, message.updates)
        ctx.send(source, Ack(message.number, self._updates()))

    @on_timer("unanswered")
    def unanswered(self, ctx: Context, key: Any) -> None:
        """Perhaps it is only the way from here to there: have others ping, too."""
        if not self.target or not self.config.indirect_checks:
            return
        self.helpers = tuple(self._pick(ctx, self.config.indirect_checks, self.target))
        for helper in self.helpers:
            ctx.send(helper, PingReq(self.probing, self.target, self._updates()))

    @on(PingReq)
    def ping_for_another(self, ctx: Context, source: str, message: PingReq) -> None:
        """Ping, under a number of our own; if no answer comes soon, say that it is not for us that it is missing."""
        if message.updates:
            self._hear(ctx, message.updates)
        self.number += 1
        self.relays[self.number] = (source, message.number)
        if len(self.relays) > MOST_RELAYS:
            del self.relays[next(iter(self.relays))]
        ctx.send(message.target, Ping(self.number, self._updates()))
        if self.config.lifeguard_probe:
            ctx.set_timer("nack", self.timeout * 4 // 5, self.number)

    @on_timer("nack")
    def nack_due(self, ctx: Context, number: int) -> None:
        """Four fifths of the timeout are over."""
        relay = self.relays.get(number)
        if relay is not None:
            ctx.send(relay[0], Nack(relay[1]))

    @on(Nack)
    def nacked(self, ctx: Context, source: str, message: Nack) -> None:
        """A helper is well, and hears us."""
        if message.number == self.probing and self.target:
            self.nacks += 1

    @on(Ack)
    def acked(self, ctx: Context, source: str, message: Ack) -> None:
        """The target is up: it has answered us, or a helper that pinged it for us."""
        if message.updates:
            self._hear(ctx, message.updates)
        relay = self.relays.pop(message.number, None)
        if relay is not None:
            ctx.cancel_timer("nack", message.number)
            ctx.send(relay[0], Ack(relay[1], self._updates()))
        elif message.number == self.probing and self.target:
            self.target = ""
            ctx.cancel_timer("unanswered")
            if self.health:
                self.health = health(self.health, -1, self.config.awareness_max)

    def _missed(self, ctx: Context) -> None:
        """No answer in a whole period, of the target or of a helper that reached it.

        Helpers that said nothing at all are a sign that it is ourselves who do not hear (Lifeguard, IV-A; as
        memberlist counts).
        """
        silent = len(self.helpers) - self.nacks if self.helpers else 1
        self.health = health(self.health, max(0, silent), self.config.awareness_max)
        known = self.members.get(self.target)
        if known is None or known[1] >= DEAD:
            return
        ctx.mark("accused", subject=self.target)
        status = SUSPECT if self.config.suspicion else DEAD
        self._apply(ctx, Update(self.target, status, known[0], ctx.id))

    # --- what is said of members (section 4.2) -----------------------------------------------------------------------

    def _hear(self, ctx: Context, updates: Updates) -> None:
        for update in updates:
            self._apply(ctx, update)

    def _apply(self, ctx: Context, update: Update) -> None:
        """Take up what overrides what is known, and pass it on."""
        if update.subject == ctx.id:
            self._about_me(ctx, update)
            return
        known = self.members.get(update.subject)
        if known is not None:
            if known == (update.incarnation, update.status):
                if update.status == SUSPECT:
                    self._confirm(ctx, update)
                return
            if (update.incarnation, update.status) < known:
                return
            if update.status != ALIVE and update.incarnation == known[0] and known[1] >= DEAD:
                return
        elif update.status != ALIVE:
            return  # a stranger is not worth burying
        self._become(ctx, update, known)

    def _become(self, ctx: Context, update: Update, known: Known | None) -> None:
        name, status = update.subject, update.status
        was_down = name in self.members.down or known is None
        self.members.put(name, update.incarnation, status)
        self._say(ctx, update)
        if self.suspicions.pop(name, None) is not None:
            ctx.cancel_timer("suspicion", name)
        if status == SUSPECT:
            wanted = confirmations_wanted(self.config.suspicion_mult, self.members.alive)
            self.suspicions[name] = Suspicion(ctx.monotonic(), wanted, update.origin)
            self._await_refutation(ctx, name)
        if was_down and status < DEAD:
            self.unknown.pop(name, None)
            ctx.mark("deemed_up", subject=name)
            ctx.emit(Up(name))
        elif status >= DEAD and not was_down:
            ctx.mark("deemed_down", subject=name)
            ctx.emit(Down(name))

    def _about_me(self, ctx: Context, update: Update) -> None:
        """Refute what is said against this member, by a higher incarnation (section 4.2)."""
        if update.incarnation > self.incarnation or (
            update.incarnation == self.incarnation and update.status != ALIVE and not self.leaving
        ):
            self._stand_up(ctx, update.incarnation)

    def _stand_up(self, ctx: Context, against: int) -> None:
        """Only a member itself raises its incarnation, and on disk first: a later life must not fall behind it."""
        self.incarnation = against + 1
        ctx.persist("incarnation", self.incarnation)
        self.members.put(ctx.id, self.incarnation, ALIVE)
        self._say(ctx, Update(ctx.id, ALIVE, self.incarnation, ctx.id))
        self.health = health(self.health, 1, self.config.awareness_max)
        ctx.mark("refuted", incarnation=self.incarnation)

    # --- suspicion ---------------------------------------------------------------------------------------------------

    def _confirm(self, ctx: Context, update: Update) -> None:
        """Another accuser: less time to refute, and worth passing on, up to as many as are wanted (Lifeguard, IV-B)."""
        suspicion = self.suspicions.get(update.subject)
        if suspicion is None or not self.config.lifeguard_suspicion:
            return
        if update.origin in suspicion.accusers or len(suspicion.accusers) > suspicion.wanted:
            return
        suspicion.accusers[update.origin] = None
        self._say(ctx, update)
        self._await_refutation(ctx, update.subject)

    def _await_refutation(self, ctx: Context, name: str) -> None:
        suspicion, config = self.suspicions[name], self.config
        least = suspicion_min(config.suspicion_mult, self.members.alive, config.probe_interval_s)
        timeout = least
        if config.lifeguard_suspicion:
            most = least * config.suspicion_max_mult
            timeout = suspicion_timeout(len(suspicion.accusers) - 1, suspicion.wanted, least, most)
        due = suspicion.begun + round(timeout * SECOND)
        ctx.set_timer("suspicion", max(1, due - ctx.monotonic()), name)

    @on_timer("suspicion")
    def not_refuted(self, ctx: Context, name: str) -> None:
        """Nobody has heard of it in time: it is dead."""
        incarnation, _ = self.members.get(name) or (0, ALIVE)
        self._apply(ctx, Update(name, DEAD, incarnation, ctx.id))

    # --- passing on (section 4.1) ------------------------------------------------------------------------------------

    def _say(self, ctx: Context, update: Update) -> None:
        self.news.add(update)
        if self.config.gossip_nodes and not self.gossiping:
            self.gossiping = True
            ctx.set_timer("gossip", int(ctx.rng.random() * self.config.gossip_interval_s * SECOND))

    def _updates(self) -> Updates:
        news = self.news
        if not news.told:
            return ()
        return news.take(self.config.piggyback_max, retransmit_limit(self.config.retransmit_mult, self.members.size))

    def _tell_suspect(self, ctx: Context, target: str, updates: Updates) -> Updates:
        """Buddy: whoever is suspected learns it with the first ping, and can refute (Lifeguard, IV-C)."""
        known = self.members.get(target)
        if known is None or any(update.subject == target for update in updates):
            return updates
        return (Update(target, SUSPECT, known[0], ctx.id), *updates)

    @on_timer("gossip")
    def gossip(self, ctx: Context, key: Any) -> None:
        """News alone, to a few at random, as long as there are any."""
        self.gossiping = len(self.news) > 0
        if not self.gossiping:
            return
        for name in self._pick(ctx, self.config.gossip_nodes, ctx.id):
            updates = self._updates()
            if updates:
                ctx.send(name, Gossip(updates))
        ctx.set_timer("gossip", round(self.config.gossip_interval_s * SECOND))

    @on(Gossip)
    def told(self, ctx: Context, source: str, message: Gossip) -> None:
        """News."""
        self._hear(ctx, message.updates)

    @on_timer("push_pull")
    def push_pull(self, ctx: Context, key: Any) -> None:
        """Now and then, all that is known: for what news have missed (memberlist)."""
        for name in self._pick(ctx, 1, ctx.id):
            ctx.send(name, Sync(True, self._state(ctx)))
        ctx.set_timer("push_pull", round(self.config.push_pull_s * SECOND))

    @on_timer("reconnect")
    def reconnect(self, ctx: Context, key: Any) -> None:
        """Perhaps one of the dead is not: two sides of a partition have buried each other (serf)."""
        buried = sorted(self.members.down)
        if buried:
            name = buried[int(ctx.rng.random() * len(buried))]
            ctx.send(name, Sync(True, self._state(ctx)))
        ctx.set_timer("reconnect", round(self.config.reconnect_s * SECOND))

    def _state(self, ctx: Context) -> Updates:
        mine = Update(ctx.id, LEFT if self.leaving else ALIVE, self.incarnation, ctx.id)
        return (mine, *(each for each in self.members.state(ctx.id) if each.subject != ctx.id))

    @on(Sync)
    def synced(self, ctx: Context, source: str, message: Sync) -> None:
        """Merge. Who is dead to the other is a suspect here: it may well refute what is hearsay (memberlist)."""
        for update in message.updates:
            if update.status == DEAD:
                update = Update(update.subject, SUSPECT, update.incarnation, update.origin)
            self._apply(ctx, update)
        if message.wanted:
            ctx.send(source, Sync(False, self._state(ctx)))
        else:
            ctx.cancel_timer("join")

    def _pick(self, ctx: Context, count: int, excluded: str, *, dead: bool = False) -> list[str]:
        """At most so many at random, without this one, ``excluded`` and (unless ``dead``) those that are down."""
        members, rng, me = self.members, ctx.rng, ctx.id
        size, picked = members.size, list[str]()
        for _ in range(3 * size if size <= 16 else 8 * count):
            if len(picked) >= count:
                break
            name = members.name(int(rng.random() * size))
            if name not in (me, excluded) and name not in picked and (dead or name not in members.down):
                picked.append(name)
        return picked

    # --- telling -----------------------------------------------------------------------------------------------------

    @on(Ask)
    def ask(self, ctx: Context, source: str, message: Ask) -> None:
        """What this member thinks."""
        known = self.members.get(message.subject)
        ctx.send(source, Answer(message.operation, known is not None and known[1] < DEAD))

    def inspect(self) -> View:
        """For invariants, checks and reports."""
        return View(
            {**self.members.down, **self.unknown} if self.unknown else self.members.down,
            self.incarnation,
            self.amnesiac,
            self.members.changed,
            self.target,
            self.helpers,
            self.health,
            len(self.suspicions),
            self.news.told,
            self.news.updates,
        )
