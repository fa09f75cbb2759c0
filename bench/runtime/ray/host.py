"""A host: the process that runs one node, or a few, of a live trial.

Everything that arrives in one tick of the event loop is one batch: all turns, then ``batch_end``, then one frame a
link, and one sync for all that was written. The class is plain; :mod:`.actors` makes a Ray actor of it.
"""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from random import Random
from time import monotonic_ns, process_time_ns
from typing import Any

import msgspec

from protocols.family import Family
from protocols.node import Drain

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
    CPU,
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
from .orders import (
    Address,
    Conditions,
    Event,
    Greeting,
    HostReport,
    LinkTrouble,
    LoadReport,
    NodeStatus,
    NodeTrouble,
    Peers,
    Plan,
    Started,
)

CONNECT_S = 2.0
"""Seconds to open the streams to all peers before the nodes boot anyway."""
SWITCH_S = 0.0005
"""How long a thread that has finished a sync may wait for the interpreter."""
HOUSEKEEPING = 50_000_000
"""ns between two looks at the CPU clock."""
_LATENESS_SAMPLE = 2000

_encode = msgspec.msgpack.Encoder().encode


class PrematureSend(AssertionError):
    """An effect was about to leave before the write it rests on was durable: the runtime is broken."""


class Route:
    """The way from one node of this host to another node, wherever that lives."""

    __slots__ = ("cut", "link", "local", "number", "to_server")

    def __init__(self, number: int, to_server: bool) -> None:
        self.number = number
        self.to_server = to_server
        self.cut = False
        self.link: str | None = None
        self.local: LocalNode | None = None


def machine_id() -> str:
    """Equal for processes that share a kernel, and so CLOCK_MONOTONIC."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


class Host:
    """See the module. Public coroutines are the supervisor's orders; see :mod:`.orders`."""

    def __init__(self, ip: str) -> None:
        """Prepare; ``ip`` is the address to listen at; empty: this machine's, as its cluster knows it."""
        self.machine = machine_id()
        self.refused = 0
        self.stale = 0
        self._ip = ip
        self._server: asyncio.Server | None = None
        self._loop: Any = None
        self._alarm: Any = None
        self._plan: Plan | None = None
        self._family: Any = None
        self._decoder: Any = None
        self._nodes: dict[str, LocalNode] = {}
        self._names: tuple[str, ...] = ()
        self._numbers: dict[str, int] = {}
        self._local: list[LocalNode | None] = []
        self._routes: list[dict[str, Route]] = []
        self._injectors: dict[tuple[int, int], Injector] = {}
        self._inject = False
        self._peers = Peers(0, ())
        self._conditions = Conditions()
        self._outbound: dict[str, Outbound] = {}
        self._out: dict[str, list[Any]] = {}
        self._inbound: dict[str, Inbound] = {}
        self._strangers: set[Inbound] = set()
        self._seen: dict[str, tuple[int, int]] = {}
        self._told: set[tuple[str, int]] = set()
        self._inbox: list[tuple[LocalNode, int, Any, Any]] = []
        self._ticking = False
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._marked: dict[str, asyncio.Event] = {}
        self._generator: Generator | None = None
        self._cpu_began = 0
        self._gc_began = 0
        self._gc_pause = 0
        self._broken = False
        self._last_ready = 0

    # --- orders: between trials --------------------------------------------------------------------------------------

    async def hello(self) -> bytes:
        """Start to listen; a :class:`Greeting`."""
        import ray

        if self._server is None:
            self._loop = asyncio.get_running_loop()
            self._ip = self._ip or ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
            self._alarm = Alarm(self._loop)
            sys.setswitchinterval(SWITCH_S)
            gc.callbacks.append(self._on_gc)
            self._server = await self._loop.create_server(self._welcome, self._ip, 0)
        server: Any = self._server
        ip, port = server.sockets[0].getsockname()[:2]
        node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else ""
        here = str(Path(__file__).parents[2])
        return _encode(Greeting(os.getpid(), ip, port, self.machine, node, here, monotonic_ns()))

    def _welcome(self) -> Inbound:
        return Inbound(self, self._inbound, self._seen)

    async def warm(self, protocol: str, mutant: str) -> None:
        """Import a protocol (``mutant`` may be empty) before there is any hurry."""
        load_family(protocol, mutant or None)
        gc.collect()

    async def prepare(self, order: bytes) -> None:
        """Take a part in a trial: everything but the streams and the nodes' boot."""
        plan = msgspec.msgpack.decode(order, type=Plan)
        await self.end(False)
        trial = plan.trial
        family = self._family = load_family(trial.protocol, trial.mutant)
        params = dict(trial.params)
        if trial.mutant is not None:
            params = {**find_mutant(load_family(trial.protocol), trial.mutant).params, **params}
        server_config, client_config = build_configs(family, params, trial.nodes)
        self._names = (*plan.servers, *plan.clients)
        self._numbers = {name: number for number, name in enumerate(self._names)}
        servers = bool(set(plan.nodes) & set(plan.servers))
        kind, config = (family.server, server_config) if servers else (family.client, client_config)
        self._decoder = Decoder(kind)
        self._local = [None] * len(self._names)
        self._routes = [{} for _ in self._names]
        self._plan = plan
        for name in plan.nodes:
            number = self._numbers[name]
            node = self._local[number] = self._nodes[name] = LocalNode(
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
        self._add_routes(plan)
        self._add_injectors(plan, family)
        if plan.generate:
            self._generator = Generator(trial, family.functions, self._alarm, list(self._nodes.values()), self.arrive)
        self._apply_conditions(plan.conditions)
        self._cpu_began = process_time_ns()
        if plan.life == 1:
            gc.collect()
        gc.freeze()
        self._gc_pause = 0
        self._alarm.at(monotonic_ns() + HOUSEKEEPING, self._housekeeping, plan)

    def _add_routes(self, plan: Plan) -> None:
        servers = set(plan.servers)
        for name in plan.nodes:
            routes = self._routes[self._numbers[name]]
            for other in self._names:
                if other != name and (name in servers or other in servers):
                    route = routes[other] = Route(self._numbers[other], other in servers)
                    route.local = self._nodes.get(other)

    def _add_injectors(self, plan: Plan, family: Family) -> None:
        trial, servers = plan.trial, set(plan.servers)
        self._injectors = {}
        for target in plan.nodes:
            for source in self._names:
                if source == target or not (source in servers or target in servers):
                    continue
                to_client = not (source in servers and target in servers)
                here, there = self._numbers[source], self._numbers[target]
                latency = latency_between(trial.network, here, there, to_client)
                rng = Random(f"{trial.seed}/link/{source}/{target}")
                self._injectors[here, there] = Injector(latency, trial.network, rng)

    async def boot(self) -> bytes:
        """Open the streams, then start the nodes; a :class:`Started`."""
        assert self._plan is not None
        self._apply_peers(self._plan.peers)
        links = list(self._outbound.values())
        if self._plan.life == 1:  # a restarted node comes back when it is told to; its streams follow in a moment
            with suppress(TimeoutError):
                async with asyncio.timeout(CONNECT_S):
                    await asyncio.gather(*(link.ready.wait() for link in links))
        missing = tuple(sorted(link.address.host for link in links if not link.ready.is_set()))
        return _encode(Started(os.getpid(), missing, {name: self._boot(node) for name, node in self._nodes.items()}))

    def _boot(self, node: LocalNode) -> int:
        records = 0
        try:
            records = node.boot()
        except Exception as error:
            self._failed(node, error)
        else:
            self._after(node)
        return records

    async def end(self, remove: bool = True) -> None:
        """Leave the trial: nothing of it is left in this process, nor on disk if ``remove``."""
        plan, self._plan = self._plan, None
        gc.unfreeze()
        if self._alarm is not None:
            self._alarm.clear()
        for node in self._nodes.values():
            node.close()
        for outbound in self._outbound.values():
            outbound.close()
        for inbound in list(self._inbound.values()):
            inbound.close()
        for each in (self._nodes, self._outbound, self._inbound, self._out, self._inbox, self._marked):
            each.clear()
        self._seen = {}
        self._told = set()
        self._generator = None
        self._peers, self._conditions = Peers(0, ()), Conditions()
        self._events = asyncio.Queue()
        self.refused = self.stale = 0
        self._broken = False
        if remove and plan is not None:
            for name in plan.nodes:
                shutil.rmtree(Path(plan.folder) / name, ignore_errors=True)

    # --- orders: in a trial ------------------------------------------------------------------------------------------

    async def set_peers(self, order: bytes) -> None:
        """Everybody's addresses, from now on (:class:`Peers`)."""
        peers = msgspec.msgpack.decode(order, type=Peers)
        if self._plan is not None and peers.version > self._peers.version:
            self._apply_peers(peers)

    async def set_conditions(self, order: bytes) -> None:
        """All faults in force, from now on (:class:`Conditions`)."""
        conditions = msgspec.msgpack.decode(order, type=Conditions)
        if self._plan is not None and conditions.version > self._conditions.version:
            self._apply_conditions(conditions)

    async def status(self) -> bytes:
        """A look at every node: a list of :class:`NodeStatus`."""
        found = []
        for node in self._nodes.values():
            view = node.engine.node.inspect() if node.engine is not None else None
            leader = self._family.leader
            leads = view is not None and leader is not None and leader(view)
            found.append(NodeStatus(node.name, node.engine is not None, leads, getattr(view, "term", 0)))
        return _encode(found)

    async def next_event(self) -> bytes:
        """Wait for the next thing the supervisor has to know; an :class:`Event`."""
        return _encode(await self._events.get())

    async def marked(self, name: str) -> None:
        """Wait until a node of this host makes that mark; at once if it has been made in this trial."""
        await self._marked.setdefault(name, asyncio.Event()).wait()

    async def crash(self, name: str) -> None:
        """Crash a node that shares this process: what it had in memory is gone."""
        node = self._nodes[name]
        if node.engine is not None:
            self._down(node)

    async def revive(self) -> bytes:
        """Boot whatever is down on this host; a :class:`Started`."""
        down = [node for node in self._nodes.values() if node.engine is None]
        return _encode(Started(os.getpid(), (), {node.name: self._boot(node) for node in down}))

    async def drain(self, name: str) -> None:
        """Ask a node to hand over its duties."""
        self.arrive(self._nodes[name], ADMIN, Drain(), None)

    async def admin(self, name: str, request: Any) -> None:
        """Bring a node a request of the operator (a Struct of :mod:`protocols.node`)."""
        self.arrive(self._nodes[name], ADMIN, request, None)

    async def fenced(self, by: str, node: str) -> None:
        """Tell a node that its fence has done its work."""
        self.arrive(self._nodes[by], FENCED, node, None)

    async def start_load(self, start: int) -> None:
        """Begin the load at ``start`` (CLOCK_MONOTONIC of this machine, ns)."""
        assert self._generator is not None
        self._generator.start(start)

    async def probe(self, limit: int) -> list[str]:
        """The liveness phase: each client completes some operations; the names of those not served in ``limit`` ns."""
        assert self._generator is not None
        return await self._generator.probe(limit)

    async def load_report(self) -> bytes:
        """End the load; a :class:`LoadReport`."""
        assert self._generator is not None
        report: LoadReport = self._generator.report()
        return _encode(report)

    async def report(self) -> bytes:
        """A :class:`HostReport`."""
        self._save_cpu()
        lateness = self._alarm.lateness
        step = max(1, len(lateness) // _LATENESS_SAMPLE)
        return _encode(
            HostReport(
                host=self._plan.host if self._plan is not None else "",
                nodes=tuple(node.report() for node in self._nodes.values()),
                timer_lateness=tuple(lateness[::step]),
                gc_pause=self._gc_pause,
                refused=self.refused,
                stale=self.stale,
            )
        )

    async def bare(self, name: str, order: bytes) -> bytes:
        """Run a part of the floor's measurements, which use this process but nothing else of this class."""
        from . import bare

        return await bare.PARTS[name](self._ip, order)

    # --- applying orders ---------------------------------------------------------------------------------------------

    def _apply_peers(self, peers: Peers) -> None:
        assert self._plan is not None
        self._peers = peers
        for address in peers.hosts:
            if address.host == self._plan.host:
                continue
            known = self._outbound.get(address.host)
            if known is not None and known.address.life < address.life:
                known.close()
                known = None
            if known is None and self._needs(address):
                self._outbound[address.host] = Outbound(self, address)
                self._out[address.host] = []
                for routes in self._routes:
                    for node in address.nodes:
                        if (route := routes.get(node)) is not None:
                            route.link = address.host

    def _needs(self, address: Address) -> bool:
        assert self._plan is not None
        servers = set(self._plan.servers)
        return bool(servers & set(self._plan.nodes)) or bool(servers & set(address.nodes))

    def _apply_conditions(self, conditions: Conditions) -> None:
        self._conditions = conditions
        for source, routes in zip(self._names, self._routes, strict=True):
            troubles = conditions.links.get(source, {})
            for target, route in routes.items():
                trouble = troubles.get(target)
                route.cut = trouble is not None and trouble.cut
        for (here, there), injector in self._injectors.items():
            injector.settle(self._trouble(self._names[here], self._names[there]))
        self._inject = any(not injector.plain for injector in self._injectors.values())
        for name, node in self._nodes.items():
            if node.apply(conditions.nodes.get(name, NodeTrouble())):
                node.resume()

    def _trouble(self, source: str, target: str) -> LinkTrouble | None:
        return self._conditions.links.get(source, {}).get(target)

    # --- what links tell ---------------------------------------------------------------------------------------------

    def introduction(self) -> Hello | None:
        """See :class:`bench.runtime.ray.link.Hub`."""
        plan = self._plan
        return None if plan is None else Hello(plan.token, plan.host, plan.life, self.machine)

    def arrived(self, stream: Inbound, kind: int, stamp: int, body: bytes) -> None:
        """See :class:`bench.runtime.ray.link.Hub`."""
        if self._plan is None:
            return
        try:
            if kind == GONE:
                for number in self._decoder.gone(body):
                    self._disconnected(self._names[number])
                return
            entries = self._decoder.entries(kind, body)
        except BadFrame as error:
            self._undecodable(stream, error)
            return
        local = self._local
        if not self._inject:
            inbox = self._inbox
            names = self._names
            for source, target, message in entries:
                node = local[target]
                if node is not None:
                    inbox.append((node, MESSAGE, names[source], message))
            self._schedule()
            return
        sent = stamp if stream.same_clock else monotonic_ns()
        for source, target, message in entries:
            node = local[target]
            if node is not None:
                self._injected(node, source, message, sent)

    def _injected(self, node: LocalNode, source: int, message: Any, sent: int) -> None:
        injector = self._injectors[source, node.number]
        name = self._names[source]
        if injector.plain:
            self.arrive(node, MESSAGE, name, message)
            return
        bandwidth = self._plan.trial.network.bandwidth if self._plan is not None else 0
        arrivals = injector.arrivals(sent, size_of(message) if bandwidth else 0)
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
        for node in self._nodes.values():
            node.crashed(f"{node.name}: a frame of {stream.peer} cannot be decoded: {error}")
        stream.close()

    def lost(self, peer: str, life: int) -> None:
        """See :class:`bench.runtime.ray.link.Hub`: each life of a peer is mourned once."""
        if self._plan is None or (peer, life) in self._told:
            return
        self._told.add((peer, life))
        for address in self._peers.hosts:
            if address.host == peer and address.life == life:
                for name in address.nodes:
                    self._disconnected(name)

    def _disconnected(self, peer: str) -> None:
        for node in self._nodes.values():
            if peer in self._routes[node.number]:
                trouble = self._trouble(peer, node.name)
                if trouble is None or not trouble.cut:
                    self.arrive(node, DISCONNECT, peer, None)

    # --- ticks -------------------------------------------------------------------------------------------------------

    def arrive(self, node: LocalNode, kind: int, a: Any, b: Any) -> None:
        """Something arrived for a node: it is handled in the next tick, together with whatever else arrives by then."""
        self._inbox.append((node, kind, a, b))
        if not self._ticking:
            self._ticking = True
            self._loop.call_soon(self._tick)

    def _schedule(self) -> None:
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
                if kind == REQUEST and self._generator is not None:
                    self._generator.refused(a)
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

    def _after(self, node: LocalNode) -> None:
        """After a turn outside a tick."""
        if node.engine is not None:
            self._release(node, node.engine)
        self._flush()

    def _release(self, node: LocalNode, engine: Engine) -> None:
        """Begin a sync if something was written, and let go what may leave."""
        wal = node.wal
        assert wal is not None
        plan = self._plan
        if wal.waiting and not wal.syncing:
            turn = wal.sync()
            if plan is not None and plan.early:
                engine.synced(turn)  # the broken runtime
        sends, outs = engine.sends, engine.outs
        node.counters[TURNS] += engine.turn - self._counted(node, engine)
        if not sends and not outs:
            return
        if engine.synced_turn > wal.durable_turn and not (plan is not None and plan.unchecked):
            self._premature(node, engine.synced_turn, wal.durable_turn)
            return
        engine.sends, engine.outs = [], []
        engine.mark_send = engine.mark_out = 0
        number, routes = node.number, self._routes[node.number]
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
                if self._generator is not None:
                    self._generator.reply(what, value)
            elif kind == FENCE:
                self._events.put_nowait(Event("fence", what, node.name))

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
            link = self._outbound[host]
            kind, body = encode_entries(entries)
            counters = self._nodes[self._names[entries[0][0]]].counters
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
            return
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
        self._down(node)
        self._events.put_nowait(Event("crash", node.name, reason=str(error)))

    def _down(self, node: LocalNode) -> None:
        """The node is dead; its peers learn it as they would from the streams of a process of its own."""
        node.stop()
        stamp, body = monotonic_ns(), encode_gone([node.number])
        for link in self._outbound.values():
            link.send(GONE, stamp, body)
        for other in self._nodes.values():
            if other is not node and node.name in self._routes[other.number]:
                self.arrive(other, DISCONNECT, node.name, None)
        if self._generator is not None:
            self._generator.client_died(node)

    def _premature(self, node: LocalNode, claimed: int, durable: int) -> None:
        error = PrematureSend(f"{node.name} was about to act on turn {claimed} while only turn {durable} is on disk")
        if not self._broken:
            self._broken = True
            self._events.put_nowait(Event("broken", node.name, reason=str(error)))
        self._down(node)

    # --- observing ---------------------------------------------------------------------------------------------------

    def _on_mark(self, name: str) -> None:
        self._marked.setdefault(name, asyncio.Event()).set()

    def _on_gc(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._gc_began = monotonic_ns()
        else:
            self._gc_pause = max(self._gc_pause, monotonic_ns() - self._gc_began)

    def _housekeeping(self, plan: Plan) -> None:
        if self._plan is plan:
            self._save_cpu()
            for node in self._nodes.values():
                node.save_notes()
            self._alarm.at(monotonic_ns() + HOUSEKEEPING, self._housekeeping, plan)

    def _save_cpu(self) -> None:
        if self._nodes:
            share = (process_time_ns() - self._cpu_began) // len(self._nodes)
            for node in self._nodes.values():
                node.counters[CPU] = node.cpu_before + share


def _receive_sealed(node: LocalNode, engine: Engine, source: str, sealed: Sealed) -> None:
    message = node.open_sealed(sealed.path, sealed.content)
    if message is not None:
        engine.receive(source, Scoped(sealed.path, message))
