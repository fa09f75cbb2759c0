"""One simulated trial from boot to record: settle, load with faults, heal, liveness."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, Literal

import msgspec

from protocols.family import Family
from protocols.node import Fail, Info, Node, Ok, Outcome

from ...checkers.verdict import Verdict
from ...faults.nemesis import generate
from ...faults.spec import Fault, Partition
from ...faults.targets import zones_of
from ...trial import Trial
from ...workload.generator import Load
from ..record import RunRecord
from .faults import Injector
from .machine import Machine
from .recording import record_of
from .world import World

SETTLE_LIMIT = 5_000_000_000
"""Virtual ns that a cluster may take to elect its first leader before the load starts without one."""
CONVERGED_GRAIN = 5_000_000
"""Virtual ns between two looks at whether servers have become equal; ten times as many after the first 0.5 s."""
PROBES = 2
"""Operations each client must complete after the heal."""


class Simulation:
    """One trial under way. ``run`` does it all; the parts are there for those who drive the world themselves."""

    def __init__(
        self,
        trial: Trial,
        family: Family,
        server_config: Any,
        client_config: Any,
        make_world: Callable[..., World] = World,
    ) -> None:
        self.trial = trial
        self.family = family
        self.server_config = server_config
        self.started = 0
        self.load = Load(trial.workload, trial.seed, trial.duration, family.functions)
        self.world = make_world(
            trial.seed,
            trial.network,
            trial.service,
            invariants=family.invariants() if trial.invariants else (),
            tracing=trial.trace,
            codec=trial.codec,
            on_reply=self._reply,
        )
        clocks = Random(f"{trial.seed}/clocks")

        def make(node: type[Node], config: Any) -> Callable[[], Node]:
            return lambda: node(config)

        for number in range(trial.nodes):
            self.world.add(f"n{number + 1}", make(family.server, server_config), server=True)
        for number in range(trial.workload.clients):
            self.world.add(f"c{number + 1}", make(family.client, client_config), server=False)
        for machine in self.world.machines.values():
            if trial.clock_offset:
                machine.clock.offset = clocks.randint(-trial.clock_offset, trial.clock_offset)
                machine.clock.uncertainty = trial.clock_offset
            if trial.clock_drift_ppm:
                machine.clock.rate = 1 + clocks.uniform(-1, 1) * trial.clock_drift_ppm / 1e6
        servers, clients = ([machine.name for machine in each] for each in (self.world.servers, self.world.clients))
        zones = zones_of(trial.network, servers, clients)
        self.injector = Injector(self.world, family, trial.seed, zones)
        self.world.on_crash = lambda machine: None if machine.is_server else self._client_died(machine)
        self._where: dict[int, int] = {}  # operation -> client index
        self._probing = False
        self._probes: set[int] = set()  # operations of the liveness phase under way
        self._wanted: dict[int, int] = {}  # client index -> probes it still has to complete
        self._until = trial.duration
        self.figures: dict[str, float] = {}
        self.quiet: list[tuple[int, bool]] = []  # see RunRecord

    def run(self) -> RunRecord:
        """The whole trial."""
        began = time.perf_counter()
        world, trial = self.world, self.trial
        for machine in list(world.machines.values()):
            world.boot(machine)
        self._settle()
        self.started = self.injector.origin = start = world.now
        self._start_load()
        for fault in trial.faults:
            self.injector.schedule(_shifted(fault, start))
        if trial.nemesis is not None:
            names = [machine.name for machine in world.servers]
            for fault in generate(trial.nemesis, trial.seed, trial.duration, names, "sim"):
                self.injector.schedule(_shifted(fault, start))
        world.run(start + trial.duration)
        load_end = world.now - start
        equal = None if world.stopped else self._converge()
        live = "" if world.stopped else self._liveness()
        self.load.abandon(world.now - start)
        return record_of(self, load_end, live, equal, time.perf_counter() - began)

    # --- phases ------------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Let the cluster find its first leader: an outage before the load is not what is measured."""
        world, step = self.world, 5_000_000
        if self.family.leader is None:
            world.run(step)
            return
        ready = self.family.recovery[2]
        while world.now < SETTLE_LIMIT and not world.stopped:
            world.run(world.now + step)
            if any(mark.name == ready for mark in world.marks):
                return

    def _start_load(self) -> None:
        if not self.trial.workload.closed:
            self._next_arrival()
        else:
            for client in range(len(self.world.clients)):
                self._again(client)

    def _next_arrival(self) -> None:
        arrival = self.load.next_arrival()
        if arrival is not None:
            intended, client = arrival

            def arrive() -> None:
                self._begin(client, intended)
                self._next_arrival()

            self.world.at(self.started + intended, arrive)

    def _begin(self, client: int, intended: int) -> None:
        now = self.world.now - self.started
        begun = self.load.probe(client, now) if self._probing else self.load.start(client, intended, now)
        if begun is None:
            return  # shed: too many under way
        operation, request = begun
        if self._probing:
            self._probes.add(operation)
        machine = self.world.clients[client]
        if machine.engine is None:
            # Nobody is there to send it, so it definitely does not happen.
            self.load.finish(operation, Fail("the client is down"), now)
            return
        self._where[operation] = client
        self.world.request(machine, operation, request)

    def _reply(self, node: str, operation: int, outcome: Outcome, at: int) -> None:
        """A client answered; ``at`` may lie a little ahead of now, by the CPU time of its batch."""
        client = self._where.pop(operation, None)
        if client is None:
            return
        self.load.finish(operation, outcome, at - self.started)
        if self._probing:
            if operation not in self._probes:
                return  # begun before the heal: that it ends says nothing about what is begun now
            self._probes.remove(operation)
            if isinstance(outcome, Ok):
                self._wanted[client] -= 1
            if self._wanted[client] > 0:
                self.world.at(at, lambda: self._again(client))
        elif self.trial.workload.closed:
            self.world.at(at, lambda: self._again(client))

    def _again(self, client: int) -> None:
        """The next operation of a closed loop, or of a probe."""
        now = self.world.now - self.started
        if not self._probing and now >= self.trial.duration:
            return
        machine = self.world.clients[client]
        if machine.engine is None:
            self.world.at(self.world.now + 50_000_000, lambda: self._again(client))
            return
        self._begin(client, now)

    def _client_died(self, machine: Machine) -> None:
        """Nobody waits for its operations any more; they may still happen."""
        number = self.world.clients.index(machine)
        now = self.world.now - self.started
        for operation in [each for each, client in self._where.items() if client == number]:
            del self._where[operation]
            self.load.finish(operation, Info("the client died"), now)
            if operation in self._probes or (self.trial.workload.closed and not self._probing):
                self._probes.discard(operation)
                self.world.at(self.world.now + 1, lambda: self._again(number))

    # --- convergence -------------------------------------------------------------------------------------------------

    def _converge(self) -> Verdict | None:
        """Heal everything, ask nothing more, and wait until the servers are equal; None if nobody says what that is.

        The time, the messages and the bytes that it took are kept, also where the protocol does not promise it.
        """
        differing, world = self.family.converged, self.world
        if differing is None:
            return None
        self.injector.heal()
        began, sent = world.now, self._between_servers()
        world.weighing = True
        while True:
            views = {each.name: each.engine.node.inspect() for each in world.servers if each.engine is not None}
            apart = differing(views)
            waited = world.now - began
            if not apart or waited >= self.trial.liveness or world.stopped:
                break
            world.run(world.now + (CONVERGED_GRAIN if waited < 100 * CONVERGED_GRAIN else 10 * CONVERGED_GRAIN))
        world.weighing = False
        self.figures = {
            "convergence.messages": float(self._between_servers() - sent),
            "convergence.bytes": float(world.weighed),
        }
        if not apart:
            self.figures["convergence.after_s"] = waited / 1e9
        if world.stopped or not self.family.converges(self.server_config):
            return None
        reason = f"after {waited / 1e9:g} s without operations and faults, {apart}" if apart else ""
        return Verdict(name="convergence", verdict="invalid" if apart else "valid", reason=reason)

    def _between_servers(self) -> int:
        return sum(each.sent for each in self.world.servers) + sum(
            link.sent for each in self.world.servers for link in each.links.values() if link.between_servers
        )

    # --- liveness ----------------------------------------------------------------------------------------------------

    def _liveness(self) -> str:
        """Why the system does not live, or an empty string.

        After a nemesis two things are asked of it. First, with every node up and only one fault that leaves a
        majority of servers connected, and clients with all of them (one server cut off from the others, wholly or
        one way, or two halves that share a server): a majority that can talk must serve. Then, with everything healed.
        """
        world, injector = self.world, self.injector
        injector.heal()
        promised = self.family.lives_partitioned(self.server_config) and self.trial.nodes >= 3
        wanted = self.trial.nemesis is not None if self.trial.split is None else self.trial.split
        # What is a majority of the servers need not be one of those who are members by now.
        if wanted and promised and not injector.wiped and not injector.reconfigured:
            rng = Random(f"{self.trial.seed}/liveness")
            shapes: tuple[Literal["one-way", "isolate", "bridge"], ...] = ("one-way", "isolate", "bridge")
            shape = rng.choice(shapes)
            target = rng.choice(("leader", "random"))
            length = self.trial.liveness + 1
            world.run(world.now + 1_000_000_000)
            injector.split_servers(Partition(at=world.now, shape=shape, target=target, length=length))
            partial = self._probe()
            injector.heal()
            if partial:
                detail = injector.records[-1]["detail"]
                return f"{partial} although a majority was up and connected ({detail})"
            if world.stopped:
                return ""
        problem = self._probe()
        if not problem and self.family.opinions is not None:
            self._settle_opinions()
        return f"{problem} although every node was up and connected" if problem else ""

    def _settle_opinions(self) -> None:
        """Let every server find out who is up; after a nemesis, also that one of them died, and that it is back."""
        world = self.world
        self._await_quiet()
        if self.trial.nemesis is not None and len(world.servers) > 1:
            victim = Random(f"{self.trial.seed}/victim").choice(world.servers)
            for change in (world.crash, world.boot):
                world.run(world.now + 1)  # what was judged a moment ago ended before this
                change(victim)
                self._await_quiet()

    def _await_quiet(self) -> None:
        """Run until every server that is up deems rightly, or the time is over that the family promises to need."""
        world, opinions = self.world, self.family.opinions
        assert opinions is not None
        limit = world.now + round(opinions.settles(self.server_config, len(world.servers)) * 1e9)
        step = max(20_000_000, 20_000 * len(world.servers))  # a look at everybody costs
        while world.now < limit and not world.stopped:
            down = {machine.name for machine in world.servers if machine.engine is None}
            views = [machine.engine.node.inspect() for machine in world.servers if machine.engine is not None]
            if all(set(opinions.down(view)) == down for view in views):
                break
            world.run(min(limit, world.now + step))
        if not world.stopped:
            self.quiet.append((world.now, True))

    def _probe(self) -> str:
        """Every client completes some operations, each after the other, within the time granted."""
        world = self.world
        self._probing = True
        self._probes.clear()
        self._wanted = dict.fromkeys(range(len(world.clients)), PROBES)
        deadline = world.now + self.trial.liveness
        for client in self._wanted:
            self._again(client)
        while world.now < deadline and not world.stopped and any(left > 0 for left in self._wanted.values()):
            world.run(min(deadline, world.now + 20_000_000))
        late = [world.clients[client].name for client, left in self._wanted.items() if left > 0]
        self._wanted = dict.fromkeys(self._wanted, 0)
        if late and not world.stopped:
            return f"{len(late)} of {len(world.clients)} clients were not served within {self.trial.liveness / 1e9:g} s"
        return ""


def _shifted(fault: Fault, start: int) -> Fault:
    return msgspec.structs.replace(fault, at=fault.at + start)


def simulate(trial: Trial, family: Family, server_config: Any, client_config: Any) -> RunRecord:
    """Run one simulated trial.

    Args:
        trial: what to run; ``trial.runtime`` is ``sim``.
        family: the protocol, mutated or not.
        server_config, client_config: its parameters, validated.
    """
    with _rare_collections():
        return Simulation(trial, family, server_config, client_config).run()


@contextmanager
def _rare_collections() -> Iterator[None]:
    """A world's objects live as long as it does and form few cycles: looking for those takes a sixth of a large run."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
