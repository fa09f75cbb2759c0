"""The data plane of one host in one trial: its nodes, the links to other hosts, and the ticks that drive them.

Everything that arrives in one tick of the event loop is one batch: all turns, then ``batch_end``, then one frame a
link, and one sync for all that was written. A stage is made for a trial and thrown away with it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from random import Random
from time import monotonic_ns
from typing import Any

from protocols.family import Family

from ...mutation import find_mutant, load_family
from ...params import build_configs
from ..engine import FENCE, REPLY, DiskFull, Engine, Scoped
from ..sizes import size_of
from .alarm import Alarm
from .codec import GONE, BadFrame, Decoder, Hello, Sealed, encode_entries, encode_gone
from .generator import Generator
from .inject import Injector, latency_between
from .link import Inbound, Outbound
from .local import (
    ADMIN,
    BYTES,
    DISCONNECT,
    DROPPED,
    FENCED,
    FRAMES,
    FSYNCS,
    MESSAGE,
    REQUEST,
    SYNCED,
    TIMER,
    TO_CLIENTS,
    TO_SERVERS,
    TURNS,
    LocalNode,
)
from .orders import Address, Conditions, Event, LinkTrouble, NodeTrouble, Peers, Plan


class PrematureSend(AssertionError):
    """An effect was about to leave before the write it rests on was durable: the runtime is broken."""


class Route:
    """The way from one node of this host to another node: to a ``local`` one, or over the ``link`` to another host."""

    __slots__ = ("cut", "link", "local", "number", "to_server")

    def __init__(self, number: int, to_server: bool, local: LocalNode | None) -> None:
        self.number = number
        self.to_server = to_server
        self.cut = False
        self.link: str | None = None
        self.local = local


class Stage:
    """See the module.

    Attributes:
        nodes: those that live here, by name.
        outbound: streams to other hosts, by host; ``inbound`` those from other hosts.
        generator: of the load, where this host has it.
        events: what the supervisor has to know.
        refused: streams without the token, or with garbage; ``stale``: frames of an earlier life, or out of order.
    """

    def __init__(self, plan: Plan, alarm: Alarm, machine: str) -> None:
        """Everything but the streams and the nodes' boot."""
        self.plan = plan
        self.machine = machine
        self.refused = 0
        self.stale = 0
        self.nodes: dict[str, LocalNode] = {}
        self.outbound: dict[str, Outbound] = {}
        self.inbound: dict[str, Inbound] = {}
        self.seen: dict[str, tuple[int, int]] = {}
        self.generator: Generator | None = None
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self._alarm = alarm
        self._loop = asyncio.get_running_loop()
        self._hello = Hello(plan.token, plan.host, plan.life, machine)
        self._names = (*plan.servers, *plan.clients)
        self._numbers = {name: number for number, name in enumerate(self._names)}
        self._servers = frozenset(plan.servers)
        self._local: dict[int, LocalNode] = {}
        self._routes: dict[str, dict[str, Route]] = {}
        self._injectors: dict[tuple[int, int], Injector] = {}
        self._inject = False
        self._bandwidth = plan.trial.network.bandwidth
        self._peers = Peers(0, ())
        self._speakers: dict[str, frozenset[int]] = {}
        self._conditions = Conditions()
        self._out: dict[str, list[Any]] = {}
        self._mourned: set[tuple[str, int]] = set()
        self._inbox: list[tuple[LocalNode, int, Any, Any]] = []
        self._ticking = False
        self._marked: dict[str, asyncio.Event] = {}
        self._broken = False
        self._closed = False
        self.family = self._make_nodes()
        self._add_routes()
        self._add_injectors()
        if plan.generate:
            functions = self.family.functions
            self.generator = Generator(plan.trial, functions, alarm, list(self.nodes.values()), self.arrive)
        self.apply_conditions(plan.conditions)

    def _make_nodes(self) -> Family:
        plan, trial = self.plan, self.plan.trial
        family = load_family(trial.protocol, trial.mutant)
        params = dict(trial.params)
        if trial.mutant is not None:
            params = {**find_mutant(load_family(trial.protocol), trial.mutant).params, **params}
        server_config, client_config = build_configs(family, params, trial.nodes)
        servers = not self._servers.isdisjoint(plan.nodes)
        kind, config = (family.server, server_config) if servers else (family.client, client_config)
        self._decoder = Decoder(kind)
        for name in plan.nodes:
            number = self._numbers[name]
            node = self._local[number] = self.nodes[name] = LocalNode(
                name,
                number,
                lambda: kind(config),
                trial.seed,
                plan.servers,
                Path(plan.folder) / name,
                plan.token,
                self._alarm,
                self.arrive,
                self._sync_ended,
            )
            node.on_mark = self._on_mark
        return family

    def _linked(self, source: str, target: str) -> bool:
        """Whether these two ever talk; clients do not talk to each other."""
        return source != target and (source in self._servers or target in self._servers)

    def _add_routes(self) -> None:
        for name in self.nodes:
            self._routes[name] = {
                other: Route(self._numbers[other], other in self._servers, self.nodes.get(other))
                for other in self._names
                if self._linked(name, other)
            }

    def _add_injectors(self) -> None:
        trial = self.plan.trial
        for target in self.nodes:
            for source in self._names:
                if self._linked(source, target):
                    to_client = not (source in self._servers and target in self._servers)
                    here, there = self._numbers[source], self._numbers[target]
                    latency = latency_between(trial.network, here, there, to_client)
                    rng = Random(f"{trial.seed}/link/{source}/{target}")
                    self._injectors[here, there] = Injector(latency, trial.network, rng)

    def boot(self, node: LocalNode) -> int:
        """Start a life of the node; the records it found on disk."""
        records = 0
        try:
            records = node.boot()
        except Exception as error:
            self._failed(node, error)
        else:
            if node.engine is not None:
                self._release(node, node.engine)
            self._flush()
        return records

    def close(self) -> None:
        """Leave: nothing moves any more, and nothing of the trial is left in this process."""
        self._closed = True
        for node in self.nodes.values():
            node.close()
        self.nodes.clear()
        for outbound in self.outbound.values():
            outbound.close()
        for inbound in list(self.inbound.values()):
            inbound.close()
        self._inbox.clear()

    def marked(self, name: str) -> asyncio.Event:
        """Set once a node here has made that mark."""
        return self._marked.setdefault(name, asyncio.Event())

    def _on_mark(self, name: str) -> None:
        self.marked(name).set()

    # --- applying orders ---------------------------------------------------------------------------------------------

    def apply_peers(self, peers: Peers) -> None:
        """Everybody's addresses, from now on; an older version that comes late is ignored."""
        if peers.version <= self._peers.version:
            return
        self._peers = peers
        for address in peers.hosts:
            if address.host == self.plan.host:
                continue
            self._speakers[address.host] = frozenset(self._numbers[node] for node in address.nodes)
            known = self.outbound.get(address.host)
            if known is not None and known.address.life < address.life:
                known.close()
                known = None
            if known is None and any(self._linked(here, there) for here in self.nodes for there in address.nodes):
                self._connect(address)

    def _connect(self, address: Address) -> None:
        self.outbound[address.host] = Outbound(self, address)
        self._out[address.host] = []
        for routes in self._routes.values():
            for node in address.nodes:
                if (route := routes.get(node)) is not None:
                    route.link = address.host

    def apply_conditions(self, conditions: Conditions) -> None:
        """All faults in force, from now on; an older version that comes late is ignored."""
        if conditions.version < self._conditions.version:
            return
        self._conditions = conditions
        for source, routes in self._routes.items():
            for target, route in routes.items():
                trouble = self._trouble(source, target)
                route.cut = trouble is not None and trouble.cut
        for (here, there), injector in self._injectors.items():
            injector.settle(self._trouble(self._names[here], self._names[there]))
        self._inject = any(not injector.plain for injector in self._injectors.values())
        for name, node in self.nodes.items():
            if node.apply(conditions.nodes.get(name, NodeTrouble())):
                node.resume()

    def _trouble(self, source: str, target: str) -> LinkTrouble | None:
        return self._conditions.links.get(source, {}).get(target)

    # --- what links tell ---------------------------------------------------------------------------------------------

    def introduction(self) -> Hello | None:
        """See :class:`bench.runtime.ray.link.Hub`."""
        return None if self._closed else self._hello

    def arrived(self, stream: Inbound, kind: int, stamp: int, body: bytes) -> None:
        """See :class:`bench.runtime.ray.link.Hub`."""
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
        local, names, inbox = self._local, self._names, self._inbox
        sent = stamp if stream.same_clock else monotonic_ns()
        for source, target, message in entries:
            node = local.get(target)
            if node is None or source not in speakers:
                self.stale += 1  # not for us, or said in another's name
            elif self._inject:
                self._injected(node, source, message, sent)
            else:
                inbox.append((node, MESSAGE, names[source], message))
        if inbox:
            self._wake()

    def _injected(self, node: LocalNode, source: int, message: Any, sent: int) -> None:
        injector = self._injectors[source, node.number]
        name = self._names[source]
        if injector.plain:
            self.arrive(node, MESSAGE, name, message)
            return
        arrivals = injector.arrivals(sent, size_of(message) if self._bandwidth else 0)
        if not arrivals:
            node.counters[DROPPED] += 1
        now = monotonic_ns()
        for when in arrivals:
            if when <= now:
                self.arrive(node, MESSAGE, name, message)
            else:
                self._alarm.at(when, self.arrive, node, MESSAGE, name, message)

    def _undecodable(self, stream: Inbound, error: BadFrame) -> None:
        """From a peer that knows the secret, so it is the protocol that sends what the role does not declare."""
        for node in self.nodes.values():
            node.crashed(f"{node.name}: a frame of {stream.peer} cannot be decoded: {error}")
        stream.close()

    def lost(self, peer: str, life: int) -> None:
        """See :class:`bench.runtime.ray.link.Hub`: each life of a peer is mourned once."""
        if self._closed or (peer, life) in self._mourned:
            return
        self._mourned.add((peer, life))
        for address in self._peers.hosts:
            if address.host == peer and address.life == life:
                for name in address.nodes:
                    self._disconnected(name)

    def _disconnected(self, peer: str) -> None:
        for node in self.nodes.values():
            if peer in self._routes[node.name]:
                trouble = self._trouble(peer, node.name)
                if trouble is None or not trouble.cut:
                    self.arrive(node, DISCONNECT, peer, None)

    # --- ticks -------------------------------------------------------------------------------------------------------

    def arrive(self, node: LocalNode, kind: int, a: Any, b: Any) -> None:
        """Something arrived for a node: it is handled in the next tick, together with whatever else arrives by then."""
        self._inbox.append((node, kind, a, b))
        self._wake()

    def _wake(self) -> None:
        if not self._ticking:
            self._ticking = True
            self._loop.call_soon(self._tick)

    def _tick(self) -> None:
        self._ticking = False
        inbox, self._inbox = self._inbox, []
        touched: list[LocalNode] = []
        for node, kind, a, b in inbox:
            engine = node.engine
            if engine is None:
                node.counters[DROPPED] += 1
                if kind == REQUEST and self.generator is not None:
                    self.generator.refused(a)
                continue
            if node.paused:
                node.waiting.append((kind, a, b))
                continue
            if not node.touched:
                node.touched = True
                touched.append(node)
            try:
                if kind == MESSAGE:
                    if type(b) is Sealed:
                        _receive_sealed(node, engine, a, b)
                    else:
                        engine.receive(a, b)
                elif kind == TIMER:
                    if node.deadlines.get(a) != b:
                        continue  # cancelled or put off since
                    del node.deadlines[a]
                    engine.fire(a)
                elif kind == REQUEST:
                    engine.request(a, b)
                elif kind == SYNCED:
                    if b[0] is engine:
                        engine.synced(a)
                elif kind == DISCONNECT:
                    engine.disconnected(a)
                elif kind == ADMIN:
                    engine.admin(a)
                elif kind == FENCED:
                    engine.fenced(a)
            except Exception as error:
                self._failed(node, error)
        for node in touched:
            node.touched = False
            engine = node.engine
            if engine is None:
                continue
            if engine.at_end:
                try:
                    engine.batch_end()
                except Exception as error:
                    self._failed(node, error)
                    continue
            self._release(node, engine)
        self._flush()

    def _release(self, node: LocalNode, engine: Engine) -> None:
        """Begin a sync if something was written, and let go what may leave."""
        wal = node.wal
        assert wal is not None
        plan = self.plan
        if wal.waiting and not wal.syncing:
            wal.sync()
        if plan.early and engine.unsynced:
            engine.synced(engine.unsynced_turn)  # the broken runtime
        sends, outs = engine.sends, engine.outs
        node.counters[TURNS] += engine.turn - self._counted(node, engine)
        if not sends and not outs:
            return
        if engine.synced_turn > wal.durable_turn and not plan.unchecked:
            self._premature(node, engine.synced_turn, wal.durable_turn)
            return
        engine.sends, engine.outs = [], []
        engine.mark_send = engine.mark_out = 0
        number, routes = node.number, self._routes[node.name]
        to_servers = to_clients = 0
        for to, message in sends:
            route = routes.get(to)
            if route is None:
                node.counters[DROPPED] += 1
                continue
            if route.to_server:
                to_servers += 1
            else:
                to_clients += 1
            if route.cut:
                node.counters[DROPPED] += 1
            elif route.local is not None:
                self._injected(route.local, number, message, monotonic_ns())
            elif route.link is not None:
                self._out[route.link].append((number, route.number, message))
        node.counters[TO_SERVERS] += to_servers
        node.counters[TO_CLIENTS] += to_clients
        for kind, what, value in outs:
            if kind == REPLY:
                if self.generator is not None:
                    self.generator.reply(what, value)
            elif kind == FENCE:
                self.events.put_nowait(Event("fence", what, node.name))

    def _counted(self, node: LocalNode, engine: Engine) -> int:
        counted = node.turns_counted.get(engine.incarnation, 0)
        node.turns_counted[engine.incarnation] = engine.turn
        return counted

    def _flush(self) -> None:
        """One frame a link."""
        stamp = 0
        for host, entries in self._out.items():
            if not entries:
                continue
            stamp = stamp or monotonic_ns()
            link = self.outbound[host]
            kind, body = encode_entries(entries)
            counters = self.nodes[self._names[entries[0][0]]].counters
            if link.send(kind, stamp, body):
                counters[FRAMES] += 1
                counters[BYTES] += len(body)
            else:
                counters[DROPPED] += len(entries)
            entries.clear()

    # --- disks -------------------------------------------------------------------------------------------------------

    def _sync_ended(self, node: LocalNode, engine: Engine, turn: int, error: BaseException | None) -> None:
        """In the sync's thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(self._on_synced, node, engine, turn, error)

    def _on_synced(self, node: LocalNode, engine: Engine, turn: int, error: BaseException | None) -> None:
        if node.engine is not engine:
            return  # that life is over, and so is its sync
        node.counters[FSYNCS] += 1
        if error is not None:
            self._failed(node, error)
        else:
            self.arrive(node, SYNCED, turn, (engine,))

    # --- failures ----------------------------------------------------------------------------------------------------

    def _failed(self, node: LocalNode, error: BaseException) -> None:
        """The node crashes. A raising handler is the protocol's fault; a disk that fails or is full is not."""
        if not isinstance(error, DiskFull | OSError):
            place = error.__traceback__
            while place is not None and place.tb_next is not None:
                place = place.tb_next
            where = f"{place.tb_frame.f_code.co_name}:{place.tb_lineno}" if place is not None else "?"
            node.crashed(f"{node.name}: {type(error).__name__}: {error} (in {where})")
        self.down(node)
        self.events.put_nowait(Event("crash", node.name, reason=str(error)))

    def down(self, node: LocalNode) -> None:
        """The node is dead; its peers learn it as they would from the streams of a process of its own."""
        node.stop()
        stamp, body = monotonic_ns(), encode_gone([node.number])
        for link in self.outbound.values():
            link.send(GONE, stamp, body)
        for other in self.nodes.values():
            if other is not node and node.name in self._routes[other.name]:
                self.arrive(other, DISCONNECT, node.name, None)
        if self.generator is not None:
            self.generator.client_died(node)

    def _premature(self, node: LocalNode, claimed: int, durable: int) -> None:
        error = PrematureSend(f"{node.name} was about to act on turn {claimed} while only turn {durable} is on disk")
        if not self._broken:
            self._broken = True
            self.events.put_nowait(Event("broken", node.name, reason=str(error)))
        self.down(node)


def _receive_sealed(node: LocalNode, engine: Engine, source: str, sealed: Sealed) -> None:
    message = node.open_sealed(sealed.path, sealed.content)
    if message is not None:
        engine.receive(source, Scoped(sealed.path, message))
