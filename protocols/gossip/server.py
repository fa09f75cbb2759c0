"""A replica: it tells what is new until that stops being new to others, and now and then compares everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import msgspec

from ..node import SECOND, Context, Durable, Node, on, on_timer
from ..requests import Write
from .config import GossipConfig
from .messages import AskRumors, AskState, Do, Done, Item, Items, Rumors, State, Useless


class View(msgspec.Struct, frozen=True):
    """What a look at a replica shows: its items (its own table, not to be modified), and how many it still tells.

    ``counts``: useless contacts in a row, of those that are counted; ``limit``: k.
    """

    items: Mapping[str, Item]
    hot: int
    counts: Mapping[str, int]
    limit: int


class Server(Node):
    """Marks: ``heard`` (an item that is new here) and ``cooled`` (it is not told any more)."""

    messages: ClassVar[Any] = Rumors | Useless | AskRumors | State | AskState | Do
    stored: ClassVar[dict[str, Any]] = {"item:": Item}

    config: GossipConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """What is on disk is not told again: others may know it; if they do not, anti-entropy finds out."""
        self.items: dict[str, Item] = {
            key.removeprefix("item:"): item for key, item in sorted(durable.keys.items()) if key.startswith("item:")
        }
        self.learnt: dict[str, int] = {}  # key -> the round in which it was, where rounds are synchronised
        self.hot: dict[str, int] = {}  # key -> useless contacts in a row
        self.useful: dict[str, None] = {}  # keys that somebody needed in this round (pull: one has many askers)
        self.asked: dict[str, None] = {}  # keys that somebody was told in this round
        self.others = tuple(name for name in ctx.bootstrap if name != ctx.id)
        self.ticking = False
        config = self.config
        if config.rumors == "pull":
            self._tick(ctx)
        if config.anti_entropy != "off" and self.others:
            period = round(config.anti_entropy_s * SECOND)
            ctx.set_timer("compare", period if config.synchronised else int(ctx.rng.random() * period))

    # --- what clients want -------------------------------------------------------------------------------------------

    @on(Do)
    def do(self, ctx: Context, source: str, message: Do) -> None:
        """Done here and now; that others hear of it is the epidemic's business."""
        request = message.request
        known = self.items.get(request.key)
        if type(request) is Write:
            version = 1 if known is None else known.version + 1
            self._learn(ctx, Item(request.key, request.value or None, version, ctx.id))
        known = self.items.get(request.key)
        ctx.send(source, Done(message.operation, None if known is None else known.value))

    def _learn(self, ctx: Context, item: Item) -> bool:
        """Whether that was news. On disk before anybody hears of it, so it is not forgotten by who passed it on."""
        known = self.items.get(item.key)
        if known is not None and (item.version, item.writer) <= (known.version, known.writer):
            return False
        self.items[item.key] = item
        ctx.persist(f"item:{item.key}", item)
        if item.value is None and self.config.certificate_s:
            ctx.set_timer("forget", round(self.config.certificate_s * SECOND), item.key)
        self.learnt[item.key] = self._round(ctx)
        ctx.mark("heard", key=item.key)
        if self.config.rumors != "off" and self.others:
            self.hot[item.key] = 0
            self._tick(ctx)
        return True

    @on_timer("forget")
    def forget(self, ctx: Context, key: str) -> None:
        """Drop an old death certificate, unless the item lives again."""
        item = self.items.get(key)
        if item is not None and item.value is None:
            del self.items[key]
            self.hot.pop(key, None)
            ctx.delete(f"item:{key}")

    # --- rumor mongering (section 1.4) -------------------------------------------------------------------------------

    def _round(self, ctx: Context) -> int:
        return ctx.monotonic() // self.config.period

    def _tick(self, ctx: Context) -> None:
        """Sleep until the next round, if not asleep already."""
        if not self.ticking and self.others:
            self.ticking = True
            period = self.config.period
            wait = period - ctx.monotonic() % period if self.config.synchronised else period
            ctx.set_timer("round", wait)

    @on_timer("round")
    def round(self, ctx: Context, key: Any) -> None:
        """Tell somebody, or ask somebody, at random."""
        self.ticking = False
        pull = self.config.rumors == "pull"
        if pull:
            self._end_of_round(ctx)
        chosen = self._partners(ctx)
        for partner in chosen:
            if pull:
                ctx.send(partner, AskRumors(self._round(ctx)))
            elif self.hot:
                ctx.send(partner, Rumors(self._round(ctx), self._hot_items(ctx)))
                if self.config.loses_interest == "blind":
                    for each in list(self.hot):
                        self._lose_interest(ctx, each)
        if pull or self.hot:
            self._tick(ctx)

    def _partners(self, ctx: Context) -> list[str]:
        others = self.others
        if self.config.fanout == 1:
            return [others[int(ctx.rng.random() * len(others))]]
        return ctx.rng.sample(others, min(self.config.fanout, len(others)))

    def _hot_items(self, ctx: Context) -> Items:
        """What is worth telling; in synchronised rounds, what was known when the round began."""
        now = self._round(ctx) if self.config.synchronised else 1 << 62
        return tuple(self.items[key] for key in self.hot if self.learnt[key] < now)

    @on(AskRumors)
    def ask_rumors(self, ctx: Context, source: str, message: AskRumors) -> None:
        """Tell who asks."""
        items = self._hot_items(ctx) if self.hot else ()
        if items:
            ctx.send(source, Rumors(message.round, items))
            if self.config.loses_interest == "blind":
                for item in items:
                    self.asked[item.key] = None

    @on(Rumors)
    def rumors(self, ctx: Context, source: str, message: Rumors) -> None:
        """Take them up, and say which of them were of no use.

        In synchronised rounds a contact is useless only against what was known when the round began: two who tell the
        same in one round have both been useful.
        """
        useless = []
        synchronised = self.config.synchronised
        for item in message.items:
            new = self._learn(ctx, item)
            if not new and not (synchronised and self.learnt.get(item.key, -1) >= message.round):
                useless.append(item.key)
        if self.config.loses_interest == "feedback":
            # silence would do for news, but silence may also be a lost message: who hears nothing goes on telling
            ctx.send(source, Useless(message.round, tuple(useless)))

    @on(Useless)
    def feedback(self, ctx: Context, source: str, message: Useless) -> None:
        """Count, or toss: of no use to one is perhaps of no use to anybody."""
        useless = message.known
        if self.config.rumors == "pull":
            told = [key for key in self.hot if self.learnt[key] < message.round]
            for key in told:
                (self.asked if key in useless else self.useful)[key] = None
            return
        for key in list(self.hot):
            if key in useless:
                self._lose_interest(ctx, key)
            elif self.learnt[key] < message.round:
                self.hot[key] = 0

    def _end_of_round(self, ctx: Context) -> None:
        """Pull: a round with askers counts once, as useful if any of them needed it (section 1.4, footnote)."""
        for key in [key for key in self.hot if key in self.asked or key in self.useful]:
            if key in self.useful:
                self.hot[key] = 0
            else:
                self._lose_interest(ctx, key)
        self.asked.clear()
        self.useful.clear()

    def _lose_interest(self, ctx: Context, key: str) -> None:
        if self.config.by == "counter":
            self.hot[key] += 1
            cold = self.hot[key] >= self.config.k
        else:
            cold = ctx.rng.random() * self.config.k < 1.0
        if cold:
            del self.hot[key]
            ctx.mark("cooled", key=key)

    # --- anti-entropy (section 1.3) ----------------------------------------------------------------------------------

    @on_timer("compare")
    def compare(self, ctx: Context, key: Any) -> None:
        """Everything, with somebody at random."""
        period = round(self.config.anti_entropy_s * SECOND)
        for partner in self._partners(ctx):
            if self.config.anti_entropy == "pull":
                ctx.send(partner, AskState())
            else:
                ctx.send(partner, State(self.config.anti_entropy == "push-pull", self._state(ctx)))
        ctx.set_timer("compare", period)

    def _state(self, ctx: Context) -> Items:
        if not self.config.synchronised:
            return tuple(self.items.values())
        now = self._round(ctx)
        return tuple(item for key, item in self.items.items() if self.learnt.get(key, -1) < now)

    @on(AskState)
    def ask_state(self, ctx: Context, source: str, message: AskState) -> None:
        """Here it is."""
        ctx.send(source, State(False, self._state(ctx)))

    @on(State)
    def state(self, ctx: Context, source: str, message: State) -> None:
        """Give in return what was known before, then merge."""
        if message.wanted:
            ctx.send(source, State(False, self._state(ctx)))
        self._merge(ctx, message.items)

    def _merge(self, ctx: Context, items: Iterable[Item]) -> None:
        for item in items:
            self._learn(ctx, item)

    def inspect(self) -> View:
        """For invariants, checks and reports."""
        counted = self.hot if self.config.by == "counter" else {}
        return View(self.items, len(self.hot), counted, self.config.k)


def differing(views: Mapping[str, View]) -> str:
    """Which two replicas do not hold the same; empty if all do."""
    first = next(iter(views), "")
    for name, view in views.items():
        if view.items != views[first].items:
            return f"{first} and {name} do not hold the same"
    return ""
