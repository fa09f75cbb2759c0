"""Carries out faults in the simulated world: each does something to machines or links, and knows how to undo it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import msgspec

from protocols.family import Family, Liar, find_lie
from protocols.node import AddServer, Drain, RemoveServer

from ...faults import spec
from ...faults.notation import format_fault
from ...faults.spec import Fault, FaultRecord
from ...faults.targets import partition_groups, resolve
from ...network.latency import sampler
from .link import Link
from .machine import Machine
from .world import World

RESET_DELAY = 1_000_000
"""ns until the peers of a killed process see their streams break."""


RETURNED = 1_000_000_000
"""ns until the operator returns a node that was fenced when all was healed."""


class Injector:
    """Fires faults, records them, and undoes what is left of them at the end.

    Attributes:
        records: what fired, in order.
        wiped: servers that have lost their disk.
        origin: virtual ns at which the load started; what people read counts from there.
    """

    def __init__(self, world: World, family: Family, seed: int, zones: Mapping[str, tuple[str, ...]]) -> None:
        self.world = world
        self.family = family
        self.rng = Random(f"{seed}/faults")
        self.zones = dict(zones)
        self.records: list[dict[str, Any]] = []
        self._undo: dict[int, Callable[[], None]] = {}
        self._next = 0
        self._owner: dict[str, int] = {}  # who is down -> the fault that brought it down
        self.wiped: set[str] = set()
        self.reconfigured = False  # an operator has asked for another membership
        self.over = False
        self.origin = 0

    def schedule(self, fault: Fault) -> None:
        """Fire it at its time."""
        self.world.at(fault.at, lambda: self.fire(fault))

    def leader(self) -> str | None:
        """The server that leads in the highest term, as an observer of all would see it."""
        if self.family.leader is None:
            return None
        best: tuple[int, str] | None = None
        for machine in self.world.servers:
            if machine.engine is not None:
                view = machine.engine.node.inspect()
                if self.family.leader(view):
                    found = (getattr(view, "term", 0), machine.name)
                    best = found if best is None or found[0] > best[0] else best
        return None if best is None else best[1]

    def heal(self) -> None:
        """Undo everything that is still in force, boot whatever is down, and fire nothing any more."""
        self.over = True
        for number in sorted(self._undo):
            self._finish(number)
        for machine in self.world.machines.values():
            if machine.engine is None:
                self.world.boot(machine)
        self.world.on_fence = self._fenced

    def _fenced(self, node: str) -> None:
        """Healed means that the operator is there, too: whoever is fenced from now on is back after a while."""
        machine = self.world.machines[node]
        self.world.crash(machine)
        self.world.at(self.world.now + RETURNED, lambda: None if machine.engine else self.world.boot(machine))

    def results(self) -> list[FaultRecord]:
        """What fired."""
        return [FaultRecord(**record) for record in self.records]

    # --- firing ------------------------------------------------------------------------------------------------------

    def fire(self, fault: Fault) -> None:
        """Do it now."""
        if self.over:
            return
        method = getattr(self, "_" + type(fault).__struct_config__.tag.replace("-", "_"))  # type: ignore[union-attr]
        method(fault)

    def _machines(self, target: str) -> list[Machine]:
        world = self.world
        names = resolve(
            target,
            rng=self.rng,
            servers=[machine.name for machine in world.servers],
            clients=[machine.name for machine in world.clients],
            up=[machine.name for machine in world.machines.values() if machine.engine is not None],
            leader=self.leader() if target in ("leader", "follower") else None,
            zones=self.zones,
        )
        return [world.machines[name] for name in names]

    def _record(
        self, fault: Fault, machines: list[Machine], length: int | None, undo: Callable[[], None], **noted: Any
    ) -> int:
        """Note the fault, and undo it after ``length`` ns (never, if None)."""
        number = self._next
        self._next += 1
        self._undo[number] = undo
        tag = str(type(fault).__struct_config__.tag)
        detail = format_fault(msgspec.structs.replace(fault, at=fault.at - self.origin))
        self.records.append(
            {
                "kind": tag,
                "targets": tuple(machine.name for machine in machines),
                "start": self.world.now,
                "end": None,
                "detail": detail,
                **noted,
            }
        )
        for name in [machine.name for machine in machines] or [""]:
            self.world.note("fault", name, "", tag, detail=detail)
        if length is not None:
            self.world.at(self.world.now + length, lambda: self._finish(number))
        return number

    def _finish(self, number: int) -> None:
        undo = self._undo.pop(number, None)
        if undo is not None:
            undo()
            record = self.records[number]
            record["end"] = self.world.now
            for name in record["targets"]:
                self.world.note("heal", name, "", record["kind"])

    def _kill(self, machines: list[Machine], number: int, *, reset: bool) -> None:
        """For the fault of that number, which alone may boot them again (what has been down for another stays so).

        With ``reset``, the kernel lives and closes the dead process's streams; after a power loss nobody does.
        """
        for machine in machines:
            self._owner[machine.name] = number
            self.world.crash(machine)
            if reset:
                for peer in self.world.machines.values():
                    if peer is not machine and not self.world.link(machine, peer.name).cuts:
                        self.world.at(
                            self.world.now + RESET_DELAY,
                            lambda peer=peer, name=machine.name: self.world.disconnect(peer, name),  # type: ignore[misc]
                        )

    def _boot(self, machines: list[Machine], number: int) -> Callable[[], None]:
        """Of those, the ones that the fault of that number has killed."""

        def boot() -> None:
            for machine in machines:
                if self._owner.get(machine.name) == number:
                    del self._owner[machine.name]
                    self.world.boot(machine)

        return boot

    def _fell(self, fault: Fault, machines: list[Machine], down: int | None, *, reset: bool, **noted: Any) -> None:
        """They die now, and come back after ``down`` ns."""
        number = self._record(fault, machines, down, self._boot(machines, self._next), **noted)
        self._kill(machines, number, reset=reset)

    def _up(self, machines: list[Machine]) -> list[Machine]:
        return [machine for machine in machines if machine.engine is not None]

    # --- processes ---------------------------------------------------------------------------------------------------

    def _crash(self, fault: spec.Crash) -> None:
        machines = self._up(self._machines(fault.target))
        if machines:
            self._fell(fault, machines, fault.down, reset=True)

    def _crash_at_write(self, fault: spec.CrashAtWrite) -> None:
        def strike(machine: Machine) -> None:
            # Two of three promises are let pass, or whoever persists first in an election would always be the victim.
            if not self.over and machine.is_server and self.rng.random() < 0.33:
                self.world.on_promise = None
                self._fell(fault, [machine], fault.down, reset=True)

        self.world.on_promise = strike

    def _power_loss(self, fault: spec.PowerLoss) -> None:
        machines = self._up(self.world.servers)
        if machines:
            self._fell(fault, machines, fault.down, reset=False)

    def _zone_loss(self, fault: spec.ZoneLoss) -> None:
        machines = self._up(self._machines(f"zone:{fault.zone}"))
        if machines:
            self._fell(fault, machines, fault.down, reset=False)

    def _lose_disk(self, fault: spec.LoseDisk) -> None:
        """Never more than a minority over the whole run: beyond that no protocol can keep what it promised."""
        allowed = self.family.tolerates(len(self.world.servers))
        machines = [machine for machine in self._machines(fault.target) if machine.is_server]
        for machine in machines:
            if machine.name in self.wiped or len(self.wiped) >= allowed:
                continue
            self.wiped.add(machine.name)
            damage = fault.damage or ("corrupt" if self.rng.random() < 0.5 else "lost")
            self._fell(fault, [machine], fault.down, reset=False, damage=damage)
            machine.disk.lose(corrupt=damage == "corrupt")

    def _rolling_restart(self, fault: spec.RollingRestart) -> None:
        """One after the other, whatever the others do."""
        world, number = self.world, self._next
        for place, machine in enumerate(list(world.servers)):
            when = world.now + place * (fault.down + fault.gap)

            def restart(machine: Machine = machine) -> None:
                if machine.engine is not None and not self.over:
                    world.admin(machine, Drain())
                    self._kill([machine], number, reset=True)
                    world.at(world.now + fault.down, self._boot([machine], number))

            world.at(when, restart)
        total = len(world.servers) * (fault.down + fault.gap)
        self._record(fault, list(world.servers), total, lambda: None)

    def _drain(self, fault: spec.DrainRestart) -> None:
        machines = self._up(self._machines(fault.target))
        if not machines:
            return
        for machine in machines:
            self.world.admin(machine, Drain())
        number = self._record(fault, machines, fault.grace + fault.down, self._boot(machines, self._next))
        self.world.at(
            self.world.now + fault.grace,
            lambda: None if self.over else self._kill(self._up(machines), number, reset=True),
        )

    def _pause(self, fault: spec.Pause) -> None:
        machines = self._up(self._machines(fault.target))
        if machines:
            lives = [(machine, self.world.pause(machine)) for machine in machines]

            def undo() -> None:
                for machine, life in lives:
                    self.world.resume(machine, life)

            self._record(fault, machines, fault.length, undo)

    def _stall(self, fault: spec.Stall) -> None:
        machines = self._up(self._machines(fault.target))
        if machines:
            for machine in machines:
                machine.stall = fault.length
            self._record(fault, machines, fault.length, lambda: None)

    def _slow_node(self, fault: spec.SlowNode) -> None:
        """Overlapping ones do not multiply: the slowest counts."""
        machines = self._machines(fault.target)
        for machine in machines:
            machine.slowed.append(fault.factor)
            machine.slow = max(machine.slowed)

        def undo() -> None:
            for machine in machines:
                machine.slowed.remove(fault.factor)
                machine.slow = max(machine.slowed, default=1.0)

        self._record(fault, machines, fault.length, undo)

    def _membership(self, fault: spec.Membership) -> None:
        machines = self._up(self._machines(fault.target))
        request = AddServer(fault.node) if fault.action == "add" else RemoveServer(fault.node)
        for machine in machines:
            self.world.admin(machine, request)
            self.reconfigured = True
        self._record(fault, machines, 0, lambda: None)

    # --- links -------------------------------------------------------------------------------------------------------

    def _sever(self, fault: Fault, machines: list[Machine], pairs: list[tuple[str, str]], length: int) -> None:
        links = [self.world.link(self.world.machines[source], target) for source, target in pairs]
        for link in links:
            link.cuts += 1
            link.settle()

        def undo() -> None:
            for link in links:
                link.cuts -= 1
                link.settle()

        self._record(fault, machines, length, undo, links=tuple(pairs) if len(pairs) <= spec.MOST_LINKS else ())

    def _cut(self, fault: spec.Cut) -> None:
        self._sever(fault, [], list(fault.links), fault.length)

    def _partition(self, fault: spec.Partition) -> None:
        machines = self._machines(fault.target)
        pairs = partition_groups(
            fault.shape,
            [machine.name for machine in machines],
            [machine.name for machine in self.world.servers],
            [machine.name for machine in self.world.clients],
            self.rng,
        )
        self._sever(fault, machines, sorted(pairs), fault.length)

    def split_servers(self, fault: spec.Partition) -> None:
        """A partition among the servers only; clients still reach all of them."""
        machines = self._machines(fault.target)
        servers = [machine.name for machine in self.world.servers]
        pairs = partition_groups(fault.shape, [machine.name for machine in machines], servers, [], self.rng)
        self._sever(fault, machines, sorted(pairs), fault.length)

    def _retry_storm(self, fault: spec.RetryStorm) -> None:
        pairs = []
        for client in self.world.clients:
            for server in self.world.servers:
                pairs += [(client.name, server.name), (server.name, client.name)]
        self._sever(fault, list(self.world.clients), pairs, fault.length)

    def _links_of(self, machines: list[Machine]) -> list[Link]:
        world, links = self.world, []
        for machine in machines:
            for other in world.machines.values():
                if other is not machine:
                    links += [world.link(machine, other.name), world.link(other, machine.name)]
        return links

    def _slow_link(self, fault: spec.SlowLink) -> None:
        machines = self._machines(fault.target)
        links = self._links_of(machines)
        extra = sampler(fault.extra, self.rng)
        for link in links:
            link.extra.append(extra)
            link.settle()

        def undo() -> None:
            for link in links:
                link.extra.remove(extra)
                link.settle()

        self._record(fault, machines, fault.length, undo)

    def _lossy_link(self, fault: spec.LossyLink) -> None:
        machines = self._machines(fault.target)
        self._lose(fault, machines, self._links_of(machines), (fault.loss, fault.duplication))

    def _lose(self, fault: Fault, machines: list[Machine], links: list[Link], odds: tuple[float, float]) -> None:
        for link in links:
            link.lossy.append(odds)
            link.settle()

        def undo() -> None:
            for link in links:
                link.lossy.remove(odds)
                link.settle()

        self._record(fault, machines, fault.length, undo)  # type: ignore[union-attr]

    def _send_omission(self, fault: spec.SendOmission) -> None:
        self._omit(fault, sending=True)

    def _receive_omission(self, fault: spec.ReceiveOmission) -> None:
        self._omit(fault, sending=False)

    def _omit(self, fault: spec.SendOmission | spec.ReceiveOmission, *, sending: bool) -> None:
        machines = self._machines(fault.target)
        world = self.world
        links = [
            world.link(machine, other.name) if sending else world.link(other, machine.name)
            for machine in machines
            for other in world.machines.values()
            if other is not machine
        ]
        self._lose(fault, machines, links, (fault.loss, 0.0))

    def _byzantine(self, fault: spec.Byzantine) -> None:
        """Two lies of one node at a time are one too many: the later replaces the earlier."""
        lie = find_lie(self.family, fault.behaviour)
        machines = [machine for machine in self._machines(fault.target) if machine.is_server]

        def liar(machine: Machine) -> Callable[[str, Any], list[tuple[str, str, Any]]]:
            world, name = self.world, machine.name
            who = Liar(None, name, Random(f"{world.seed}/lie/{name}"), lambda payload: world.sign(name, payload))

            def say(to: str, message: Any) -> list[tuple[str, str, Any]]:
                assert machine.engine is not None
                who.node = machine.engine.node
                return lie.says(who, to, message)

            return say

        told = [(machine, liar(machine)) for machine in machines]
        for machine, say in told:
            machine.lie = say

        def undo() -> None:
            for machine, say in told:
                if machine.lie is say:
                    machine.lie = None

        self._record(fault, machines, fault.length, undo)

    # --- disks and clocks --------------------------------------------------------------------------------------------

    def _slow_disk(self, fault: spec.SlowDisk) -> None:
        machines = self._machines(fault.target)
        for machine in machines:
            machine.slow_disk += fault.extra

        def undo() -> None:
            for machine in machines:
                machine.slow_disk -= fault.extra

        self._record(fault, machines, fault.length, undo)

    def _full_disk(self, fault: spec.FullDisk) -> None:
        """Full for this life and any that begins meanwhile; who died of it is booted when there is space again."""
        machines = self._machines(fault.target)

        def fill(by: int) -> None:
            for machine in machines:
                machine.disk.full += by
                if machine.engine is not None:
                    machine.engine.disk_full = machine.disk.full > 0

        def undo() -> None:
            fill(-1)
            for machine in machines:
                if machine.engine is None and machine.name not in self._owner:
                    self.world.boot(machine)

        fill(1)
        self._record(fault, machines, fault.length, undo)

    def _clock_jump(self, fault: spec.ClockJump) -> None:
        machines = self._machines(fault.target)
        for machine in machines:
            machine.clock.offset += fault.offset
        self._record(fault, machines, 0, lambda: None)

    def _clock_drift(self, fault: spec.ClockDrift) -> None:
        machines = self._machines(fault.target)
        before = [(machine, machine.clock.rate) for machine in machines]
        for machine, rate in before:
            machine.clock.set_rate(self.world.now, rate + fault.ppm / 1e6)

        def undo() -> None:
            for machine, _ in before:
                machine.clock.set_rate(self.world.now, machine.clock.rate - fault.ppm / 1e6)

        self._record(fault, machines, fault.length, undo)
