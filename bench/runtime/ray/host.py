"""A host: the process that runs one node, or a few, of one live trial after the other.

The class is plain; :mod:`.actors` makes a Ray actor of it. What happens in a trial is in :mod:`.stage`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import process_time_ns
from typing import Any

import msgspec

from protocols.node import Drain

from ...mutation import load_family
from ...provenance import code_version
from .alarm import Alarm
from .clocks import answer_time
from .hostclock import clock_id, monotonic_ns
from .interface import Hub, Nobody
from .link import Door
from .local import ADMIN, CPU, FENCED
from .orders import Conditions, Greeting, HostReport, NodeStatus, Peers, Plan, Started
from .saving import history_file, read_from
from .sensors import Sensor
from .stage import Stage

CONNECT_S = 2.0
"""Seconds to open the streams to all peers before the nodes boot anyway."""
SWITCH_S = 0.0005
"""How long a thread that has finished a sync may wait for the interpreter."""
HOUSEKEEPING = 50_000_000
"""ns between two looks at the CPU clock."""
LATENESS_SAMPLE = 2000

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.decode


class Host:
    """See the module. Public coroutines are the supervisor's orders; see :mod:`.orders`."""

    def __init__(self, ip: str) -> None:
        """Prepare; ``ip`` is the address to listen at; empty: this machine's, as its cluster knows it."""
        self._born = monotonic_ns()
        self._machine = clock_id()
        self._ip = ip
        self._door = Door(self._hub)
        self._alarm: Any = None
        self._stage: Stage | None = None
        self._answers_time = False
        self._warm: set[tuple[str, str]] = set()
        self._cpu_began = 0
        self._gc_began = 0
        self._gc_pause = self._gc_total = 0
        self._sensor: Sensor | None = None
        self._late_before = 0  # timers, when the load began

    @property
    def stage(self) -> Stage:
        """Of the trial under way."""
        assert self._stage is not None, "this host has no part in a trial now"
        return self._stage

    # --- between trials ----------------------------------------------------------------------------------------------

    async def hello(self, verified: bool = False) -> bytes:
        """Start to listen; a :class:`Greeting`, with the version of the code if it is to be ``verified``."""
        import ray

        if self._alarm is None:
            loop = asyncio.get_running_loop()
            self._ip = self._ip or ray.util.get_node_ip_address()  # type: ignore[no-untyped-call]
            self._alarm = Alarm(loop)
            sys.setswitchinterval(SWITCH_S)
            gc.callbacks.append(self._on_gc)
        ip, port = await self._door.open(self._ip)
        if not self._answers_time:
            self._answers_time = True
            await answer_time(ip, port, lambda: None if self._stage is None else self._stage.plan.token)
        node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else ""
        here, code = str(Path(__file__).parents[2] / "__init__.py"), code_version() if verified else ""
        return _encode(Greeting(os.getpid(), ip, port, self._machine, node, here, monotonic_ns(), code, self._born))

    def _hub(self) -> Hub:
        return Nobody() if self._stage is None else self._stage.wires

    async def warm(self, protocol: str, mutant: str) -> None:
        """Import a protocol (``mutant`` may be empty) before there is any hurry.

        What is there then stays for good, so the collector need not look at it again: pauses stay short.
        """
        if (protocol, mutant) not in self._warm:
            self._warm.add((protocol, mutant))
            load_family(protocol, mutant or None)
            gc.collect()
            gc.freeze()

    async def prepare(self, order: bytes) -> None:
        """Take a part in a trial: everything but the streams and the nodes' boot."""
        plan = _decode(order, type=Plan)
        await self.end(False)
        self._stage = Stage(plan, self._alarm, self._machine)
        self._cpu_began = process_time_ns()
        gc.collect()  # of the last trial
        self._gc_pause = self._gc_total = self._late_before = 0
        self._sensor = None
        self._alarm.at(monotonic_ns() + HOUSEKEEPING, self._housekeeping, self._stage)

    async def boot(self, at: int, names: Sequence[str] = ()) -> bytes:
        """Open the streams, then start these nodes (else all), at ``at`` (ns) if that lies ahead; a :class:`Started`.

        Nodes that had been crashed one by one before their process died stay down until :meth:`revive` names them.
        """
        stage = self.stage
        stage.wires.apply_peers(stage.plan.peers)
        links = list(stage.wires.outbound.values())
        if stage.plan.life == 1:  # a restarted node comes back when it is told to; its streams follow in a moment
            with suppress(TimeoutError):
                async with asyncio.timeout(CONNECT_S):
                    await asyncio.gather(*(link.ready.wait() for link in links))
        else:
            await self._until(at)
        now = monotonic_ns()
        missing = tuple(sorted(link.address.host for link in links if not link.ready.is_set()))
        found = {name: stage.boot(stage.nodes[name]) for name in names or stage.nodes}
        return _encode(Started(os.getpid(), now, missing, found))

    async def _until(self, at: int) -> None:
        if at > monotonic_ns():
            due = asyncio.get_running_loop().create_future()
            self._alarm.at(at, due.set_result, None)
            await due

    async def end(self, remove: bool = True) -> None:
        """Leave the trial: nothing of it is left in this process, nor on disk if ``remove``."""
        stage, self._stage = self._stage, None
        if stage is None:
            return
        self._alarm.clear()
        stage.close()
        if remove:
            for name in stage.plan.nodes:
                shutil.rmtree(Path(stage.plan.folder) / name, ignore_errors=True)

    # --- in a trial --------------------------------------------------------------------------------------------------

    async def set_peers(self, order: bytes) -> None:
        """Everybody's addresses, from now on (:class:`Peers`)."""
        if self._stage is not None:
            self._stage.wires.apply_peers(_decode(order, type=Peers))

    async def set_conditions(self, order: bytes) -> None:
        """All faults in force, from now on (:class:`Conditions`)."""
        if self._stage is not None:
            self._stage.apply_conditions(_decode(order, type=Conditions))

    async def link_open(self, hello: bytes) -> bytes:
        """Of another host: see :class:`bench.runtime.ray.raylink.RayDoor`, as for the next two."""
        return self._stage.wires.door.open(hello) if self._stage is not None else b""

    async def link_frames(self, key: bytes, number: int, data: bytes) -> bool:
        """Frames of another host."""
        return self._stage is not None and await self._stage.wires.door.frames(key, number, data)

    async def link_watch(self, key: bytes) -> None:
        """Answered when that stream is over."""
        if self._stage is not None:
            await self._stage.wires.door.watch(key)

    async def beat(self) -> None:
        """Answered: this process is there; see :mod:`.watch`."""

    async def clock(self) -> int:
        """What its clock shows now, ns; see :mod:`.clocks`, which asks by datagrams where it can."""
        return monotonic_ns()

    async def status(self) -> bytes:
        """A look at every node: a list of :class:`NodeStatus`."""
        found = []
        leader = self.stage.family.leader
        for node in self.stage.nodes.values():
            view = node.engine.node.inspect() if node.engine is not None else None
            leads = view is not None and leader is not None and leader(view)
            found.append(NodeStatus(node.name, node.engine is not None, leads, getattr(view, "term", 0)))
        return _encode(found)

    async def next_event(self) -> bytes:
        """Wait for the next thing the supervisor has to know; an :class:`Event`."""
        return _encode(await self.stage.events.get())

    async def marked(self, name: str) -> None:
        """Wait until a node of this host makes that mark; at once if it has been made in this trial."""
        await self.stage.marked(name).wait()

    async def crash(self, names: Sequence[str]) -> None:
        """Crash nodes that share this process with others: what they had in memory is gone, and all at once."""
        for name in names:
            node = self.stage.nodes[name]
            if node.engine is not None:
                self.stage.down(node)

    async def revive(self, names: Sequence[str], at: int = 0) -> bytes:
        """Boot those of these nodes that are down, at ``at`` (ns) if that lies ahead; a :class:`Started`."""
        stage = self.stage
        await self._until(at)
        now = monotonic_ns()
        down = [stage.nodes[name] for name in names if stage.nodes[name].engine is None]
        return _encode(Started(os.getpid(), now, (), {node.name: stage.boot(node) for node in down}))

    async def drain(self, name: str) -> None:
        """Ask a node to hand over its duties."""
        await self.admin(name, Drain())

    async def admin(self, name: str, request: Any) -> None:
        """Bring a node a request of the operator (a Struct of :mod:`protocols.node`)."""
        self.stage.arrive(self.stage.nodes[name], ADMIN, request, None)

    async def fenced(self, by: str, node: str) -> None:
        """Tell a node that its fence has done its work."""
        self.stage.arrive(self.stage.nodes[by], FENCED, node, None)

    # --- the load ----------------------------------------------------------------------------------------------------

    async def load_begins(self, length: int) -> None:
        """The load begins about now and takes so many ns: what it costs is measured from here to there."""
        stage = self.stage
        self._save_cpu(stage)
        self._gc_pause = self._gc_total = 0
        self._late_before = len(self._alarm.lateness)
        self._sensor = Sensor()
        end = monotonic_ns() + length
        for node in stage.nodes.values():
            node.load_begins(end)
        self._alarm.at(end, self._load_ends, stage, self._sensor)

    def _load_ends(self, stage: Stage, sensor: Sensor) -> None:
        if self._stage is stage:
            sensor.end()
            self._watch_load(stage)

    def _watch_load(self, stage: Stage) -> None:
        now = monotonic_ns()
        self._save_cpu(stage)
        for node in stage.nodes.values():
            node.watch_load(now)

    async def start_load(self, start: int) -> None:
        """Begin the load at ``start`` (CLOCK_MONOTONIC of this machine, ns)."""
        assert self.stage.generator is not None
        self.stage.generator.start(start)

    async def probe(self, limit: int) -> list[str]:
        """The liveness phase: each client completes some operations; the names of those not served in ``limit`` ns."""
        assert self.stage.generator is not None
        return await self.stage.generator.probe(limit)

    async def load_report(self) -> bytes:
        """End the load; a :class:`bench.runtime.ray.orders.LoadReport`."""
        assert self.stage.generator is not None
        return _encode(self.stage.generator.report())

    async def saved_history(self, offset: int) -> bytes:
        """Some of the file to which this generator's history is saved while it runs; see :mod:`.saving`."""
        if self._stage is None:
            return b""
        path = history_file(self._stage.plan.folder, self._stage.plan.host)
        return await asyncio.get_running_loop().run_in_executor(None, read_from, path, offset)

    # --- observing ---------------------------------------------------------------------------------------------------

    async def report(self) -> bytes:
        """A :class:`HostReport`."""
        stage = self.stage
        self._save_cpu(stage)
        lateness = self._alarm.lateness[self._late_before :]
        step = max(1, len(lateness) // LATENESS_SAMPLE)
        return _encode(
            HostReport(
                host=stage.plan.host,
                nodes=tuple(node.report() for node in stage.nodes.values()),
                timer_lateness=tuple(lateness[::step]),
                timer_latest=max(lateness, default=0),
                gc_pause=self._gc_pause,
                gc_total=self._gc_total,
                refused=stage.wires.refused,
                stale=stage.wires.stale,
                generates=stage.generator is not None,
                machine=(self._sensor or Sensor()).report(self._machine, self._ip, Path(stage.plan.folder)),
            )
        )

    def _on_gc(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._gc_began = monotonic_ns()
        else:
            pause = monotonic_ns() - self._gc_began
            self._gc_pause = max(self._gc_pause, pause)
            self._gc_total += pause

    def _housekeeping(self, stage: Stage) -> None:
        if self._stage is stage:
            self._watch_load(stage)
            for node in stage.nodes.values():
                node.save_notes()
                node.count_turns()
            if stage.generator is not None:
                stage.generator.save(history_file(stage.plan.folder, stage.plan.host))
            # a generator has hundreds of nodes to go through, and its counters need not outlive it
            pause = HOUSEKEEPING if stage.generator is None else 4 * HOUSEKEEPING
            self._alarm.at(monotonic_ns() + pause, self._housekeeping, stage)

    def _save_cpu(self, stage: Stage) -> None:
        share = (process_time_ns() - self._cpu_began) // len(stage.nodes)
        for node in stage.nodes.values():
            node.counters[CPU] = node.cpu_before + share

    async def bare(self, name: str, order: bytes) -> bytes:
        """Run a part of the floor's measurements, which use this process but nothing else of this class."""
        from . import bare, bare_log, bare_ray, precision

        parts = {**bare.PARTS, **bare_log.PARTS, **precision.PARTS, **bare_ray.PARTS}
        return await parts[name](self._ip, order)
