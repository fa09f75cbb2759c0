"""The wires of one host: which node is where, what stands between, and one frame a link and tick.

Delay, loss and duplication are injected where messages arrive; a cut also where they leave, so that a process that is
stopped while a partition begins and continues after it ended brings nothing across.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from random import Random
from typing import Any

from protocols.node import Node

from .alarm import Alarm
from .codec import (
    GONE,
    MAX_FRAME,
    PLAIN,
    BadFrame,
    Decoder,
    Entry,
    Hello,
    Sealed,
    encode_entries,
    encode_gone,
    size_received,
)
from .hostclock import monotonic_ns
from .inject import Injector, latency_between
from .interface import BUFFER_LIMIT, Incoming, Link
from .link import Outbound
from .local import (
    BYTES,
    DISCONNECT,
    DROPPED,
    FRAMES,
    MESSAGE,
    OVERFLOWED,
    SEALED,
    TO_CLIENTS,
    TO_SERVERS,
    LocalNode,
)
from .orders import Address, Conditions, LinkTrouble, Peers, Plan
from .raylink import RayDoor, RayLink
from .routes import Route

LINKS: dict[str, Callable[[Wires, Address], Link]] = {"tcp": Outbound, "ray": RayLink}
"""What a trial may ask for."""
Arrive = Callable[[LocalNode, int, Any, Any], None]
"""(node, kind, a, b): something arrived; see :mod:`.local` for the kinds."""
ArriveAll = Callable[[list[Entry]], None]
"""(messages): as many arrived, each from and for a node by its number."""

_source = itemgetter(0)


class Wires:
    """See the module; also the :class:`bench.runtime.ray.interface.Hub` of this host's streams.

    Attributes:
        outbound: links to other hosts, by host; ``inbound`` streams from other hosts.
        door: where links by actor calls arrive.
        refused: streams without the token, or with garbage.
        stale: frames of an earlier life or out of order, and messages that are not for us.
        unhandled: bytes of frames that have arrived since the stage last had nothing left to do.
    """

    def __init__(
        self,
        plan: Plan,
        machine: str,
        alarm: Alarm,
        kind: type[Node],
        nodes: dict[str, LocalNode],
        arrive: Arrive,
        arrive_all: ArriveAll,
    ) -> None:
        """No stream is opened before the first :meth:`apply_peers`.

        Args:
            plan: of this host.
            machine: see :func:`bench.runtime.ray.hostclock.clock_id`.
            alarm: for delays.
            kind: class of the nodes here.
            nodes: those that live here.
            arrive: called with each message that was delayed and each broken stream.
            arrive_all: called with all messages of a frame that pass at once; some may not be for nodes here.
        """
        self.outbound: dict[str, Link] = {}
        self.inbound: dict[str, Incoming] = {}
        self.seen: dict[str, tuple[int, int]] = {}
        self.door = RayDoor(self)
        self.refused = 0
        self.stale = 0
        self.unhandled = 0
        self._throttled = False
        self._link = LINKS[plan.trial.link]
        self._plan = plan
        self._alarm = alarm
        self._nodes = nodes
        self._arrive = arrive
        self._arrive_all = arrive_all
        self._decoder = Decoder(kind)
        self._hello = Hello(plan.token, plan.host, plan.life, machine)
        self._names = (*plan.servers, *plan.clients)
        self._numbers = {name: number for number, name in enumerate(self._names)}
        self._servers = frozenset(plan.servers)
        self._local = {node.number: node for node in nodes.values()}
        self._scoped = False  # a node here has had children
        self._routes: dict[str, dict[str, Route]] = {}
        self._injectors: dict[tuple[int, int], Injector] = {}
        self._inject = False
        self._bandwidth = plan.trial.network.bandwidth
        self._peers = Peers(0, ())
        self._speakers: dict[str, frozenset[int]] = {}
        self._addresses: dict[str, Address] = {}
        self._conditions = Conditions()
        self._out: dict[str, list[Any]] = {}
        self._mourned: set[tuple[str, int]] = set()
        self._closed = False
        self._add_routes()
        self._add_injectors()

    def close(self) -> None:
        """Nothing arrives any more, and nothing leaves."""
        self._closed = True
        for outbound in self.outbound.values():
            outbound.close()
        for inbound in list(self.inbound.values()):
            inbound.close()
        self.door.close()

    def _linked(self, source: str, target: str) -> bool:
        """Whether these two ever talk; clients do not talk to each other."""
        return source != target and (source in self._servers or target in self._servers)

    def _add_routes(self) -> None:
        for name in self._nodes:
            self._routes[name] = {
                other: Route(self._numbers[other], other in self._servers, self._nodes.get(other))
                for other in self._names
                if self._linked(name, other)
            }

    def _add_injectors(self) -> None:
        trial = self._plan.trial
        for target in self._nodes:
            for source in self._names:
                if self._linked(source, target):
                    to_client = not (source in self._servers and target in self._servers)
                    here, there = self._numbers[source], self._numbers[target]
                    latency = latency_between(trial.network, here, there, to_client)
                    rng = Random(f"{trial.seed}/link/{source}/{target}")
                    self._injectors[here, there] = Injector(latency, trial.network, rng)

    # --- applying orders ---------------------------------------------------------------------------------------------

    def apply_peers(self, peers: Peers) -> None:
        """Everybody's addresses, from now on; an older version that comes late is ignored."""
        if peers.version <= self._peers.version:
            return
        self._peers = peers
        for address in peers.hosts:
            if address.host == self._plan.host:
                continue
            self._speakers[address.host] = frozenset(self._numbers[node] for node in address.nodes)
            self._addresses[address.host] = address
            known = self.outbound.get(address.host)
            if known is not None and known.address.life < address.life:
                known.close()
                known = None
            if known is None and any(self._linked(here, there) for here in self._nodes for there in address.nodes):
                self._connect(address)

    def _connect(self, address: Address) -> None:
        self.outbound[address.host] = self._link(self, address)
        self._out[address.host] = []
        for routes in self._routes.values():
            for node in address.nodes:
                if (route := routes.get(node)) is not None:
                    route.link = address.host
        self._set_ways()

    def apply_conditions(self, conditions: Conditions) -> None:
        """The faults of links in force, from now on."""
        self._conditions = conditions
        for source, routes in self._routes.items():
            for target, route in routes.items():
                trouble = self._trouble(source, target)
                route.cut = trouble is not None and trouble.cut
        self._set_ways()
        for (here, there), injector in self._injectors.items():
            injector.settle(self._trouble(self._names[here], self._names[there]))
        self._inject = any(not injector.plain for injector in self._injectors.values())

    def _set_ways(self) -> None:
        for name, routes in self._routes.items():
            self._nodes[name].ways = {
                other: (route.number, self._out[route.link].append, route.to_server)
                for other, route in routes.items()
                if route.link is not None and route.local is None and not route.cut
            }

    def _trouble(self, source: str, target: str) -> LinkTrouble | None:
        return self._conditions.links.get(source, {}).get(target)

    # --- what links tell ---------------------------------------------------------------------------------------------

    def introduction(self) -> Hello | None:
        """See :class:`bench.runtime.ray.interface.Hub`."""
        return None if self._closed else self._hello

    def arrived(self, stream: Incoming, kind: int, stamp: int, body: bytes) -> None:
        """See :class:`bench.runtime.ray.interface.Hub`."""
        if self._closed:
            return
        speakers = self._speakers.get(stream.peer, frozenset())
        try:
            if kind == GONE:
                for number in speakers.intersection(self._decoder.gone(body)):
                    self._disconnected(self._names[number])
                return
            entries = self._decoder.entries(kind, body)
        except BadFrame as error:
            self._undecodable(stream, error)
            return
        if not speakers.issuperset(map(_source, entries)):
            said = len(entries)
            entries = [entry for entry in entries if entry[0] in speakers]
            self.stale += said - len(entries)  # said in another's name
        if kind == PLAIN and not self._inject:
            if entries:
                self._arrive_all(entries)
                self._to_handle(len(body))
            return
        sent = stamp if stream.same_clock else monotonic_ns()
        arrived = 0
        for source, target, message in entries:
            node = self._local.get(target)
            if node is None:
                self.stale += 1
            else:
                arrived += self._injected(node, source, message, sent)
        if arrived:
            self._to_handle(len(body))

    def _injected(self, node: LocalNode, source: int, message: Any, sent: int) -> int:
        """How often the message has arrived at once; otherwise it comes later, or never."""
        injector = self._injectors[source, node.number]
        name = self._names[source]
        kind = SEALED if type(message) is Sealed else MESSAGE
        if injector.plain:
            self._arrive(node, kind, name, message)
            return 1
        arrivals = injector.arrivals(sent, size_received(message) if self._bandwidth else 0)
        if not arrivals:
            node.counters[DROPPED] += 1
        now = monotonic_ns()
        at_once = 0
        for when in arrivals:
            if when <= now:
                self._arrive(node, kind, name, message)
                at_once += 1
            elif injector.held > BUFFER_LIMIT:
                node.counters[DROPPED] += 1
                node.counters[OVERFLOWED] += 1
            else:
                size = size_received(message)
                injector.held += size
                self._alarm.at(when, self._delayed, injector, size, node, kind, name, message, node.life)
        return at_once

    def _delayed(
        self, injector: Injector, size: int, node: LocalNode, kind: int, name: str, message: Any, life: int
    ) -> None:
        """The delay is over; the life for which it was meant may be, too, and its streams with it."""
        injector.held -= size
        if node.life == life:
            self._arrive(node, kind, name, message)
        else:
            node.counters[DROPPED] += 1

    def _to_handle(self, size: int) -> None:
        """If more arrives than is handled, nothing more is read: kernels' buffers fill, then the senders', who drop."""
        self.unhandled += size
        if self.unhandled > BUFFER_LIMIT:
            self._throttled = True
            for stream in self.inbound.values():
                stream.pause()

    def drained(self) -> None:
        """Nothing that has arrived waits to be handled."""
        self.unhandled = 0
        if self._throttled:
            self._throttled = False
            for stream in self.inbound.values():
                stream.resume()

    def _undecodable(self, stream: Incoming, error: BadFrame) -> None:
        """From a peer that knows the secret, so it is the protocol that sends what the role does not declare."""
        for node in self._nodes.values():
            node.crashed(f"{node.name}: a frame of {stream.peer} cannot be decoded: {error}")
        stream.close()

    def met(self, peer: str, life: int) -> None:
        """See :class:`bench.runtime.ray.interface.Hub`."""
        self._mourned.discard((peer, life))

    def lost(self, peer: str, life: int) -> None:
        """See :class:`bench.runtime.ray.interface.Hub`: a life of a peer is mourned once, unless it comes back."""
        address = self._addresses.get(peer)
        if self._closed or address is None or address.life != life or (peer, life) in self._mourned:
            return
        self._mourned.add((peer, life))
        for name in address.nodes:
            self._disconnected(name)

    def _disconnected(self, peer: str) -> None:
        for node in self._nodes.values():
            if peer in self._routes[node.name]:
                trouble = self._trouble(peer, node.name)
                if trouble is None or not trouble.cut:
                    self._arrive(node, DISCONNECT, peer, None)

    # --- sending -----------------------------------------------------------------------------------------------------

    def send(self, node: LocalNode, sends: list[tuple[str, Any]]) -> None:
        """Queue messages of a node; :meth:`flush` lets them leave."""
        number, ways = node.number, node.ways
        if node.lie is not None and node.engine is not None:
            sends = node.lie(sends)
        to_servers = nowhere = 0
        if node.engine is None or node.engine.parental:
            self._scoped = True
        last = None
        for to, message in sends:
            if to is not last:
                way, last = ways.get(to), to
                if way is not None:
                    there, queue, to_server = way
            if way is not None:
                queue((number, there, message))
                to_servers += to_server
            else:
                if to == node.name:
                    self._arrive(node, MESSAGE, to, message)  # in a turn of its own, by no network
                    nowhere += 1
                    continue
                route = self._routes[node.name].get(to)
                if route is None:
                    node.counters[DROPPED] += 1
                    nowhere += 1
                    continue
                to_servers += route.to_server
                if route.cut:
                    node.counters[DROPPED] += 1
                elif route.local is not None:
                    self._injected(route.local, number, message, monotonic_ns())
        if to_servers:
            node.counters[TO_SERVERS] += to_servers
        if to_servers + nowhere < len(sends):
            node.counters[TO_CLIENTS] += len(sends) - to_servers - nowhere

    def flush(self) -> None:
        """One frame a link."""
        stamp = 0
        for host, entries in self._out.items():
            if not entries:
                continue
            stamp = stamp or monotonic_ns()
            self._send(self.outbound[host], stamp, entries)
            entries.clear()

    def _send(self, link: Link, stamp: int, entries: list[Any]) -> None:
        """One frame, or several if they are too large for one."""
        node = self._nodes[self._names[entries[0][0]]]
        counters = node.counters
        try:
            kind, body = encode_entries(entries, self._scoped)
        except (TypeError, ValueError, OverflowError) as error:  # of the protocol: let nothing else suffer for it
            node.crashed(f"{node.name}: a message cannot be encoded: {error}")
            counters[DROPPED] += len(entries)
            return
        if len(body) > MAX_FRAME and len(entries) > 1:
            middle = len(entries) // 2
            self._send(link, stamp, entries[:middle])
            self._send(link, stamp, entries[middle:])
        elif link.send(kind, stamp, body):
            counters[FRAMES] += 1
            counters[BYTES] += len(body)
        else:
            counters[DROPPED] += len(entries)
            if link.ready.is_set():
                counters[OVERFLOWED] += len(entries)

    def gone(self, node: LocalNode) -> None:
        """A node here is dead: its peers learn it as they would from the streams of a process of its own."""
        stamp, body = monotonic_ns(), encode_gone([node.number])
        for link in self.outbound.values():
            link.send(GONE, stamp, body)
        for other in self._nodes.values():
            route = self._routes[node.name].get(other.name)
            if route is not None and not route.cut:
                self._arrive(other, DISCONNECT, node.name, None)
