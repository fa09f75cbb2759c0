"""The faults in force on links, nodes, disks and clocks of a live trial, and what one host has to know of them."""

from __future__ import annotations

from collections import Counter

from ...faults import spec
from ...network.latency import Latency
from .orders import Conditions, LinkTrouble, NodeTrouble
from .slots import Slot

Pair = tuple[str, str]
"""A directed link: (source, target)."""


class Troubles:
    """What :class:`.faults.Injector` has set and not yet undone; several faults may add up on one link or node.

    Attributes:
        cuts: links -> how many faults cut them.
        extra, lossy: links -> what delays them, or loses and repeats messages; ``omitted``: -> with which probabilities
            a process omits to send or to receive over it.
        paused: nodes of processes that go on -> the faults (by number) that pause them.
        slow: nodes -> factors.
        slow_disk: nodes -> ns that a sync takes longer; ``full``: how many faults fill its disk.
        offset: nodes -> ns that the clock has jumped; ``ppm``: by what it drifts.
        lies: nodes -> what they tell; the latest counts.
    """

    def __init__(self) -> None:
        self.cuts: Counter[Pair] = Counter()
        self.extra: dict[Pair, list[Latency]] = {}
        self.lossy: dict[Pair, list[spec.LossyLink]] = {}
        self.omitted: dict[Pair, list[float]] = {}
        self.paused: dict[str, set[int]] = {}
        self.slow: dict[str, list[float]] = {}
        self.slow_disk: Counter[str] = Counter()
        self.full: Counter[str] = Counter()
        self.offset: Counter[str] = Counter()
        self.ppm: dict[str, list[float]] = {}
        self.lies: dict[str, list[str]] = {}

    def conditions(self, slot: Slot, version: int) -> Conditions:
        """The faults in force that concern one host."""
        links: dict[str, dict[str, LinkTrouble]] = {}
        for source, target in sorted({*self.cuts, *self.extra, *self.lossy, *self.omitted}):
            if source in slot.nodes or target in slot.nodes:
                trouble = self._link((source, target))
                if trouble != LinkTrouble():
                    links.setdefault(source, {})[target] = trouble
        nodes = {name: self._node(slot, name) for name in slot.nodes}
        return Conditions(
            version, links, {name: trouble for name, trouble in nodes.items() if trouble != NodeTrouble()}
        )

    def _link(self, pair: Pair) -> LinkTrouble:
        lossy = self.lossy.get(pair, ())
        return LinkTrouble(
            cut=self.cuts[pair] > 0,
            loss=max((*(each.loss for each in lossy), *self.omitted.get(pair, ())), default=0.0),
            duplication=max((each.duplication for each in lossy), default=0.0),
            extra=tuple(self.extra.get(pair, ())),
        )

    def _node(self, slot: Slot, name: str) -> NodeTrouble:
        by_signal = slot.alone and (slot.seat is None or slot.seat.here)
        return NodeTrouble(
            paused=bool(self.paused.get(name)),
            slow=1.0 if by_signal else max(self.slow.get(name) or (1.0,)),
            slow_disk=self.slow_disk[name],
            disk_full=self.full[name] > 0,
            lie=(self.lies.get(name) or ("",))[-1],
            clock_offset=self.offset[name],
            clock_rate=1 + sum(self.ppm.get(name, ())) / 1e6,
        )
