"""What the coordinator decides from the servers' reports: what is split, what is merged, what moves to even things out.

An order is on disk before anybody hears of it, and is repeated until it is done; with a partition under order nothing
else is done meanwhile. Whoever has the partition can always carry it out, as the order names the boundary.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ...node import SECOND, Context, Durable
from .coordinator import Mover, begins, ended_by
from .messages import Entry, Load, Merge, News, Report, Shape, Shaped, Split

if TYPE_CHECKING:
    from .config import StoreConfig


class Coordinator(Mover):
    """The state of the server that decides; its server hands it what concerns it.

    Attributes:
        loads: the last report of each partition, until it is used; memory only.
        guessed: (keys, operations a second) of each partition: as last reported, or halved or added up since.
    """

    def __init__(self, ctx: Context, durable: Durable, config: StoreConfig) -> None:
        super().__init__(ctx, durable, config)
        self.loads: dict[int, Load] = {}
        self.guessed: dict[int, tuple[float, float]] = {}
        if config.report_s:
            ctx.set_timer("decide", round(config.report_s * SECOND))
        if config.reshape_every_s:
            ctx.set_timer("reshape", round(config.reshape_every_s * SECOND))

    def report(self, ctx: Context, source: str, message: Report) -> None:
        """Of partitions that the server still has, by the directory."""
        for load in message.loads:
            entry = self.entries.get(load.partition)
            if entry is not None and entry.server == source and entry.epoch == load.epoch:
                self.loads[load.partition] = load
                self.guessed[load.partition] = (load.keys, load.rate)

    def decide(self, ctx: Context) -> None:
        """Split what is too large, merge what is too small, give to whoever has too little; each report counts once."""
        ctx.set_timer("decide", round(self.config.report_s * SECOND))
        busy = self._busy()
        self.loads = {at: load for at, load in self.loads.items() if at in self.entries and at not in busy}
        self._split_large(ctx)
        self._split_for_poor(ctx)
        self._merge_small(ctx)
        if all(at in self.guessed for at in self.entries):  # what looks poor before may only be late
            self._spread(ctx)
            if self.config.even:
                self._even_out(ctx)
        self._start(ctx)

    # --- splits ------------------------------------------------------------------------------------------------------

    def _split_large(self, ctx: Context) -> None:
        config = self.config
        for _, load in sorted(self.loads.items()):
            large = config.split_keys and load.keys > config.split_keys
            hot = config.split_rate and load.rate > config.split_rate
            if (large or hot) and load.at:
                self._split(ctx, load)

    def _split_for_poor(self, ctx: Context) -> None:
        """A server with fewer partitions than it should have gets halves of others', as in Cassandra and Ketama.

        Which ones, chance decides, as if it drew keys: large ones are likelier.
        """
        if not self.config.per_node:
            return
        for server in self.members:
            has = sum(entry.server == server for entry in self.entries.values())
            due = sum(target == server for _, target in self.waiting)
            due += sum(move.target == server for move in self.moves.values())
            due += sum(isinstance(each, Split) and each.then == server for each in self.shapings.values())
            for _ in range(self.config.per_node - has - due):
                others = [load for at, load in sorted(self.loads.items()) if load.at and self._server(at) != server]
                if not others:
                    break
                (drawn,) = ctx.rng.choices(others, [load.keys for load in others])
                self._split(ctx, drawn, then=server)

    def _server(self, partition: int) -> str:
        return self.entries[partition].server

    def _split(self, ctx: Context, load: Load, then: str = "") -> None:
        del self.loads[load.partition]
        left = self.next_partition
        self.next_partition += 2
        self._order(ctx, Split(load.partition, self._server(load.partition), load.at, left, left + 1, then))

    # --- merges ------------------------------------------------------------------------------------------------------

    def _merge_small(self, ctx: Context) -> None:
        config = self.config
        if not config.merge_keys:
            return
        known = [entry for entry in self._in_order() if entry.partition in self.loads]
        for lower, upper in pairwise(known):
            if lower.high != upper.low or lower.partition not in self.loads or upper.partition not in self.loads:
                continue
            one, other = self.loads[lower.partition], self.loads[upper.partition]
            if one.keys + other.keys > config.merge_keys:
                continue
            if config.split_rate and one.rate + other.rate > config.merge_rate:
                continue
            if config.per_node and len(self.entries) <= config.per_node * len(self.members):
                continue
            self._join(ctx, lower, upper)

    def _in_order(self) -> list[Entry]:
        return sorted(self.entries.values(), key=lambda entry: entry.low)

    def _join(self, ctx: Context, lower: Entry, upper: Entry) -> None:
        """Merge neighbours; of two servers, after the smaller one has moved to the other: a later report will see."""
        one, other = self.loads.pop(lower.partition), self.loads.pop(upper.partition)
        if lower.server == upper.server:
            whole = self.next_partition
            self.next_partition += 1
            self._order(ctx, Merge(lower.partition, upper.partition, lower.server, whole))
        elif one.keys < other.keys:
            self.waiting.append((lower.partition, upper.server))
        else:
            self.waiting.append((upper.partition, lower.server))

    # --- evenness ----------------------------------------------------------------------------------------------------

    def _sums(self, what: int) -> dict[str, float]:
        """Keys (0) or operations a second (1) of each server."""
        sums = dict.fromkeys(self.members, 0.0)
        for at, entry in self.entries.items():
            sums[entry.server] = sums.get(entry.server, 0.0) + self.guessed[at][what]
        return sums

    def _spread(self, ctx: Context) -> None:
        keys, rates = self._sums(0).values(), self._sums(1).values()
        fullest, busiest = (max(each) * len(each) / sum(each) if sum(each) else 0.0 for each in (keys, rates))
        ctx.mark("spread", partitions=len(self.entries), fullest=fullest, busiest=busiest)

    def _even_out(self, ctx: Context) -> None:
        """Of whoever has most, the partition that comes nearest to half of what it has more than whoever has least."""
        if self.moves or self.waiting:
            return  # one after the other
        what = 0 if self.config.even == "keys" else 1
        sums = self._sums(what)
        richest = max(self.members, key=lambda name: (sums[name], name))
        poorest = min(self.members, key=lambda name: (sums[name], name))
        surplus = sums[richest] - sums[poorest]
        mean = sum(sums.values()) / len(sums)
        free = [at for at in sorted(self.entries) if self._server(at) == richest and at not in self._busy()]
        mine = {at: self.guessed[at][what] for at in free if 0 < self.guessed[at][what] < surplus}
        if mine and surplus > 0.2 * mean:
            best = min(mine, key=lambda at: abs(surplus / 2 - mine[at]))
            if surplus - abs(surplus - 2 * mine[best]) > 0.1 * mean:  # else not worth a move
                self.waiting.append((best, poorest))

    # --- for no reason -----------------------------------------------------------------------------------------------

    def reshape(self, ctx: Context) -> None:
        """Split or merge something that can be."""
        ctx.set_timer("reshape", round(self.config.reshape_every_s * SECOND))
        busy = self._busy()
        free = {at: load for at, load in self.loads.items() if at in self.entries and at not in busy}
        order = self._in_order()
        pairs = [(one, other) for one, other in pairwise(order) if one.partition in free and other.partition in free]
        splits = [load for _, load in sorted(free.items()) if load.at]
        if splits and (not pairs or ctx.rng.random() < 0.5):
            self._split(ctx, splits[ctx.rng.randrange(len(splits))])
        elif pairs:
            self._join(ctx, *pairs[ctx.rng.randrange(len(pairs))])
            self._start(ctx)

    # --- orders ------------------------------------------------------------------------------------------------------

    def _order(self, ctx: Context, shaping: Split | Merge) -> None:
        self.shapings[begins(shaping)] = shaping
        self._save(ctx)
        self.urge(ctx)

    def urge(self, ctx: Context) -> None:
        """Splits and merges as well."""
        super().urge(ctx)
        for number in sorted(self.shapings):
            ctx.send(self.shapings[number].server, Shape(self.shapings[number]))

    def shaped(self, ctx: Context, source: str, message: Shaped) -> None:
        """One is done: the directory says so from now on."""
        shaping = self.shapings.pop(message.number, None)
        if shaping is None:
            return
        olds = [self.entries.pop(partition) for partition in ended_by(shaping)]
        low, high = olds[0].low, olds[-1].high
        known = [self.guessed.pop(old.partition, (0.0, 0.0)) for old in olds]
        keys, rate = sum(each[0] for each in known), sum(each[1] for each in known)
        if isinstance(shaping, Split):
            self.entries[shaping.left] = Entry(low, shaping.at, shaping.left, 1, source)
            self.entries[shaping.right] = Entry(shaping.at, high, shaping.right, 1, source)
            self.guessed[shaping.left] = self.guessed[shaping.right] = (keys / 2, rate / 2)
            if shaping.then in self.members:  # it may have left since
                self.waiting.append((shaping.right, shaping.then))
        else:
            self.entries[shaping.whole] = Entry(low, high, shaping.whole, 1, source)
            self.guessed[shaping.whole] = (keys, rate)
        if source not in self.members:
            self._balance()  # it leaves, and this was not there yet when it was told to
        self._save(ctx)
        ctx.broadcast(News(tuple(self.entries.values())))
        self._start(ctx)
