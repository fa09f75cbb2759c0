"""What the network of a trial is like before any fault: one specification, the same in both worlds."""

from __future__ import annotations

import msgspec

from ..errors import UsageError
from .latency import Constant, Latency


class Regions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A matrix of median round trips between regions, and where the nodes are.

    Attributes:
        names: the regions.
        rtt: median round trip in ns, ``rtt[i][j]`` between regions i and j; symmetric, within a region on the diagonal.
        sigma: sigma of the logarithm of the (lognormal) one-way delay around half the median; 0 is constant.
        place: region index a node, server order first, then clients; wraps around.
    """

    names: tuple[str, ...]
    rtt: tuple[tuple[int, ...], ...]
    sigma: float = 0.0
    place: tuple[int, ...] = ()


class Network(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every directed link of the cluster.

    Attributes:
        latency: one-way delay of each message, drawn independently (a link is not a pipe of 1/latency).
        loss: probability that a message is lost.
        duplication: probability that a message arrives twice, the copy with a delay of its own.
        fifo: whether a link keeps the order of sending. Without it messages overtake each other.
        bandwidth: bytes a second a directed link, or 0 for unlimited.
        regions: where given, decides the latency between nodes instead of ``latency``.
        client_latency: between clients and servers, where it differs from ``latency``.
        by_message: (type of message, delay on top of the link's) for messages of these types (sim): what storing takes
            beside sending, where a model counts both as one.
    """

    latency: Latency = Constant(0)
    loss: float = 0.0
    duplication: float = 0.0
    fifo: bool = False
    bandwidth: float = 0.0
    regions: Regions | None = None
    client_latency: Latency | None = None
    by_message: tuple[tuple[str, Latency], ...] = ()

    def validate(self) -> None:
        """Raise :class:`UsageError` if a probability or the bandwidth is out of range."""
        for name in ("loss", "duplication"):
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise UsageError(f"{name} {value:g} is out of range: a probability in [0, 1)")
        if self.bandwidth < 0:
            raise UsageError(f"bandwidth {self.bandwidth:g} is negative: bytes a second, or 0 for unlimited")
