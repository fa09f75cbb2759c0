"""The simulated world: a heap of events in virtual time, and machines that handle them in batches.

A machine that is idle handles an arrival at once and is then busy for as long as the work costs; whatever arrives
meanwhile waits and is the next batch. Effects leave when the batch ends, those behind unsynced writes when the disk
has caught up. So throughput, queueing and group commit follow from the service times, as they do live.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from random import Random
from typing import Any

from protocols.family import Invariant
from protocols.node import Outcome

from ...network.spec import Network
from ...trial import ServiceTimes
from ..engine import Engine
from ..root import EMIT, FENCE, REPLY
from ..sizes import size_of
from ..world import TimerId
from .lives import Lives
from .machine import (
    ADMIN,
    CALL,
    DELIVER,
    DISCONNECT,
    EXPIRE,
    FENCED,
    MESSAGE,
    NEVER,
    REQUEST,
    STOP,
    SYNCED,
    TIMER,
    WORK,
    Machine,
)

NETWORK = Network()
SERVICE = ServiceTimes()


class World(Lives):
    """Machines, links, the heap, and what is observed. Build it, ``boot`` the machines, then :meth:`run`."""

    def __init__(
        self,
        seed: int,
        network: Network = NETWORK,
        service: ServiceTimes = SERVICE,
        *,
        invariants: Sequence[Invariant] = (),
        hashing: bool = True,
        tracing: bool = False,
        codec: bool = False,
        on_reply: Callable[[str, int, Outcome, int], None] | None = None,
    ) -> None:
        super().__init__(seed, network, invariants, hashing, tracing, codec)
        self.service = service
        self._wakeup, self._per_message, self._per_byte = service.wakeup, service.message, service.byte
        self.rng = Random(f"{seed}/world")
        self.events = 0  # heap entries that did something: not timers that were cancelled or put off
        self.emitted: list[tuple[int, str, Any]] = []
        self.weighing, self.weighed = False, 0  # bytes sent between servers, while somebody wants to know
        self.fences: list[tuple[str, str]] = []
        self.on_reply = on_reply
        self.on_fence: Callable[[str], None] = lambda node: self.crash(self.machines[node])
        self.on_promise: Callable[[Machine], None] | None = None

    # --- driving -----------------------------------------------------------------------------------------------------

    def at(self, time: int, call: Callable[[], None]) -> None:
        """Run ``call`` at virtual time ``time``."""
        heappush(self._heap, (time, next(self._sequence), CALL, None, call, None))

    def request(self, machine: Machine, operation: int, request: Any) -> None:
        """The workload asks a client machine for an operation, now."""
        self._arrive(machine, REQUEST, operation, request)

    def admin(self, machine: Machine, request: Any) -> None:
        """The operator asks a machine for something, now."""
        self._arrive(machine, ADMIN, request, None)

    def disconnect(self, machine: Machine, peer: str) -> None:
        """Tell a machine that its stream to a peer broke."""
        self._arrive(machine, DISCONNECT, peer, None)

    def run(self, until: int) -> None:
        """Handle events up to and including virtual time ``until``, or until ``stopped`` is set."""
        heap, pop = self._heap, heappop
        heappush(heap, (until, NEVER, STOP, None, None, None))  # after all else at that time
        tracing, observing = self.trace is not None, self.observing
        wakeup, per_message, plain_cpu = self._wakeup, self._per_message, not self._per_byte
        while not self.stopped:
            time, sequence, code, machine, a, b = pop(heap)
            self.now = time
            self.events += 1
            if code == DELIVER:
                engine = machine.engine
                if engine is None:
                    self.dropped += 1
                    if tracing:
                        self.note("drop", machine.name, a, type(b).__name__, sequence)
                    continue
                if machine.busy_until > time or machine.inbox:
                    machine.inbox.append((MESSAGE, a, (sequence, b) if tracing else b))
                    if not machine.scheduled:
                        self._schedule(machine)
                    continue
                try:
                    engine.receive(a, b)
                except Exception as error:
                    self._failed(machine, error)
                    continue
                if observing:
                    self.after_turn(machine, MESSAGE, a, b, sequence)
                if plain_cpu and machine.slow == 1.0 and not (engine.at_end or machine.stall or machine.inbox):
                    # _finish(), for the most common batch: one message at a node that is well
                    leave = machine.busy_until = time + wakeup + (1 + len(engine.sends)) * per_message
                    if engine.sends or engine.outs:
                        self._release(machine, engine, leave)
                    if engine.unsynced_turn > engine.synced_turn and not machine.syncing:
                        self._sync(machine, leave)
                else:
                    self._finish(machine, 1)
            elif code == EXPIRE:
                if not self._due(machine, a, b, time):
                    self.events -= 1  # nothing has come of it
                elif machine.busy_until > time or machine.inbox:
                    self._arrive(machine, TIMER, b, None)
                else:
                    self._fire_alone(machine, a, b)
            elif code == WORK:
                machine.scheduled = False
                if machine.engine is not None and machine.inbox:
                    if machine.busy_until > time:
                        self._schedule(machine)
                    else:
                        self._batch(machine)
            elif code == SYNCED:
                self._synced(machine, a, b)
            elif code == CALL:
                a()
            else:
                return

    # --- inside ------------------------------------------------------------------------------------------------------

    def _schedule(self, machine: Machine) -> None:
        if machine.busy_until < NEVER:
            machine.scheduled = True
            heappush(self._heap, (machine.busy_until, next(self._sequence), WORK, machine, None, None))

    def _arrive(self, machine: Machine, kind: int, a: Any, b: Any) -> None:
        if machine.engine is None:
            return
        machine.inbox.append((kind, a, b))
        if machine.busy_until <= self.now:
            self._batch(machine)
        elif not machine.scheduled:
            self._schedule(machine)

    def _fire_alone(self, machine: Machine, engine: Engine, timer: TimerId) -> None:
        """:meth:`_batch` for the second most common one: a timer at an idle node."""
        del machine.deadlines[timer]
        try:
            engine.fire(timer)
        except Exception as error:
            self._failed(machine, error)
            return
        if self.observing:
            self.after_turn(machine, TIMER, timer, None)
        if not self.stopped:
            self._finish(machine, 1)

    def _batch(self, machine: Machine) -> None:
        """Handle all that waits, one turn each."""
        inbox, engine = machine.inbox, machine.engine
        assert engine is not None
        handled = 0
        tracing = self.trace is not None
        while inbox:
            kind, a, b = inbox.popleft()
            sequence = -1
            try:
                if kind == MESSAGE:
                    if tracing:
                        sequence, b = b
                    engine.receive(a, b)
                elif kind == TIMER:
                    if machine.deadlines.get(a, NEVER) > self.now:
                        continue  # cancelled or put off by an earlier turn of this batch
                    del machine.deadlines[a]
                    engine.fire(a)
                elif kind == REQUEST:
                    engine.request(a, b)
                elif kind == ADMIN:
                    engine.admin(a)
                elif kind == FENCED:
                    engine.fenced(a)
                else:
                    engine.disconnected(a)
            except Exception as error:
                self._failed(machine, error)
                return
            handled += 1
            if self.observing:
                self.after_turn(machine, kind, a, b, sequence)
                if self.stopped:
                    return
        self._finish(machine, handled)

    def _finish(self, machine: Machine, handled: int) -> None:
        """End a batch: charge its CPU time, let its effects go, start a sync if something was written."""
        engine = machine.engine
        if engine is None:
            return
        if engine.at_end:
            try:
                engine.batch_end()
            except Exception as error:
                self._failed(machine, error)
                return
            if self.observing:
                self.after_turn(machine, WORK, "batch end", None)
        sends = engine.sends
        cost = self._wakeup + (handled + len(sends)) * self._per_message
        if self._per_byte and sends:
            cost += int(self._per_byte * sum(size_of(message) for _, message in sends))
        if machine.slow != 1.0:
            cost = int(cost * machine.slow)
        leave = self.now + cost
        if machine.stall:
            # computed, then the node stands still: what it checked may be false by the time its effects leave
            leave += machine.stall
            machine.stall = 0
        if not machine.paused:
            machine.busy_until = leave
        if sends or engine.outs:
            self._release(machine, engine, leave)
        if engine.unsynced_turn > engine.synced_turn and not machine.syncing:
            self._sync(machine, leave)
        if machine.inbox and not machine.scheduled:
            self._schedule(machine)

    def _release(self, machine: Machine, engine: Engine, leave: int) -> None:
        sends, engine.sends = engine.sends, []
        if machine.lie is not None:
            sends = self.lied(machine, sends, leave)
        heap, sequence, source, links = self._heap, self._sequence, machine.name, machine.links
        common, shares = self.common, machine.is_server
        engine.mark_send = 0
        for to, message in sends:
            link = links.get(to)
            if link is None:
                link = common.get(to) if shares and to != source else None
                if link is None:
                    link = self.link_for(machine, to)
                    if link is None:
                        self.dropped += 1
                        continue
                if link.shared:
                    machine.sent += 1
            link.sent += 1
            if self.weighing and link.between_servers:
                self.weighed += size_of(message)
            if link.plain:
                delay = link.constant if link.draw is None else link.draw()
                heappush(heap, (leave + delay, next(sequence), DELIVER, link.target, source, message))
            else:
                self.send_with_care(link, source, message, leave)
        if engine.outs:
            outs, engine.outs = engine.outs, []
            engine.mark_out = 0
            for kind, what, value in outs:
                if kind == REPLY:
                    if self.on_reply is not None:
                        self.note("reply", source, "", type(value).__name__, -1, value, leave)
                        self.on_reply(source, what, value, leave)
                elif kind == EMIT:
                    self.emitted.append((leave, source, value))
                elif kind == FENCE:
                    self.at(leave + self.service.fence, lambda by=source, node=what: self._fence(by, node))  # type: ignore[misc]

    def _fence(self, by: str, node: str) -> None:
        self.fences.append((by, node))
        self.on_fence(node)
        self._arrive(self.machines[by], FENCED, node, None)

    def _sync(self, machine: Machine, leave: int) -> None:
        engine = machine.engine
        assert engine is not None
        machine.syncing = True
        done = leave + self.service.fsync + machine.slow_disk
        if self.service.fsync_sigma:
            factor = math.exp(machine.rng.get().gauss(0.0, self.service.fsync_sigma))
            done = leave + int(self.service.fsync * factor) + machine.slow_disk
        heappush(self._heap, (done, next(self._sequence), SYNCED, machine, engine, engine.unsynced_turn))

    def _synced(self, machine: Machine, engine: Engine, turn: int) -> None:
        if machine.engine is not engine:
            return  # that life is over, and so is its sync
        machine.syncing = False
        promise = self.on_promise is not None and machine.disk.holds_key(turn)
        machine.disk.sync(turn)
        if machine.paused:
            # The kernel has finished, the process does not know yet; resume() syncs again, which tells it.
            return
        try:
            engine.synced(turn)
        except Exception as error:
            self._failed(machine, error)
            return
        if self.observing:
            self.after_turn(machine, SYNCED, turn, None)
        if engine.at_end and machine.engine is engine:
            self._finish(machine, 0)
        if engine.sends or engine.outs:
            self._release(machine, engine, self.now)  # beside the batch under way, not after it
        if engine.unsynced_turn > engine.synced_turn and not machine.syncing and machine.engine is engine:
            self._sync(machine, self.now)
        if promise and self.on_promise is not None:
            self.on_promise(machine)
