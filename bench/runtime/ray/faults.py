"""Carries out faults in the live world: signals, and orders to hosts. See also :mod:`bench.runtime.sim.faults`."""

from __future__ import annotations

from collections.abc import Mapping

from protocols.node import AddServer, RemoveServer

from ...faults import spec
from ...faults.spec import Fault
from .conditions import ConditionFaults
from .hostclock import monotonic_ns
from .orders import Event
from .seat import DutyCycle, Seat
from .slots import Hit, how
from .supervisor import Supervisor

BOOT_AHEAD = 15_000_000
"""ns by which a restart is ordered before it is due."""
RETRY = 20_000_000
"""ns between two looks for a process that is being created."""
RETURNED = 1_000_000_000
"""ns until the operator returns a node that was fenced when all was healed; as in the simulator."""
BY_RAY = "Ray restarts a killed process at once, however long that takes: the scheduled down time did not apply"


class Injector(ConditionFaults):
    """Fires faults at their times, records them, and undoes what is left of them at the end."""

    def __init__(self, supervisor: Supervisor, seed: int, zones: Mapping[str, tuple[str, ...]]) -> None:
        super().__init__(supervisor, seed, zones)
        self._stopped: dict[Seat, set[int]] = {}  # processes -> the faults that stop them
        self._duty: dict[str, DutyCycle] = {}
        supervisor.on_event = self._on_event

    # --- time --------------------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Undo everything that is still in force, boot whatever is down, and fire nothing any more."""
        self.over = True
        self._heap.clear()
        # a stopped process cannot boot anybody
        for number in sorted(self._undo, key=lambda number: (self.records[number]["kind"] != "pause", number)):
            self._finish(number)
        self.supervisor.boot([*self.supervisor.servers, *self.supervisor.clients])
        for number in self.pending - {-1}:
            self.records[number]["end"] = monotonic_ns()
            self._note_restart(number, list(self.records[number]["targets"]))
        self.pending.clear()

    def _boot(self, names: list[str], number: int = -1, at: int = 0) -> None:
        """Boot those that the fault of that number has killed, at ``at`` or as soon as processes are there for them.

        What has been down for another fault stays so. Nothing else waits for it.
        """
        mine = [name for name in names if self.owner.get(name) == number]
        if not self.over and not self.supervisor.can_boot(mine):
            self.pending.add(number)
            self.at(monotonic_ns() + RETRY, lambda: self._boot(names, number))
            return
        if not mine:
            return
        self.pending.discard(number)
        for name in mine:
            del self.owner[name]
        booted = self.supervisor.boot(mine, 0 if self.over else at)  # healed is healed, whatever was planned
        if number >= 0:
            self.records[number]["end"] = booted
            self._note_restart(number, mine)

    def _note_restart(self, number: int, names: list[str]) -> None:
        """When Ray had the processes back, and that this was not the schedule's doing."""
        seats = [self.supervisor.where[name].seat for name in names]
        born = [seat.greeting.born - seat.offset for seat in seats if seat is not None and seat.last and seat.greeting]
        record = self.records[number]
        if born and self._killed_by(number):
            record["respawned"] = max(born)
            record["note"] = BY_RAY

    def _killed_by(self, number: int) -> bool:
        return self.supervisor.by_ray and self.records[number]["how"] in ("process", "mixed")

    def _on_event(self, event: Event) -> None:
        if event.kind == "fence":
            self.supervisor.kill([event.node])
            self.supervisor.tell(event.by, "fenced", event.by, event.node)
            if self.over:  # all is healed, so the operator is there, too
                self.at(monotonic_ns() + RETURNED, lambda: self._return(event.node))

    def _return(self, node: str) -> None:
        """Boot who was fenced, if it is down still, as soon as a process is there for it."""
        if node in self.supervisor.down and not self.supervisor.can_boot([node]):
            self.at(monotonic_ns() + RETRY, lambda: self._return(node))
        elif node in self.supervisor.down:
            self.supervisor.boot([node])

    # --- processes ---------------------------------------------------------------------------------------------------

    def _kill(self, fault: Fault, names: list[str], down: int | None) -> None:
        up = self._up(names)
        if up:
            start = monotonic_ns()
            number = len(self.records)
            hit = self._strike(names, number)
            # the order goes out a little ahead, so that the node is back exactly when it should be
            ahead = None if down is None else max(0, down - BOOT_AHEAD)
            due = start + (down or 0)
            by_schedule = hit.logical if self.supervisor.by_ray else up
            self._record(
                fault, up, ahead if by_schedule else None, lambda: self._boot(by_schedule, number, due), start, hit.how
            )
            self._boot_restarted(hit, number)

    def _strike(self, names: list[str], number: int) -> Hit:
        """Kill those of them that are up, for the fault of that number, which alone may boot them again."""
        up = self._up(names)
        for name in up:
            if (duty := self._duty.pop(name, None)) is not None:
                duty.stop()
        # a stopped process dies as any other, and the next one runs: a node that shares its process, likewise
        woken = [name for name in up if self.troubles.paused.pop(name, None)]
        hit = self.supervisor.kill(names)
        self.owner.update(dict.fromkeys(up, number))
        if woken:
            self.supervisor.impose()
        return hit

    def _boot_restarted(self, hit: Hit, number: int) -> None:
        """Where Ray restarts processes, their nodes boot as soon as it has."""
        if self.supervisor.by_ray and hit.processes:
            self.pending.add(number)
            self.at(monotonic_ns(), lambda: self._boot(hit.processes, number))

    def _fire_crash(self, fault: spec.Crash) -> None:
        self._kill(fault, self._names(fault.target), fault.down)

    def _fire_power_loss(self, fault: spec.PowerLoss) -> None:
        self._kill(fault, list(self.supervisor.servers), fault.down)

    def _fire_zone_loss(self, fault: spec.ZoneLoss) -> None:
        self._kill(fault, self._names(f"zone:{fault.zone}"), fault.down)

    def _fire_rolling_restart(self, fault: spec.RollingRestart) -> None:
        supervisor, start = self.supervisor, monotonic_ns()
        for place, name in enumerate(supervisor.servers):

            def restart(name: str = name) -> None:
                if name not in supervisor.down:
                    supervisor.tell(name, "drain", name)
                    hit = self._strike([name], -1)
                    hits.append(hit)
                    record = self.records[number]
                    record["how"] = how(any(each.processes for each in hits), any(each.logical for each in hits))
                    record["note"] = BY_RAY if self._killed_by(number) else ""
                    down = 0 if supervisor.by_ray and hit.processes else fault.down
                    self.at(monotonic_ns() + down, lambda: self._boot([name]))

            self.at(start + place * (fault.down + fault.gap), restart)
        total = len(supervisor.servers) * (fault.down + fault.gap)
        hits: list[Hit] = []
        number = self._record(fault, list(supervisor.servers), total, lambda: None)

    def _fire_drain(self, fault: spec.DrainRestart) -> None:
        names = self._up(self._names(fault.target))
        if not names:
            return
        for name in names:
            self.supervisor.tell(name, "drain", name)

        def kill() -> None:
            if not self.over:
                hit = self._strike(names, number)
                self.records[number]["how"] = hit.how
                self._boot_restarted(hit, number)

        self.at(monotonic_ns() + fault.grace, kill)
        number = self._record(fault, names, fault.grace + fault.down, lambda: self._boot(names, number))

    def _fire_pause(self, fault: spec.Pause) -> None:
        named = self._names(fault.target)
        names = self._up(named)
        if not names:
            return
        start = monotonic_ns()
        number = len(self.records)
        seats: list[Seat] = []
        logical: list[str] = []
        for slot in {self.supervisor.where[name].name: self.supervisor.where[name] for name in names}.values():
            seat = self.supervisor.stop(slot) if slot.within(named) else None
            if seat is not None:
                seats.append(seat)
                self._stopped.setdefault(seat, set()).add(number)
                continue
            for name in slot.nodes:
                if name in names:
                    logical.append(name)
                    self.troubles.paused.setdefault(name, set()).add(number)
        if logical:
            self.supervisor.impose()

        def undo() -> None:
            for seat in seats:
                self._stopped[seat].discard(number)
                if not self._stopped[seat]:  # another pause of the same process may go on
                    del self._stopped[seat]
                    self.supervisor.resume(seat)
            for name in logical:
                self.troubles.paused.get(name, set()).discard(number)
            if logical:
                self.supervisor.impose()

        self._record(fault, names, fault.length, undo, start, how(bool(seats), bool(logical)))

    def _fire_slow_node(self, fault: spec.SlowNode) -> None:
        """Overlapping ones do not multiply: the slowest counts."""
        names = self._up(self._names(fault.target))
        for name in names:
            self.troubles.slow.setdefault(name, []).append(fault.factor)
        self._set_speeds(names)

        def undo() -> None:
            for name in names:
                self.troubles.slow[name].remove(fault.factor)
            self._set_speeds(names)

        self._record(fault, names, fault.length, undo)

    def _set_speeds(self, names: list[str]) -> None:
        logical = False
        for name in names:
            duty = self._duty.pop(name, None)
            if duty is not None:
                duty.stop()
            slot = self.supervisor.where[name]
            factor = max(self.troubles.slow.get(name) or (1.0,))
            if not slot.alone or slot.seat is None or not slot.seat.here:
                logical = True
            elif factor > 1 and slot.up:
                self._duty[name] = DutyCycle(slot.seat, factor)
        if logical:
            self.supervisor.impose()

    def _fire_membership(self, fault: spec.Membership) -> None:
        names = self._up(self._names(fault.target))
        request = AddServer(fault.node) if fault.action == "add" else RemoveServer(fault.node)
        for name in names:
            self.supervisor.tell(name, "admin", name, request)
        self._record(fault, names, 0, lambda: None)
