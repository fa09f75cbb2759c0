"""Who decides what moves where: the directory, and moves under way.

It is never asked on the way of an operation. While it is down nothing moves that does not move yet; all else goes on.
One server that decides is enough to show how data moves; to survive the loss of its disk, its directory would be a
replicated log's (Raft's).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...node import SECOND, Context, Durable
from .messages import Directory, Entry, Give, Gone, Merge, Move, News, Split
from .placing import entries_at_first, members_at_first, plan

if TYPE_CHECKING:
    from .config import StoreConfig


class Mover:
    """Keeps the directory; moves partitions when somebody joins or leaves, or for no reason."""

    def __init__(self, ctx: Context, durable: Durable, config: StoreConfig) -> None:
        self.config = config
        found = durable.get("directory")
        if found is None:
            first = entries_at_first(ctx.bootstrap, config.initial, config.partitions, config.placement)
            members = members_at_first(ctx.bootstrap, config.initial)
            found = Directory(first, members, (), (), (), len(first))
        self.entries: dict[int, Entry] = {entry.partition: entry for entry in found.entries}
        self.members: tuple[str, ...] = found.members
        self.moves: dict[int, Move] = {move.partition: move for move in found.moves}
        self.waiting: list[tuple[int, str]] = list(found.waiting)
        self.shapings: dict[int, Split | Merge] = {begins(shaping): shaping for shaping in found.shapings}
        self.next_partition: int = found.next_partition
        self.changed: bool = found.changed
        if config.move_every_s:
            ctx.set_timer("shuffle", round(config.move_every_s * SECOND))
        if config.join_at_s and not self.changed:  # else whoever has left since would be back after a restart
            ctx.set_timer("join", round(config.join_at_s * SECOND))
        self.urge(ctx)

    def _save(self, ctx: Context) -> None:
        ctx.persist(
            "directory",
            Directory(
                tuple(self.entries[partition] for partition in sorted(self.entries)),
                self.members,
                tuple(self.moves[partition] for partition in sorted(self.moves)),
                tuple(self.waiting),
                tuple(self.shapings[number] for number in sorted(self.shapings)),
                self.next_partition,
                self.changed,
            ),
        )

    # --- who takes part ----------------------------------------------------------------------------------------------

    def join(self, ctx: Context, newcomers: Sequence[str]) -> None:
        """Servers take part from now on. What they are due moves to them, a few partitions at a time."""
        newcomers = [name for name in newcomers if name not in self.members]
        if newcomers:
            ctx.mark("joined", servers=len(newcomers))
            self.members = (*self.members, *newcomers)
            self.changed = True
            self._balance()
            self._save(ctx)
            self._start(ctx)

    def leave(self, ctx: Context, server: str) -> None:
        """A server hands over all that it has, to whoever has least."""
        others = [name for name in self.members if name != server]
        if server in self.members and others:
            ctx.mark("leaves")
            self.members = tuple(others)
            self.changed = True
            self._balance()
            self._save(ctx)
            self._start(ctx)

    def _balance(self) -> None:
        """What has to move for the members to have their due, from what they have (or are about to get) now."""
        waiting = dict(self.waiting)
        to = {partition: move.target for partition, move in self.moves.items()} | waiting
        now = {partition: to.get(partition, entry.server) for partition, entry in sorted(self.entries.items())}
        counts = dict.fromkeys(self.members, 0)
        for server in now.values():
            if server in counts:
                counts[server] += 1
        homeless = [partition for partition, server in now.items() if server not in counts]
        for partition in homeless:  # of servers that leave
            poorest = min(self.members, key=lambda name: (counts[name], name))
            counts[poorest] += 1
            now[partition] = waiting[partition] = poorest
        empty = [name for name in self.members if counts[name] == 0]
        if not self.config.per_node:  # else they get halves of partitions that are split for them
            waiting |= dict(plan(list(now.items()), [name for name in self.members if name not in empty], empty))
        self.waiting = list(waiting.items())

    # --- moves -------------------------------------------------------------------------------------------------------

    def _busy(self) -> set[int]:
        """Partitions with which something is under way already, or about to be."""
        shaped = [each for shaping in self.shapings.values() for each in ended_by(shaping)]
        return {*self.moves, *shaped, *(partition for partition, _ in self.waiting)}

    def shuffle(self, ctx: Context) -> None:
        """Move some partition to somebody else."""
        ctx.set_timer("shuffle", round(self.config.move_every_s * SECOND))
        if len(self.members) > 1 and not self.waiting and len(self.moves) < self.config.moves:
            partition = sorted(self.entries)[ctx.rng.randrange(len(self.entries))]
            others = [name for name in self.members if name != self.entries[partition].server]
            target = others[ctx.rng.randrange(len(others))]
            if partition not in self._busy():
                self.waiting.append((partition, target))
                self._start(ctx)

    def _start(self, ctx: Context) -> None:
        """Let moves begin while there is room. A move is on disk before its source hears of it."""
        begun = False
        later = []
        shaped = {each for shaping in self.shapings.values() for each in ended_by(shaping)}
        for partition, target in self.waiting:
            entry = self.entries.get(partition)
            if entry is None:
                continue  # it ended; what took its place is nobody's who leaves, or waits itself
            if partition in self.moves or partition in shaped or len(self.moves) >= self.config.moves:
                later.append((partition, target))  # where it is on its way to may be a server that leaves
                continue
            if entry.server == target:
                continue
            self.moves[partition] = Move(partition, entry.server, target, entry.epoch + 1)
            ctx.mark("move_begun")
            begun = True
        self.waiting = later
        if begun:
            self._save(ctx)
            self.urge(ctx)

    def urge(self, ctx: Context) -> None:
        """Ask for all that is under way, again and again: messages are lost, and servers restart."""
        for partition in sorted(self.moves):
            ctx.send(self.moves[partition].source, Give(self.moves[partition]))
        if self.moves or self.shapings:
            ctx.set_timer("urge", self.config.retry)

    def gone(self, ctx: Context, source: str, message: Gone) -> None:
        """A move is done: the directory says so from now on."""
        move = self.moves.get(message.partition)
        if move is None or move.epoch != message.epoch or move.source != source:
            return
        del self.moves[message.partition]
        before = self.entries[message.partition]
        self.entries[message.partition] = Entry(before.low, before.high, move.partition, move.epoch, move.target)
        self._save(ctx)
        ctx.mark("moved")
        ctx.broadcast(News(tuple(self.entries.values())))
        self._start(ctx)


def begins(shaping: Split | Merge) -> int:
    """The number by which a split or a merge is known: of the (left) partition that it begins."""
    return shaping.left if isinstance(shaping, Split) else shaping.whole


def ended_by(shaping: Split | Merge) -> tuple[int, ...]:
    """The partitions that it ends."""
    return (shaping.partition,) if isinstance(shaping, Split) else (shaping.lower, shaping.upper)
