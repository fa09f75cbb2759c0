"""The network of a simulated world: its links, and messages on those that do more than delay them."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappush
from typing import Any

import msgspec

from protocols.family import Invariant
from protocols.node import Node, message_types

from ...network.latency import Constant
from ...network.spec import Network
from ..child import Scoped
from ..sizes import size_of
from .link import Link, latency_between
from .machine import DELIVER, Machine
from .services import Services

_encode = msgspec.msgpack.Encoder().encode

MANY = 200
"""Machines beyond which servers share links that are all alike."""


class Wires(Services):
    """The part of a world that carries messages. Attributes:

    network: how links are.
    dropped: messages that reached nobody.
    """

    def __init__(
        self, seed: int, network: Network, invariants: Sequence[Invariant], hashing: bool, tracing: bool, codec: bool
    ) -> None:
        """``codec``: every message is encoded and decoded on its way, as it is live."""
        super().__init__(seed, invariants, hashing, tracing)
        self.network = network
        self.dropped = 0
        self._codecs: dict[type[Node], msgspec.msgpack.Decoder[Any]] | None = {} if codec else None
        # Where nothing tells one link from another, many servers share one to each target until a fault needs one of
        # them apart: ten thousand servers that talk to everybody would have 10^8.
        self.common: dict[str, Link] = {}
        self._uniform = (
            isinstance(network.latency, Constant)
            and network.regions is None
            and not (network.loss or network.duplication or network.fifo or network.bandwidth or network.by_message)
            and not (tracing or codec)
        )

    def link_for(self, source: Machine, target: str) -> Link | None:
        """The link that a message takes that has none of its own; None if nobody is there."""
        to = self.machines.get(target)
        if to is None:
            return None
        if to is source or not (self._uniform and source.is_server and to.is_server and len(self.machines) > MANY):
            return self.link(source, target)
        link = self.common.get(target)
        if link is None:
            latency = latency_between(self.network, source.index, to.index, False)
            link = self.common[target] = Link(to, latency, self.network, "", True)
            link.shared = True
        return link

    def link(self, source: Machine, target: str) -> Link:
        """The directed link between two machines, made on first use."""
        link = source.links.get(target)
        if link is None:
            to = self.machines[target]
            between = source.is_server and to.is_server
            latency = latency_between(self.network, source.index, to.index, not between)
            network = self.network
            if to is source:  # what a node sends to itself crosses no network
                between, latency, network = False, Constant(0), Network()
            rng = f"{self.seed}/link/{source.name}/{target}"
            watched = self.trace is not None or self._codecs is not None
            link = source.links[target] = Link(to, latency, network, rng, between, watched)
        return link

    def send_with_care(self, link: Link, source: str, message: Any, leave: int) -> None:
        """A message on a link that does more than delay it, or in a run that records it."""
        if self._codecs is not None:
            message = self._through_codec(link.target, message)
        name, target = type(message).__name__, link.target
        slower = link.by_message.get(name)
        begin = leave if slower is None else leave + slower()
        arrivals = link.arrivals(begin, size_of(message) if link.bandwidth else 0)
        for arrival in arrivals:
            number = next(self._sequence)
            heappush(self._heap, (arrival, number, DELIVER, target, source, message))
            self.note("send", source, target.name, name, number, message, leave)
        if not arrivals:
            self.dropped += 1
            number = next(self._sequence)
            self.note("send", source, target.name, name, number, message, leave)
            self.note("drop", target.name, source, name, number, None, leave)

    def lied(self, machine: Machine, sends: list[tuple[str, Any]], leave: int) -> list[tuple[str, Any]]:
        """What a liar sends instead in its own name. What it sends in another's leaves here, over its own links: the
        simulator's messages say who sent them, and nobody checks."""
        assert machine.lie is not None
        own: list[tuple[str, Any]] = []
        for to, message in sends:
            for name, whom, said in machine.lie(to, message):
                if name == machine.name:
                    own.append((whom, said))
                    continue
                link = self.link(machine, whom)
                link.sent += 1
                self.send_with_care(link, name, said, leave)
        return own

    def _through_codec(self, target: Machine, message: Any) -> Any:
        assert self._codecs is not None
        if type(message) is Scoped or target.engine is None:
            return message
        kind = type(target.engine.node)
        decoder = self._codecs.get(kind)
        if decoder is None:
            union = message_types(kind)
            decoder = self._codecs[kind] = msgspec.msgpack.Decoder(kind.messages if len(union) > 1 else union[0])
        return decoder.decode(_encode(message))
