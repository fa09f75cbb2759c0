"""The data plane of one host in one trial: its nodes, the links to other hosts, and the ticks that drive them.

Everything that arrives in one tick of the event loop is one batch: all turns, then ``batch_end``, then one frame a
link, and one sync for all that was written. A stage is made for a trial and thrown away with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from protocols.family import Family
from protocols.node import Node

from ...mutation import find_mutant, load_family
from ...params import build_configs
from ..child import Scoped
from ..engine import DiskFull, Engine
from ..root import FENCE, REPLY
from .alarm import Alarm
from .codec import Sealed
from .generator import Generator
from .inbox import Inbox
from .local import ADMIN, DISCONNECT, DROPPED, FENCED, FSYNCS, MESSAGE, REQUEST, SEALED, SYNCED, TIMER, LocalNode
from .orders import Conditions, Event, NodeTrouble, Plan
from .trust import Trust
from .wires import Wires

MOST = 128
"""Events handled in one tick: what has arrived beyond that is the next batch. Many clients in a closed loop else
march in step, one process at work while all others wait."""


class PrematureSend(AssertionError):
    """An effect was about to leave before the write it rests on was durable: the runtime is broken."""


class Stage:
    """See the module.

    Attributes:
        nodes: those that live here, by name.
        wires: to the nodes that live elsewhere.
        generator: of the load, where this host has it.
        events: what the supervisor has to know.
    """

    def __init__(self, plan: Plan, alarm: Alarm, machine: str) -> None:
        """Everything but the streams and the nodes' boot."""
        self.plan = plan
        self.nodes: dict[str, LocalNode] = {}
        self.generator: Generator | None = None
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self._alarm = alarm
        self._loop = asyncio.get_running_loop()
        self._conditions = Conditions()
        self._ticking = False
        self._alone = len(plan.nodes) == 1 and not plan.generate and not plan.early
        self._to_sync: LocalNode | None = None
        self._marked: dict[str, asyncio.Event] = {}
        self._broken = False
        self.family, kind = self._make_nodes()
        self._inbox = Inbox((*plan.servers, *plan.clients), self.nodes.values(), self._wake)
        self.wires = Wires(plan, machine, alarm, kind, self.nodes, self._inbox.put, self._inbox.put_all)
        if plan.generate:
            functions = self.family.functions
            clients = list(self.nodes.values())
            self.generator = Generator(plan.trial, functions, alarm, clients, self.hand_over, plan.part)
        self.apply_conditions(plan.conditions)

    def _make_nodes(self) -> tuple[Family, type[Node]]:
        plan, trial = self.plan, self.plan.trial
        family = load_family(trial.protocol, trial.mutant)
        params = dict(trial.params)
        if trial.mutant is not None:
            params = {**find_mutant(load_family(trial.protocol), trial.mutant).params, **params}
        server_config, client_config = build_configs(family, params, trial.nodes)
        is_server = not set(plan.servers).isdisjoint(plan.nodes)
        kind, config = (family.server, server_config) if is_server else (family.client, client_config)
        numbers = {name: number for number, name in enumerate((*plan.servers, *plan.clients))}
        for name in plan.nodes:
            node = self.nodes[name] = LocalNode(
                name,
                numbers[name],
                lambda: kind(config),
                trial.seed,
                plan.servers,
                Path(plan.folder) / name,
                Trust(plan.signing.get(name, b""), plan.verifying),
                self._alarm,
                self.arrive,
                self._sync_ended,
                outlive=not plan.generate,
                lies=family.lies,
            )
            node.on_mark = self._on_mark
        return family, kind

    def apply_conditions(self, conditions: Conditions) -> None:
        """All faults in force, from now on; an older version that comes late is ignored."""
        if conditions.version < self._conditions.version:
            return
        self._conditions = conditions
        self.wires.apply_conditions(conditions)
        for name, node in self.nodes.items():
            if node.apply(conditions.nodes.get(name, NodeTrouble())):
                node.resume()

    def boot(self, node: LocalNode) -> int:
        """Start a life of the node; the records it found on disk. Never within a tick."""
        records = 0
        self._forget(node)
        try:
            records = node.boot()
        except Exception as error:
            self._failed(node, error)
        else:
            if node.engine is not None:
                self._release(node, node.engine)
            self.wires.flush()
        return records

    def _forget(self, node: LocalNode) -> None:
        """What had arrived for the last life and was not handled dies with it, as in the buffers of a dead process."""
        messages, others = self._inbox.forget(node)
        if messages:
            node.counters[DROPPED] += messages
        for kind, operation in others:
            if kind == REQUEST and self.generator is not None:
                self.generator.refused(operation)

    def close(self) -> None:
        """Leave: nothing moves any more, and nothing of the trial is left in this process."""
        self.wires.close()
        for node in self.nodes.values():
            node.close()
        self._inbox.clear()

    def marked(self, name: str) -> asyncio.Event:
        """Set once a node here has made that mark."""
        return self._marked.setdefault(name, asyncio.Event())

    def _on_mark(self, name: str) -> None:
        self.marked(name).set()

    # --- ticks -------------------------------------------------------------------------------------------------------

    def arrive(self, node: LocalNode, kind: int, a: Any, b: Any) -> None:
        """Something arrived for a node: it is handled in the next tick, together with whatever else arrives by then."""
        self._inbox.put(node, kind, a, b)

    def _wake(self) -> None:
        if not self._ticking:
            self._ticking = True
            self._loop.call_soon(self._tick)

    def hand_over(self, node: LocalNode, operation: int, request: Any) -> None:
        """The load asks a client for an operation."""
        self.arrive(node, REQUEST, operation, request)

    def _tick(self) -> None:
        inbox, generator = self._inbox, self.generator
        touched: dict[LocalNode, None] = {}  # whose batch is to be ended
        names, nodes, send = inbox.names, inbox.nodes, self.wires.send
        there, engine = -1, None  # who has had the last turn, and can have another
        for source, target, what in inbox.take(MOST):
            if source < 0:
                there = -1
                if self._ready(target, -source, *what):
                    touched[target] = None
                    self._turn(target, -source, *what)
                continue
            if target != there:  # what follows need not be looked up again for a run of messages to one node
                if (found := nodes.get(target)) is None:
                    self.wires.stale += 1  # not for us
                    there = -1
                    continue
                node, engine = found, found.engine
                if (engine is None or node.paused) and not self._ready(node, MESSAGE, names[source], what):
                    there = -1
                    continue
                there = target
                if generator is None:
                    touched[node] = None
            assert engine is not None
            try:
                engine.receive(names[source], what)
            except Exception as error:
                self._failed(node, error)
                there = -1
                continue
            if generator is None:
                continue
            if engine.outs:
                self._answer(node, engine, generator)
                if node.engine is None:
                    there = -1
                    continue
            if engine.unsynced_turn or engine.at_end:
                touched[node] = None
            elif sends := engine.sends:  # of a client that never wrote: there is nothing to wait for
                engine.sends = []
                engine.mark_send = 0
                send(node, sends)
        self._end(touched)
        self._ticking = bool(inbox)
        if inbox:
            self._loop.call_soon(self._tick)
        elif self.wires.unhandled:
            self.wires.drained()

    def _ready(self, node: LocalNode, kind: int, a: Any, b: Any) -> bool:
        """Whether the node can handle what has arrived for it now; else that waits, or is lost."""
        if node.engine is None:
            node.counters[DROPPED] += 1
            if kind == REQUEST and self.generator is not None:
                self.generator.refused(a)
            return False
        if node.paused:
            node.hold(kind, a, b)
            return False
        return True

    def _turn(self, node: LocalNode, kind: int, a: Any, b: Any) -> None:
        """A turn of the node that is no plain message."""
        engine = node.engine
        assert engine is not None
        try:
            if kind == SEALED:
                _receive_sealed(node, engine, a, b)
            elif kind == REQUEST:
                engine.request(a, b)
            elif kind == TIMER:
                if node.deadlines.get(a) != b:
                    return  # cancelled or put off since
                del node.deadlines[a]
                engine.fire(a)
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
            return
        if engine.outs and self.generator is not None:
            self._answer(node, engine, self.generator)

    def _end(self, touched: Iterable[LocalNode]) -> None:
        """End the batch of these nodes: what they have to say leaves, or waits for the disk."""
        send = self.wires.send
        for node in touched:
            engine = node.engine
            if engine is None:
                continue
            if engine.at_end:
                try:
                    engine.batch_end()
                except Exception as error:
                    self._failed(node, error)
                    continue
            if engine.unsynced_turn or engine.outs:
                self._release(node, engine)
            elif sends := engine.sends:  # nothing in this life was ever written: nothing has to wait for the disk
                engine.sends = []
                engine.mark_send = 0
                send(node, sends)
        self.wires.flush()
        if self._to_sync:
            self._sync_here()

    def _answer(self, node: LocalNode, engine: Engine, generator: Generator) -> None:
        """Let a client's answers reach the load at once, and what it asks for next be part of this tick."""
        assert node.wal is not None
        if engine.synced_turn > node.wal.durable_turn and not self.plan.unchecked:
            self._premature(node, engine.synced_turn, node.wal.durable_turn)
            return
        patience = MOST  # a client that answers without asking anybody must not keep us here for ever
        while (outs := engine.outs) and node.engine is engine:
            engine.outs = []
            engine.mark_out = 0
            for kind, what, value in outs:
                if kind == REPLY:
                    following = generator.reply(what, value)
                    if following is None:
                        continue
                    if node.engine is not engine or not patience:
                        self.arrive(node, REQUEST, *following)
                        continue
                    patience -= 1
                    try:
                        engine.request(*following)
                    except Exception as error:
                        self._failed(node, error)
                elif kind == FENCE:
                    self.events.put_nowait(Event("fence", what, node.name))

    def _hand_out(self, node: LocalNode, outs: list[tuple[int, Any, Any]]) -> None:
        for kind, what, value in outs:
            if kind == REPLY:
                if self.generator is not None and (following := self.generator.reply(what, value)) is not None:
                    self.arrive(node, REQUEST, *following)
            elif kind == FENCE:
                self.events.put_nowait(Event("fence", what, node.name))

    def _release(self, node: LocalNode, engine: Engine) -> None:
        """Begin a sync if something was written, and let go what may leave."""
        wal = node.wal
        assert wal is not None
        if wal.waiting and not wal.syncing:
            if self._alone and wal.fast:
                self._to_sync = node
            else:
                try:
                    wal.sync()
                except OSError as error:
                    self._failed(node, error)
                    return
        if self.plan.early and engine.unsynced:
            engine.synced(engine.unsynced_turn)  # the broken runtime
        node.count_turns()
        sends, outs = engine.sends, engine.outs
        if not sends and not outs:
            return
        if engine.synced_turn > wal.durable_turn and not self.plan.unchecked:
            self._premature(node, engine.synced_turn, wal.durable_turn)
            return
        if sends:
            engine.sends = []
            engine.mark_send = 0
            self.wires.send(node, sends)
        if outs:
            engine.outs = []
            engine.mark_out = 0
            self._hand_out(node, outs)

    def _sync_here(self) -> None:
        """What may leave early has left; now wait for the disk, and let go what waited for it."""
        node, self._to_sync = self._to_sync, None
        if node is None or node.engine is None or node.wal is None or node.wal.syncing or not node.wal.waiting:
            return  # it has crashed meanwhile, or the thread is at it
        engine = node.engine
        try:
            turn = node.wal.sync_now()
            node.counters[FSYNCS] += 1
            engine.synced(turn)
            if engine.at_end:
                engine.batch_end()
        except Exception as error:
            self._failed(node, error)
            return
        self._release(node, engine)
        self.wires.flush()
        if self._to_sync is not None:  # it wrote again: after whatever else has arrived
            self._loop.call_soon(self._sync_here)

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
        self.wires.gone(node)
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
