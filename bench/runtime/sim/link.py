"""A directed link in the simulator: what happens to a message between leaving one node and reaching the other."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from ...network.latency import Constant, Latency, Lognormal, sampler
from ...network.spec import Network

if TYPE_CHECKING:
    from .machine import Machine


class Link:
    """One direction between two nodes.

    Attributes:
        constant: the delay in ns where it does not vary, else -1 and ``draw`` is asked.
        cuts: how many partitions cut this link now.
        lossy: (loss, duplication) of each fault in force; the worst counts.
        plain: nothing but the delay applies (kept up to date by :meth:`settle`): the fast path.
        watched: its messages are traced or go through the codec.
        sent: messages handed to the link.
        shared: by all servers that have none of their own to this target.
    """

    __slots__ = (
        "_duplication",
        "_loss",
        "_rng",
        "bandwidth",
        "between_servers",
        "by_message",
        "constant",
        "cuts",
        "draw",
        "duplication",
        "extra",
        "fifo",
        "free_at",
        "last_arrival",
        "loss",
        "lossy",
        "plain",
        "sent",
        "shared",
        "target",
        "watched",
    )

    def __init__(
        self,
        target: Machine,
        latency: Latency,
        network: Network,
        rng: Random | str,
        between_servers: bool,
        watched: bool = False,
    ) -> None:
        """``rng`` may be a seed: a source costs 2.5 kB, and of a million links without chance none needs one."""
        self.target = target
        self._rng = rng
        self.constant = latency.delay if isinstance(latency, Constant) else -1
        self.draw: Callable[[], int] | None = None if self.constant >= 0 else sampler(latency, self.rng)
        self.cuts = 0
        self.loss = self._loss = network.loss
        self.duplication = self._duplication = network.duplication
        self.lossy: list[tuple[float, float]] = []
        self.extra: list[Callable[[], int]] = []
        self.fifo = network.fifo
        self.bandwidth = network.bandwidth
        self.last_arrival = 0
        self.free_at = 0
        self.sent = 0
        self.shared = False
        self.between_servers = between_servers
        self.watched = watched
        self.by_message = {name: sampler(delay, self.rng) for name, delay in network.by_message}
        self.plain = not (self.loss or self.duplication or self.fifo or self.bandwidth or watched or self.by_message)

    @property
    def rng(self) -> Random:
        """This link's own source of chance, made on first use."""
        if isinstance(self._rng, str):
            self._rng = Random(self._rng)
        return self._rng

    def settle(self) -> None:
        """Recompute what follows from the faults in force, after any change of them."""
        self.loss = max([self._loss, *(loss for loss, _ in self.lossy)])
        self.duplication = max([self._duplication, *(duplication for _, duplication in self.lossy)])
        self.plain = not (
            self.cuts
            or self.loss
            or self.duplication
            or self.extra
            or self.fifo
            or self.bandwidth
            or self.watched
            or self.by_message
        )

    def arrivals(self, leave: int, size: int) -> tuple[int, ...]:
        """When copies of a message of ``size`` bytes that leaves at ``leave`` arrive: none, one or two times, ns."""
        if self.cuts:
            return ()
        random = self.rng.random
        if self.loss and random() < self.loss:
            return ()
        if self.bandwidth:
            # The link sends one message after the other; the delay comes on top of the queue.
            leave = self.free_at = max(leave, self.free_at) + int(size * 1e9 / self.bandwidth)
        first = self._arrive(leave)
        if self.duplication and random() < self.duplication:
            return first, self._arrive(leave)
        return (first,)

    def _arrive(self, leave: int) -> int:
        at = leave + (self.constant if self.draw is None else self.draw())
        for extra in self.extra:
            at += extra()
        if self.fifo:
            at = self.last_arrival = max(at, self.last_arrival)
        return at


def latency_between(network: Network, source: int, target: int, to_client: bool) -> Latency:
    """The latency of one directed link; ``source`` and ``target`` are indices, servers first, then clients."""
    regions = network.regions
    if regions is not None and regions.place:
        here = regions.place[source % len(regions.place)]
        there = regions.place[target % len(regions.place)]
        one_way = regions.rtt[here][there] // 2
        return Lognormal(one_way, regions.sigma) if regions.sigma else Constant(one_way)
    if to_client and network.client_latency is not None:
        return network.client_latency
    return network.latency
