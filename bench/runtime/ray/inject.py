"""What the network does to messages, injected in the receiving host, a directed link at a time.

Delays are applied where a message arrives, so that a message under way outlives its sender as in a real network. They
count from the time of sending that the frame carries if both ends share a clock, so that the way through the kernel is
part of the delay and not added to it.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from ...network.latency import Constant, Latency, sampler
from ...network.spec import Network
from ..sim.link import latency_between
from .orders import LinkTrouble

__all__ = ["Injector", "latency_between"]


class Injector:
    """One direction between two nodes.

    Attributes:
        plain: messages pass at once and untouched: the fast path.
        dropped: messages lost here.
        held: bytes of the messages that are under way, about.
    """

    __slots__ = (
        "_constant",
        "_cut",
        "_draw",
        "_duplication",
        "_extra",
        "_fifo",
        "_free_at",
        "_last",
        "_loss",
        "_network",
        "_rng",
        "dropped",
        "held",
        "plain",
    )

    def __init__(self, latency: Latency, network: Network, rng: Random) -> None:
        self._network = network
        self._rng = rng
        self._constant = latency.delay if isinstance(latency, Constant) else -1
        self._draw = sampler(latency, rng)
        self._extra: list[Callable[[], int]] = []
        self._fifo = network.fifo
        self._last = 0
        self._free_at = 0
        self.dropped = 0
        self.held = 0
        self.settle(None)

    def settle(self, trouble: LinkTrouble | None) -> None:
        """Apply exactly these faults from now on, on top of what the network is like without any."""
        network = self._network
        self._cut = trouble is not None and trouble.cut
        self._loss = max(network.loss, trouble.loss) if trouble else network.loss
        self._duplication = max(network.duplication, trouble.duplication) if trouble else network.duplication
        self._extra = [sampler(each, self._rng) for each in trouble.extra] if trouble else []
        self.plain = not (
            self._cut or self._loss or self._duplication or self._extra or self._constant != 0 or network.bandwidth
        )

    def arrivals(self, sent: int, size: int) -> tuple[int, ...]:
        """When copies of a message of ``size`` bytes, sent at ``sent``, are to arrive: none, one or two times, ns."""
        if self._cut or (self._loss and self._rng.random() < self._loss):
            self.dropped += 1
            return ()
        if self._network.bandwidth:
            sent = self._free_at = max(sent, self._free_at) + int(size * 1e9 / self._network.bandwidth)
        first = self._arrive(sent)
        if self._duplication and self._rng.random() < self._duplication:
            return first, self._arrive(sent)
        return (first,)

    def _arrive(self, sent: int) -> int:
        at = sent + (self._constant if self._constant >= 0 else self._draw())
        for extra in self._extra:
            at += extra()
        if self._fifo:
            at = self._last = max(at, self._last)
        return at
