"""What makes replicas equal in the background: hints, anti-entropy, a lost disk filled, tombstones removed."""

from __future__ import annotations

from typing import Any

from ...node import SECOND, Context, Durable, on, on_timer
from . import items
from .coordinator import Coordinator
from .items import Item
from .messages import Compare, Differ, Exchange, Fill, Filled, Handoff, Identity

BATCH = 64
"""Tree nodes, or hints, a message or a round at most."""
PAGE = 256
"""Items a message at most."""
FILL_S = 0.2
"""Seconds after which a page that did not come is asked for again."""


class Repair(Coordinator):
    """The part of a server that no client asks for."""

    def start(self, ctx: Context, durable: Durable) -> None:
        """Set the timers, at random phases, so that servers do not all compare at once."""
        super().start(ctx, durable)
        self.filling: dict[str, str] = {}
        if self.forgot:
            # What this server acknowledged is gone, and with it the numbers it gave to writes. It takes another name
            # for those, and answers no reads until it has read everything that anybody else has of its keys.
            self.identity = Identity(f"{ctx.id}.{ctx.rng.getrandbits(64):016x}", True)
            ctx.persist("identity", self.identity)
        if self.identity.joining:
            self.filling = dict.fromkeys((each for each in self.servers if each != ctx.id), "")
            ctx.mark("joining")
            self._fill(ctx)
        if self.config.hints or self.config.sloppy:
            ctx.set_timer("handoff", self._about(ctx, self.config.hint_interval_s))
        if self.config.anti_entropy_s and len(self.servers) > 1:
            ctx.set_timer("compare", self._about(ctx, self.config.anti_entropy_s))
        if self.config.conflict == "lww" and self.config.grace_s:
            ctx.set_timer("remove", self._about(ctx, self.config.grace_s / 4))

    def _about(self, ctx: Context, interval_s: float) -> int:
        """An interval in ns, half to one and a half times as long."""
        return round(interval_s * SECOND * (0.5 + ctx.rng.random()))

    # --- hinted handoff (Dynamo, section 4.6) ------------------------------------------------------------------------

    @on_timer("handoff")
    def hand_over(self, ctx: Context, key: Any) -> None:
        """Try every replica that something is kept for; it is dropped when it says that it has it, or is too old."""
        ctx.set_timer("handoff", self._about(ctx, self.config.hint_interval_s))
        for target in sorted(self.hints):
            for kept in sorted(self.hints[target])[:BATCH]:
                hint = self.hints[target][kept]
                age = ctx.wall() - hint.at
                if age > self.config.hint_life:
                    # The replica has to learn it otherwise. Later than a delete's grace it could be the old value of a
                    # key whose tombstone nobody has any more.
                    ctx.mark("hint_expired", target=target)
                    self.drop_hint(ctx, target, kept)
                    continue
                self.note("handed", kept, age)
                ctx.send(target, Handoff(kept, hint.item))

    # --- anti-entropy (Dynamo, section 4.7) --------------------------------------------------------------------------

    @on_timer("compare")
    def begin_compare(self, ctx: Context, key: Any) -> None:
        """Show a random peer the hashes just below our root."""
        ctx.set_timer("compare", self._about(ctx, self.config.anti_entropy_s))
        peers = sorted(self.trees)
        peer = peers[ctx.rng.randrange(len(peers))]
        ctx.send(peer, Compare(0, ((0, self.trees[peer].children(0, 0)),)))

    @on(Compare)
    def compare(self, ctx: Context, source: str, message: Compare) -> None:
        """Answer with our own hashes one level further down, where they differ; at the leaves, with keys."""
        self.hear(source)
        tree = self.trees[source]
        below = message.level + 1
        differing = [child for index, theirs in message.nodes for child in tree.differing(message.level, index, theirs)]
        if not differing:
            return
        if below < tree.depth:
            nodes = tuple((index, tree.children(below, index)) for index in differing[:BATCH])
            ctx.send(source, Compare(below, nodes))
            return
        leaves = tuple((leaf, tuple(sorted(tree.leaves.get(leaf, {}).items()))) for leaf in differing[:BATCH])
        ctx.send(source, Differ(leaves))

    @on(Differ)
    def differ(self, ctx: Context, source: str, message: Differ) -> None:
        """Send our items of the keys in which we differ, and ask for what the peer makes of them."""
        self.hear(source)
        tree = self.trees[source]
        keys: list[str] = []
        for leaf, theirs in message.leaves:
            known, mine = dict(theirs), tree.leaves.get(leaf, {})
            keys += [key for key in sorted(set(known) | set(mine)) if known.get(key) != mine.get(key)]
        if keys:
            ctx.mark("anti_entropy", keys=len(keys))
            pairs = tuple((key, self.store.get(key)) for key in keys[:PAGE])
            ctx.send(source, Exchange(pairs, True))

    @on(Exchange)
    def exchange(self, ctx: Context, source: str, message: Exchange) -> None:
        """Merge, and send back where we had more."""
        self.hear(source)
        more: list[tuple[str, Item | None]] = []
        for key, item in message.items:
            if item is not None:
                self.keep(ctx, key, item)
            mine = self.store.get(key)
            if mine is not None and mine != item:
                more.append((key, mine))
        if message.back and more:
            ctx.send(source, Exchange(tuple(more), False))

    # --- a lost disk -------------------------------------------------------------------------------------------------

    def _fill(self, ctx: Context) -> None:
        if not self.filling:
            ctx.mark("joined")
            self.identity = Identity(self.identity.server, False)
            ctx.persist("identity", self.identity)
            return
        for peer, after in self.filling.items():
            ctx.send(peer, Fill(after))
        ctx.set_timer("fill", round(FILL_S * SECOND))

    @on_timer("fill")
    def fill_again(self, ctx: Context, key: Any) -> None:
        """Ask again for what has not come."""
        self._fill(ctx)

    @on(Fill)
    def fill(self, ctx: Context, source: str, message: Fill) -> None:
        """A page of what both of us keep; hints for the peer are among it: nobody else may have those writes."""
        self.hear(source)
        kept = self.hints.get(source, {})
        every = sorted(set(self.store) | set(kept))
        keys = [key for key in every if key > message.after and source in self.replicas(key)]
        page = []
        for key in keys[:PAGE]:
            hint = kept.get(key)
            item = items.merge(self.config.conflict, self.store.get(key), None if hint is None else hint.item)
            assert item is not None
            page.append((key, item))
        ctx.send(source, Filled(message.after, tuple(page), len(keys) <= PAGE))

    @on(Filled)
    def filled(self, ctx: Context, source: str, message: Filled) -> None:
        """Keep it, and ask for the next page; after the last one of all, answer reads again."""
        self.hear(source)
        if self.filling.get(source) != message.after:
            return  # a page that we have had
        for key, item in message.items:
            self.keep(ctx, key, item)
        if not message.last:
            self.filling[source] = message.items[-1][0]
            ctx.send(source, Fill(self.filling[source]))
            return
        del self.filling[source]
        if not self.filling:
            ctx.cancel_timer("fill")
            self._fill(ctx)

    # --- tombstones --------------------------------------------------------------------------------------------------

    @on_timer("remove")
    def remove_tombstones(self, ctx: Context, key: Any) -> None:
        """Forget deletes past their grace period. A replica that has not heard of one by now may bring the key back."""
        ctx.set_timer("remove", self._about(ctx, self.config.grace_s / 4))
        for each in [each for each, item in self.store.items() if self.outlived(ctx, item)]:
            ctx.mark("tombstone_removed")
            self.remove(ctx, each)
