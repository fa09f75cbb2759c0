"""A replica: its items, the hints it keeps for others, and what it tells of both."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from ...node import Context, Durable, on, on_durable
from ...partitioning.ring import Ring, natural, token
from . import items
from .config import ServerConfig
from .items import Item
from .merkle import Tree
from .messages import Answer, HandedOff, Handoff, Hint, Identity, Query, Replicate, Replicated
from .places import ring_of, zone_of

LEDGER = 4096
"""Events that are remembered for invariants; each turn makes far fewer."""


class Replica:
    """The part of a server that keeps data. It never waits for anybody.

    Attributes:
        store: item of each key, as on disk.
        hints: by the replica that they are for, and by key.
        trees: a Merkle tree for each other server, over the keys that both keep.
        ledger: what happened, for invariants: the last of ``events`` events in all.
    """

    config: ServerConfig

    def start(self, ctx: Context, durable: Durable) -> None:
        """Boot with what is on disk. A lost or corrupt one held promises: see :class:`.repair.Repair`."""
        config = self.config
        self.me = ctx.id
        self.servers = tuple(sorted(ctx.bootstrap, key=natural))
        self.n = min(config.replicas, len(self.servers))
        self.ring: Ring = ring_of(self.servers, config.vnodes, config.zones)
        self.zones = {server: zone_of(position, config.zones) for position, server in enumerate(self.servers)}
        self.suspects: set[str] = set()
        self.ledger: deque[tuple[Any, ...]] = deque(maxlen=LEDGER)
        self.events = 0
        self.held: deque[tuple[int, tuple[Any, ...]]] = deque()
        self.wrote = self.synced = 0  # turns: the last that wrote an item or a hint, and the last that is on disk
        self.forgot = durable.lost or bool(durable.corrupt)
        known = durable.get("identity")
        self.identity: Identity = known or Identity(ctx.id, False)
        self.store: dict[str, Item] = {}
        self.hints: dict[str, dict[str, Hint]] = {}
        for name in sorted(durable.keys):
            kind, _, rest = name.partition(":")
            if kind == "item":
                self.store[rest] = durable.keys[name]
            elif kind == "hint":
                target, _, key = rest.partition("/")
                self.hints.setdefault(target, {})[key] = durable.keys[name]
        self.hinted = sum(len(kept) for kept in self.hints.values())
        self.trees: dict[str, Tree] = {}
        if config.anti_entropy_s:
            self.trees = {peer: Tree(config.tree_depth) for peer in self.servers if peer != ctx.id}
            for key, item in self.store.items():
                self._plant(key, item)

    def zone(self, server: str) -> str:
        """Of a server; one name for all without zones."""
        return self.zones[server]

    def replicas(self, key: str) -> tuple[str, ...]:
        """Who keeps the key."""
        return self.ring.preference(key)[: self.n]

    def note(self, *event: Any) -> None:
        """Tell the invariants."""
        self.events += 1
        self.ledger.append(event)

    def note_when_durable(self, *event: Any) -> None:
        """Tell them when what this turn says to others leaves: once all that was written up to now is on disk."""
        if self.wrote > self.synced:
            self.held.append((self.wrote, event))
        else:
            self.note(*event)

    @on_durable
    def durable(self, ctx: Context, turn: int) -> None:
        """What was held back has left."""
        self.synced = turn
        while self.held and self.held[0][0] <= turn:
            self.note(*self.held.popleft()[1])

    def hear(self, source: str) -> None:
        """Whoever speaks is not suspected any more."""
        self.suspects.discard(source)

    # --- items -------------------------------------------------------------------------------------------------------

    def keep(self, ctx: Context, key: str, item: Item) -> Item:
        """Merge an item into ours; what we have now. It is on disk before anything that this turn sends leaves."""
        old = self.store.get(key)
        if old is None and self.outlived(ctx, item):
            return item  # a tombstone that we have removed, from somebody who has not yet
        new = items.merge(self.config.conflict, old, item)
        assert new is not None
        if new != old:
            self.store[key] = new
            ctx.persist("item:" + key, new)
            self.wrote = ctx.turn
            self._plant(key, new)
            self.note("kept", key, old, new)
            self.note_when_durable("has", key, new)
        return new

    def outlived(self, ctx: Context, item: Item) -> bool:
        """Whether it is nothing but tombstones past their grace period."""
        if self.config.conflict != "lww" or items.alive(item):
            return False
        return all(ctx.wall() - sibling.at > self.config.grace for sibling in item.siblings)

    def remove(self, ctx: Context, key: str) -> None:
        """Forget a tombstone."""
        self.note("removed", key, self.store.pop(key), None)
        ctx.delete("item:" + key)
        self._plant(key, None)

    def _plant(self, key: str, item: Item | None) -> None:
        """Tell the trees of everybody who keeps the key too."""
        if not self.trees:
            return
        sharers = self.replicas(key)
        if self.me not in sharers:
            return
        place, mark = token(key), items.digest(item)
        for peer in sharers:
            if peer != self.me:
                self.trees[peer].put(key, place, mark)

    @on(Replicate)
    def replicate(self, ctx: Context, source: str, message: Replicate) -> None:
        """A coordinator's write or repair. The answer says that it is on disk: prefix durability holds it back."""
        self.hear(source)
        if message.stands_for:
            self.hint(ctx, message.stands_for, message.key, message.item)
        else:
            self.keep(ctx, message.key, message.item)
        if message.round:
            ctx.send(source, Replicated(message.round))

    @on(Query)
    def query(self, ctx: Context, source: str, message: Query) -> None:
        """A coordinator's read. A server that has forgotten what it acknowledged says nothing until it knows again."""
        self.hear(source)
        if self.identity.joining:
            return
        item = self.store.get(message.key)
        if message.hints:
            item = self.with_hints(message.key, item)
        if message.digest:
            ctx.send(source, Answer(message.round, False, None, items.digest(item)))
        else:
            ctx.send(source, Answer(message.round, True, item, 0))

    # --- hints -------------------------------------------------------------------------------------------------------

    def hint(self, ctx: Context, target: str, key: str, item: Item) -> bool:
        """Keep a write for a replica that does not answer; whether there was room."""
        kept = self.hints.setdefault(target, {})
        old = kept.get(key)
        if old is None and self.hinted >= self.config.max_hints:
            ctx.mark("hint_dropped", target=target)
            return False
        merged = items.merge(self.config.conflict, None if old is None else old.item, item)
        assert merged is not None
        if old is None or merged != old.item:
            self.hinted += old is None
            # The first write's time: what was merged into it may be younger, but must not make it live longer.
            kept[key] = Hint(merged, ctx.wall() if old is None else old.at)
            ctx.persist(f"hint:{target}/{key}", kept[key])
            self.wrote = ctx.turn
        return True

    def with_hints(self, key: str, item: Item | None) -> Item | None:
        """An item with what is kept here for other replicas of the key."""
        for target in sorted(self.hints):
            hint = self.hints[target].get(key)
            if hint is not None:
                item = items.merge(self.config.conflict, item, hint.item)
        return item

    def drop_hint(self, ctx: Context, target: str, key: str) -> None:
        """It was handed over, or is too old."""
        del self.hints[target][key]
        self.hinted -= 1
        ctx.delete(f"hint:{target}/{key}")

    @on(Handoff)
    def handoff(self, ctx: Context, source: str, message: Handoff) -> None:
        """What we have missed."""
        self.hear(source)
        self.keep(ctx, message.key, message.item)
        ctx.send(source, HandedOff(message.key, items.digest(message.item)))

    @on(HandedOff)
    def handed_off(self, ctx: Context, source: str, message: HandedOff) -> None:
        """It has it now; the hint goes, unless it has grown meanwhile."""
        self.hear(source)
        hint = self.hints.get(source, {}).get(message.key)
        if hint is not None and items.digest(hint.item) == message.digest:
            self.drop_hint(ctx, source, message.key)


class View(msgspec.Struct, frozen=True):
    """What invariants and reports may see of a server.

    Attributes:
        store: its items; not to be changed.
        hints: how many it keeps.
        ledger, events: see :class:`Replica`.
        forgot: it has booted without its disk, or with part of it only.
        joining: it has not yet got back what it had.
        config: of the server.
        servers: all of them, in order of their numbers.
    """

    store: dict[str, Item]
    hints: int
    ledger: deque[tuple[Any, ...]]
    events: int
    forgot: bool
    joining: bool
    config: ServerConfig
    servers: tuple[str, ...]
