"""A server: it may have the one duty, it decides whether its side survives, and it fences before it takes over.

Who may *try* is for the strategy. That at most one *acts* is not: whoever takes over needs of every other server either
its consent to this very attempt, or that it was killed for this very attempt. A server consents only while it does not
act, and whatever it had gathered for its own attempt is void from then on. So of two servers that act, one would have
consented to the other or been killed by it after it had begun. No clock is in this argument, so no pause breaks it.
With ``lease-majority`` it is grants of a majority for a term instead (Gray and Cheriton 1989), and clocks
within a bound.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from ...node import SECOND, Context, Durable, Fenced, Node, on, on_event, on_timer
from ..heartbeat.messages import Suspect, Trust
from ..heartbeat.server import Server as Detector
from .config import ServerConfig
from .messages import Claim, Consent, Do, Done, NotMine, Refuse, Reign, Release
from .strategy import survives


class View(msgspec.Struct, frozen=True):
    """What a look at a server shows.

    Attributes:
        active: it has the duty, as far as it knows.
        downed: its side has lost.
        acts: how often it did what only one may do.
        began: how often it took the duty.
        epoch: the highest it knows.
        members: of the membership by which it decided last.
        side: of these, whom it could reach; empty before the first decision.
        promises: whether its configuration promises that one acts.
    """

    active: bool
    downed: bool
    acts: int
    began: int
    epoch: int
    oldest: str
    members: frozenset[str]
    side: frozenset[str]
    strategy: str
    promises: bool


class Server(Node):
    """Marks: ``suspected`` (an attempt begins), ``elected``, ``committed``, ``acted``, ``fences``, ``resigned``,
    ``downed``, ``merged``.
    """

    messages: ClassVar[Any] = Claim | Consent | Refuse | Release | Reign | Do

    config: ServerConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """Boot, knowing nothing: without the duty, and with no grant to give until an earlier one has run out."""
        now = ctx.monotonic()
        self.leasing = self.config.strategy == "lease-majority"
        self.majority = len(ctx.bootstrap) // 2 + 1
        self.period = round(self.config.period_s * SECOND)
        self.stable = round(self.config.stable_s * SECOND)
        self.everybody = frozenset(ctx.bootstrap)
        self.down: set[str] = set()
        self.members = self.everybody
        self.decided: tuple[frozenset[str], frozenset[str], str] = (self.members, frozenset(), "")
        self.epoch = 0
        self.oldest = ctx.bootstrap[0]
        self.reign = -self.stable  # when the holder was last heard
        self.calm = now  # when the last decision was taken
        self.downed = self.settled = self.active = False
        self.acts = self.began = 0
        # of an attempt
        self.attempt = self.number = 0
        self.consents: set[str] = set()
        self.refusals: set[str] = set()
        self.since = 0
        self.first = 0  # number of its first request
        self.failures = 0  # attempts in a row that led to nothing
        self.fencing: dict[str, int] = {}  # under way: for which attempt
        self.asked: dict[int, tuple[int, set[str]]] = {}  # a lease's requests: when sent, who has granted
        self.until = 0
        # of a grantor
        self.granted: tuple[str, int] = ("", 0)
        self.busy_until = now + self.config.waited
        ctx.child("detector", Detector(self.config.detector))
        ctx.set_timer("stable", round(self.config.timeout_s * SECOND) + self.stable)
        ctx.set_timer("tick", self.period)

    # --- deciding ----------------------------------------------------------------------------------------------------

    @on_event("detector", Suspect)
    def suspect(self, ctx: Context, child: str, event: Suspect) -> None:
        """Who is deemed down changes: decide when it no longer does."""
        self.down.add(event.node)
        self._unsettle(ctx)

    @on_event("detector", Trust)
    def trust(self, ctx: Context, child: str, event: Trust) -> None:
        """The same."""
        self.down.discard(event.node)
        self._unsettle(ctx)

    def _unsettle(self, ctx: Context) -> None:
        self.settled = False
        if not self.active:
            self._give_up(ctx)
        ctx.set_timer("stable", self.stable)

    @on_timer("stable")
    def decide(self, ctx: Context, key: Any) -> None:
        """Whether this side goes on. The loser downs itself: it does not act, and does not try to."""
        self.settled = True
        self.calm = ctx.monotonic()
        members = self.everybody if self.leasing else self.members  # the grantors stay who they are
        side = members - self.down
        wins = survives(
            self.config.strategy,
            side,
            members,
            quorum=self.config.quorum or self.majority,
            oldest=self.oldest,
            referee=ctx.bootstrap[self.config.referee - 1],
        )
        self.decided = (members, side, self.oldest)
        if wins and self.downed:
            ctx.mark("merged")
        if not wins and not self.downed:
            ctx.mark("downed")
        self.downed = not wins
        if self.downed:
            self._resign(ctx)
            self._give_up(ctx)
        elif self.active:
            self.members = self.everybody - self.down

    # --- taking over -------------------------------------------------------------------------------------------------

    @on_timer("tick")
    def tick(self, ctx: Context, key: Any) -> None:
        """Say that one has the duty, or see whether somebody should take it."""
        ctx.set_timer("tick", self.period)
        now = ctx.monotonic()
        if self._mine(ctx):
            ctx.broadcast(Reign(self.epoch, tuple(sorted(self.members))))
            if self.leasing:
                self._ask(ctx, now)
            return
        if self.downed or not self.settled:
            return
        if self.attempt:
            if now - self.since > 2 * self._patience():
                self._give_up(ctx)
            else:
                self._ask(ctx, now)
                self._check(ctx)
            return
        rank = sum(name < ctx.id for name in self.members - self.down)
        # One after the other, from when all of them could: else several fence each other at once.
        ready = max(self.reign + self.stable, self.calm, self.busy_until if self.leasing else 0)
        if now > ready + self.period * 4 * rank + int(ctx.rng.random() * self.period):
            ctx.mark("suspected")
            self.attempt = 1 + ctx.rng.getrandbits(48)
            self.epoch += 1
            self.since = now
            self.first = self.number + 1
            self.consents = set()
            self.refusals = set()
            self.asked = {}
            self._ask(ctx, now)
            self._check(ctx)

    def _ask(self, ctx: Context, now: int) -> None:
        self.number += 1
        if self.leasing:
            self.asked = {number: each for number, each in self.asked.items() if now < each[0] + self.config.held}
            self.asked[self.number] = (now, set())
            self.claimed(ctx, ctx.id, Claim(self.epoch, self.attempt, self.number))
        ctx.broadcast(Claim(self.epoch, self.attempt, self.number))

    @on(Claim)
    def claimed(self, ctx: Context, source: str, message: Claim) -> None:
        """Consent, if one neither acts nor comes first."""
        if self.leasing:
            now = ctx.monotonic()
            if now < self.busy_until and self.granted != (source, message.attempt):
                ctx.send(source, Refuse(message.attempt, self.epoch))
                return
            self.granted = (source, message.attempt)
            self.busy_until = now + self.config.waited
        else:
            if self.active:
                # Above whatever was claimed, or the claimants would not follow.
                self.epoch = max(self.epoch, message.epoch + 1)
                ctx.send(source, Refuse(message.attempt, self.epoch))
                return
            if self.attempt and ctx.id < source:
                ctx.send(source, Refuse(message.attempt, self.epoch))
                return
            self._withdraw()
        self.epoch = max(self.epoch, message.epoch)
        ctx.send(source, Consent(message.attempt, message.number))

    def _withdraw(self) -> None:
        """What was gathered so far is void."""
        self.attempt = 0
        self.consents = set()

    def _patience(self) -> int:
        return 8 * self.period + round(self.config.takeover_s * SECOND)

    def _give_up(self, ctx: Context) -> None:
        if self.attempt and not self.active:
            if self.leasing:
                ctx.broadcast(Release(self.attempt))
                self.release(ctx, ctx.id, Release(self.attempt))
            self._withdraw()
            self.failures += 1
            most = self.stable << min(self.failures, 4)
            self.reign = ctx.monotonic() + int(ctx.rng.random() * most)  # let another try

    @on(Refuse)
    def refused(self, ctx: Context, source: str, message: Refuse) -> None:
        """Somebody else has it, or is about to."""
        if message.attempt == self.attempt and not self.active:
            self.epoch = max(self.epoch, message.epoch)
            self.refusals.add(source)
            # One holder refuses for all; of grantors it takes so many that no majority is left.
            if not self.leasing or len(self.everybody - self.down - self.refusals) < self.majority:
                self._give_up(ctx)

    @on(Release)
    def release(self, ctx: Context, source: str, message: Release) -> None:
        """The grant is free at once."""
        if self.granted == (source, message.attempt):
            self.busy_until = min(self.busy_until, ctx.monotonic())

    @on(Consent)
    def consented(self, ctx: Context, source: str, message: Consent) -> None:
        """One more for this attempt. A lease runs from when the request was sent."""
        if message.attempt != self.attempt:
            return
        if self.leasing:
            if message.number not in self.asked:
                return
            sent, granted = self.asked[message.number]
            granted.add(source)
            self.refusals.discard(source)
            if len(granted) < self.majority:
                return
            now = ctx.monotonic()
            until = sent + self.config.held
            if now >= until or (self.active and now >= self.until):
                return
            self.until = max(self.until, until)
            if not self.active:
                self._begin(ctx)
            return
        self.consents.add(source)
        self._check(ctx)

    def _check(self, ctx: Context) -> None:
        """Fence those who are deemed down and have not consented; begin when nobody is missing."""
        if self.leasing or self.active or not self.attempt or not self.settled or self.downed:
            return
        missing = self.everybody - self.consents - {ctx.id}
        if not self.config.fence and ctx.monotonic() - self.since >= round(self.config.takeover_s * SECOND):
            missing -= self.down
        if not missing:
            self._begin(ctx)
        elif self.config.fence:
            # Who is deemed up and yet answers no request of many cannot hear us, and may act: it is killed as well.
            # Requests are counted, not time: one who stands still asks nothing, and has not looked at the answers.
            asked = (self.number - self.first) * self.period
            silent = missing - self.refusals if asked > self._patience() else frozenset()
            for name in sorted(missing & self.down | silent):
                # Of two fences of one server it could not be told which has ended, so there is one at a time.
                if name not in self.fencing:
                    self.fencing[name] = self.attempt
                    ctx.mark("fences", subject=name)
                    ctx.fence(name)

    @on_event("runtime", Fenced)
    def fenced(self, ctx: Context, child: str, event: Fenced) -> None:
        """It is dead. That counts for the attempt it was asked for: since an earlier one it may have lived again."""
        attempt = self.fencing.pop(event.node, 0)
        if attempt and attempt == self.attempt and not self.active:
            self.consents.add(event.node)
            self._check(ctx)

    def _begin(self, ctx: Context) -> None:
        ctx.mark("elected")
        ctx.mark("committed")
        self.active = True
        self.failures = 0
        self.began += 1
        self.oldest = ctx.id
        self.members = self.everybody - self.down
        ctx.broadcast(Reign(self.epoch, tuple(sorted(self.members))))
        ctx.set_timer("act", round(self.config.act_s * SECOND))

    # --- having the duty ---------------------------------------------------------------------------------------------

    @on_timer("act")
    def act(self, ctx: Context, key: Any) -> None:
        """Do what only one may do."""
        if self._mine(ctx):
            self._did(ctx)
            ctx.set_timer("act", round(self.config.act_s * SECOND))

    def _did(self, ctx: Context) -> None:
        self.acts += 1
        ctx.mark("acted")

    def _mine(self, ctx: Context) -> bool:
        """Whether one has the duty at this moment: a lease by the clock, for timers ring late."""
        if self.active and self.leasing and ctx.monotonic() >= self.until:
            self._resign(ctx)
        return self.active

    def _resign(self, ctx: Context) -> None:
        if self.active:
            ctx.mark("resigned")
            self.active = False
            self._withdraw()
            ctx.cancel_timer("act")
            self.reign = ctx.monotonic()

    @on(Reign)
    def reigns(self, ctx: Context, source: str, message: Reign) -> None:
        """Follow. Of two that act, which only happens without a fence, the one of the lower epoch stops: the merge."""
        if (message.epoch, source) < (self.epoch, self.oldest):
            return
        if source != ctx.id:
            self._resign(ctx)
        self.epoch = message.epoch
        self.oldest = source
        self.failures = 0
        members = frozenset(message.members)
        self.reign = ctx.monotonic()
        if members != self.members:
            self.members = members
            self.settled = False
            ctx.set_timer("stable", self.stable)

    @on(Do)
    def do(self, ctx: Context, source: str, message: Do) -> None:
        """A client's."""
        if self._mine(ctx):
            self._did(ctx)
            ctx.send(source, Done(message.operation))
        else:
            known = self.epoch > 0 and self.oldest not in self.down and self.oldest != ctx.id
            ctx.send(source, NotMine(message.operation, self.oldest if known else ""))

    def inspect(self) -> View:
        """See :class:`View`."""
        members, side, oldest = self.decided
        return View(
            self.active,
            self.downed,
            self.acts,
            self.began,
            self.epoch,
            oldest,
            members,
            side,
            self.config.strategy,
            self.config.promises,
        )
