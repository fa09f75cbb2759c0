"""Who decides what moves where: the first server, which keeps the directory on its disk.

It is never asked on the way of an operation. While it is down nothing moves that does not move yet; all else goes on.
One server that decides is enough to show how data moves; to survive the loss of its disk, its directory would be a
replicated log's (Raft's).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...node import SECOND, Context, Durable
from .messages import Directory, Give, Gone, Move, News, Owner
from .placing import members_at_first, owners_at_first, plan

if TYPE_CHECKING:
    from .config import StoreConfig


class Coordinator:
    """The state of the server that decides; its server hands it what concerns it."""

    def __init__(self, ctx: Context, durable: Durable, config: StoreConfig) -> None:
        self.config = config
        found = durable.get("directory")
        if found is None:
            members = members_at_first(ctx.bootstrap, config.initial)
            found = Directory(owners_at_first(ctx.bootstrap, config.initial, config.partitions), members, ())
        self.owners: list[Owner] = list(found.owners)
        self.members: tuple[str, ...] = found.members
        self.moves: dict[int, Move] = {move.partition: move for move in found.moves}
        self.waiting: list[tuple[int, str]] = list(found.waiting)
        if config.move_every_s:
            ctx.set_timer("shuffle", round(config.move_every_s * SECOND))
        if config.join_at_s and len(self.members) < len(ctx.bootstrap):
            ctx.set_timer("join", round(config.join_at_s * SECOND))
        self.urge(ctx)

    def _save(self, ctx: Context) -> None:
        moves = tuple(self.moves[partition] for partition in sorted(self.moves))
        ctx.persist("directory", Directory(tuple(self.owners), self.members, moves, tuple(self.waiting)))

    def join(self, ctx: Context, newcomers: Sequence[str]) -> None:
        """Servers take part from now on. What they are due moves to them, a few partitions at a time."""
        newcomers = [name for name in newcomers if name not in self.members]
        if newcomers:
            ctx.mark("joined", servers=len(newcomers))
            self.members = (*self.members, *newcomers)
            self._balance()
            self._save(ctx)
            self._start(ctx)

    def leave(self, ctx: Context, server: str) -> None:
        """A server hands over all that it has, to whoever has least."""
        others = [name for name in self.members if name != server]
        if server in self.members and others:
            ctx.mark("leaves")
            self.members = tuple(others)
            self._balance()
            self._save(ctx)
            self._start(ctx)

    def _balance(self) -> None:
        """What has to move for the members to have their due, from what they have (or are about to get) now."""
        waiting = dict(self.waiting)
        to = {partition: move.target for partition, move in self.moves.items()} | waiting
        now = [Owner(to.get(at, owner.server), owner.epoch) for at, owner in enumerate(self.owners)]
        counts = dict.fromkeys(self.members, 0)
        for owner in now:
            if owner.server in counts:
                counts[owner.server] += 1
        homeless = [at for at, owner in enumerate(now) if owner.server not in counts]
        for at in homeless:  # of servers that leave
            poorest = min(self.members, key=lambda name: (counts[name], name))
            counts[poorest] += 1
            now[at] = Owner(poorest, 0)
            waiting[at] = poorest
        empty = [name for name in self.members if counts[name] == 0]
        waiting |= dict(plan(now, [name for name in self.members if name not in empty], empty))
        self.waiting = list(waiting.items())

    def shuffle(self, ctx: Context) -> None:
        """Move some partition to somebody else."""
        ctx.set_timer("shuffle", round(self.config.move_every_s * SECOND))
        if len(self.members) > 1 and not self.waiting and len(self.moves) < self.config.moves:
            partition = ctx.rng.randrange(self.config.partitions)
            others = [name for name in self.members if name != self.owners[partition].server]
            target = others[ctx.rng.randrange(len(others))]
            if partition not in self.moves:
                self.waiting.append((partition, target))
                self._start(ctx)

    def _start(self, ctx: Context) -> None:
        """Let moves begin while there is room. A move is on disk before its source hears of it."""
        begun = False
        later = []
        for partition, target in self.waiting:
            owner = self.owners[partition]
            if partition in self.moves or len(self.moves) >= self.config.moves:
                later.append((partition, target))  # where it is on its way to may be a server that leaves
                continue
            if owner.server == target:
                continue
            self.moves[partition] = Move(partition, owner.server, target, owner.epoch + 1)
            ctx.mark("move_begun")
            begun = True
        self.waiting = later
        if begun:
            self._save(ctx)
            self.urge(ctx)

    def urge(self, ctx: Context) -> None:
        """Ask the sources of all moves under way, again and again: messages are lost, and servers restart."""
        for partition in sorted(self.moves):
            ctx.send(self.moves[partition].source, Give(self.moves[partition]))
        if self.moves:
            ctx.set_timer("urge", self.config.retry)

    def gone(self, ctx: Context, source: str, message: Gone) -> None:
        """A move is done: the directory says so from now on."""
        move = self.moves.get(message.partition)
        if move is None or move.epoch != message.epoch or move.source != source:
            return
        del self.moves[message.partition]
        self.owners[message.partition] = Owner(move.target, move.epoch)
        self._save(ctx)
        ctx.mark("moved")
        ctx.broadcast(News(tuple(self.owners)))
        self._start(ctx)
