"""What a server reports of its partitions, and how it splits and merges them.

A split or a merge is one turn of the one server that has the partitions: it ends them, for ever, and begins others
under numbers that nobody has had. So nothing has to be agreed, and a late message for what has ended finds that it has.
Items are stored by key and not by partition, so that no data is written, as little as Bigtable writes any (OSDI 2006,
section 5.3: tablets that are split share their files).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

from ...node import SECOND, Context, on, on_timer
from .core import SAMPLES, Core, Ended
from .messages import ENDED, SERVES, Holding, Load, Merge, Report, Result, Session, Shape, Shaped, Split
from .table import within

SMALLEST = SAMPLES // 10
"""Of the operations in a sample, how many a split by load leaves on either side at least."""


class Shapes(Core):
    """Reports, splits and merges."""

    messages: ClassVar[Any] = Core.messages | Shape

    # --- reports -----------------------------------------------------------------------------------------------------

    def begin_reports(self, ctx: Context) -> None:
        """Every so often from now on."""
        self.since = ctx.monotonic()
        self.reported: set[tuple[int, int]] = set()
        if self.config.report_s:
            ctx.set_timer("report", round(self.config.report_s * SECOND))

    @on_timer("report")
    def report_now(self, ctx: Context, key: Any) -> None:
        """Tell the coordinator of all that has been served here since the last report, and look anew."""
        ctx.set_timer("report", round(self.config.report_s * SECOND))
        elapsed = (ctx.monotonic() - self.since) / SECOND
        serving = {(at, holding.epoch) for at, holding in self.holdings.items() if holding.state == SERVES}
        ctx.send(
            self.head,
            Report(tuple(self._load_of(at, epoch, elapsed) for at, epoch in sorted(serving & self.reported))),
        )
        self.reported = serving
        self.since = ctx.monotonic()
        self.counted.clear()
        self.samples = {at: sample for at, sample in self.samples.items() if (at, self.holdings[at].epoch) in serving}

    def _load_of(self, partition: int, epoch: int, elapsed: float) -> Load:
        data, rate = self.data[partition], self.counted[partition] / elapsed
        low = self.holdings[partition].low
        if self.config.split_rate and rate > self.config.split_rate:
            at = middle_of_load(self.samples.get(partition, ()), low)
        else:
            at = middle_of_keys([self._position(key) for key in data], low)
        return Load(partition, epoch, len(data), rate, at)

    # --- carrying out ------------------------------------------------------------------------------------------------

    @on(Shape)
    def shape(self, ctx: Context, source: str, message: Shape) -> None:
        """Split or merge, unless that is done; say that it is."""
        if self.silent:
            return
        shaping = message.shaping
        number = shaping.left if isinstance(shaping, Split) else shaping.whole
        if number not in self.holdings:
            olds = (shaping.partition,) if isinstance(shaping, Split) else (shaping.lower, shaping.upper)
            if any(old not in self.holdings or self.holdings[old].state != SERVES for old in olds):
                return  # of another time: what is asked for now is always possible
            if isinstance(shaping, Split):
                self._split(ctx, shaping)
            else:
                self._merge(ctx, shaping)
        ctx.send(source, Shaped(number))

    def _split(self, ctx: Context, split: Split) -> None:
        ctx.mark("split")
        ended = self._end(ctx, (split.partition,))
        held, pairs, sessions = ended[0]
        for number, low, high in ((split.left, held.low, split.at), (split.right, split.at, held.high)):
            mine = {key: value for key, value in pairs.items() if within(self._position(key), low, high)}
            # Both halves get the sessions: a command may be repeated in either, and must not be carried out again.
            self._found(ctx, number, Holding(SERVES, 1, "", low, high), mine, sessions)
        self.ended = ended

    def _merge(self, ctx: Context, merge: Merge) -> None:
        ctx.mark("merged")
        ended = self._end(ctx, (merge.lower, merge.upper))
        (lower, pairs, sessions), (upper, more_pairs, more_sessions) = ended
        both = dict(sessions)
        for name, known in more_sessions.items():
            # Of a session in both the later command counts: before it was given, the earlier one had been answered.
            if name not in both or both[name][1] < known[1]:
                both[name] = known
        self._found(ctx, merge.whole, Holding(SERVES, 1, "", lower.low, upper.high), pairs | more_pairs, both)
        self.ended = ended

    def _end(self, ctx: Context, olds: Sequence[int]) -> Ended:
        """What they had."""
        ended = []
        for old in olds:
            held = self.holdings[old]
            ended.append((held, self.data.pop(old), self.sessions.pop(old)))
            for session in sorted(ended[-1][2]):
                ctx.delete(f"session:{old}/{session}")
            self._hold(ctx, old, Holding(ENDED, held.epoch, "", held.low, held.high))
        return tuple(ended)

    def _found(
        self, ctx: Context, number: int, holding: Holding, pairs: dict[str, bytes], sessions: dict[str, Session]
    ) -> None:
        self.data[number] = dict(pairs)
        self.sessions[number] = dict(sessions)
        for session, sequence, found in sessions.values():
            ctx.persist(f"session:{number}/{session}", Result(sequence, found))
        self._hold(ctx, number, holding)


def middle_of_keys(positions: Sequence[str], low: str) -> str:
    """The position that has half of them below it; empty if there is none that leaves some on either side."""
    different = sorted(set(positions))
    at = different[len(different) // 2] if len(different) > 1 else ""
    return at if at > low else ""


def middle_of_load(sample: Sequence[str], low: str) -> str:
    """The position of the last operations that halves them best; empty if one key has nearly all of them.

    As CockroachDB does since version 20.1 (load-based splitting): no boundary makes a hot key less hot.
    """
    counts = sorted(Counter(sample).items())
    best, found, below = 0, "", 0
    for position, count in counts:
        smaller = min(below, len(sample) - below)
        if position > low and smaller > best and smaller >= min(SMALLEST, len(sample) // 2):
            best, found = smaller, position
        below += count
    return found
