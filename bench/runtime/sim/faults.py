"""Carries out faults in the simulated world: each does something to machines or links, and knows how to undo it."""

from __future__ import annotations

from protocols.node import AddServer, Drain, RemoveServer

from ...faults import spec
from .linkfaults import LinkFaults
from .machine import Machine


class Injector(LinkFaults):
    """Fires faults of every kind, records them, and undoes what is left of them at the end: one method a fault, named
    by its tag. For its attributes see :class:`.firing.Firing`."""

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
