"""Simulated faults of links and of what is said over them: partitions, loss, slowness, lies."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from protocols.family import Liar, find_lie

from ...faults import spec
from ...faults.spec import Fault
from ...faults.targets import partition_groups
from ...network.latency import sampler
from .firing import Firing
from .link import Link
from .machine import Machine


class LinkFaults(Firing):
    """The part of an injector that harms links: one method a fault, named by its tag."""

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
