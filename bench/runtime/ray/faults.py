"""Carries out faults in the live world: signals, and orders to hosts. See also :mod:`bench.runtime.sim.faults`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

from protocols.node import AddServer, RemoveServer

from ...faults import spec
from ...faults.notation import format_fault
from ...faults.spec import SIM_ONLY, Fault, FaultRecord
from ...faults.targets import HOST, partition_groups, resolve
from ...network.latency import Latency
from .hostclock import monotonic_ns
from .orders import Conditions, Event, LinkTrouble, NodeTrouble
from .pool import DutyCycle, Seat
from .slots import Hit, Slot, how
from .supervisor import Supervisor

Pair = tuple[str, str]

BOOT_AHEAD = 15_000_000
"""ns by which a restart is ordered before it is due."""
RETRY = 20_000_000
"""ns between two looks for a process that is being created."""
BY_RAY = "Ray restarts a killed process at once, however long that takes: the scheduled down time did not apply"


class Injector:
    """Fires faults at their times (ns of CLOCK_MONOTONIC), records them, and undoes what is left of them at the end."""

    def __init__(self, supervisor: Supervisor, seed: int, zones: Mapping[str, tuple[str, ...]]) -> None:
        self.supervisor = supervisor
        self.rng = Random(f"{seed}/faults")
        self.zones = dict(zones)
        self.records: list[dict[str, Any]] = []
        self.over = False
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = count()
        self._undo: dict[int, Callable[[], None]] = {}
        self._owner: dict[str, int] = {}  # who is down -> the fault that brought it down
        self._pending: set[int] = set()  # faults whose victims wait for processes to be created
        self._cuts: Counter[Pair] = Counter()
        self._extra: dict[Pair, list[Latency]] = {}
        self._lossy: dict[Pair, list[spec.LossyLink]] = {}
        self._paused: dict[str, set[int]] = {}  # nodes of processes that go on -> the faults that pause them
        self._stopped: dict[Seat, set[int]] = {}  # processes -> the faults that stop them
        self._slow: dict[str, list[float]] = {}
        self._duty: dict[str, DutyCycle] = {}
        self._slow_disk: Counter[str] = Counter()
        self._full: Counter[str] = Counter()
        self._offset: Counter[str] = Counter()
        self._ppm: dict[str, list[float]] = {}
        supervisor.troubles = self.conditions
        supervisor.on_event = self._on_event

    # --- time --------------------------------------------------------------------------------------------------------

    def at(self, when: int, call: Callable[[], None]) -> None:
        """Call it at ``when``, from :meth:`run`."""
        heappush(self._heap, (when, next(self._sequence), call))

    def schedule(self, fault: Fault, start: int) -> None:
        """Fire it at its time after ``start``."""
        self.at(start + fault.at, lambda: self.fire(fault))

    def run(self, until: int, progress: Callable[[int], None] | None = None) -> None:
        """Do what is due, as it becomes due, up to ``until``."""
        while (now := monotonic_ns()) < until:
            if self._heap and self._heap[0][0] <= now:
                heappop(self._heap)[2]()
                continue
            if progress is not None:
                progress(now)
            upcoming = min(until, self._heap[0][0]) if self._heap else until
            self.supervisor.wait(min(upcoming - now, 250_000_000) / 1e9)

    def heal(self) -> None:
        """Undo everything that is still in force, boot whatever is down, and fire nothing any more."""
        self.over = True
        self._heap.clear()
        # a stopped process cannot boot anybody
        for number in sorted(self._undo, key=lambda number: (self.records[number]["kind"] != "pause", number)):
            self._finish(number)
        self.supervisor.boot([*self.supervisor.servers, *self.supervisor.clients])
        for number in self._pending - {-1}:
            self.records[number]["end"] = monotonic_ns()
            self._note_restart(number, list(self.records[number]["targets"]))
        self._pending.clear()

    def results(self, start: int) -> list[FaultRecord]:
        """What fired; times from ``start``."""
        return [
            FaultRecord(
                kind=record["kind"],
                targets=record["targets"],
                start=record["start"] - start,
                end=None if record["end"] is None else record["end"] - start,
                detail=record["detail"],
                how=record["how"],
                note=record["note"],
                respawned=None if record["respawned"] is None else record["respawned"] - start,
            )
            for record in self.records
        ]

    def conditions(self, slot: Slot, version: int) -> Conditions:
        """The faults in force that concern one host."""
        links: dict[str, dict[str, LinkTrouble]] = {}
        for source, target in sorted({*self._cuts, *self._extra, *self._lossy}):
            if source in slot.nodes or target in slot.nodes:
                trouble = self._link((source, target))
                if trouble != LinkTrouble():
                    links.setdefault(source, {})[target] = trouble
        nodes = {name: self._node(slot, name) for name in slot.nodes}
        return Conditions(
            version, links, {name: trouble for name, trouble in nodes.items() if trouble != NodeTrouble()}
        )

    def _link(self, pair: Pair) -> LinkTrouble:
        lossy = self._lossy.get(pair, ())
        return LinkTrouble(
            cut=self._cuts[pair] > 0,
            loss=max((each.loss for each in lossy), default=0.0),
            duplication=max((each.duplication for each in lossy), default=0.0),
            extra=tuple(self._extra.get(pair, ())),
        )

    def _node(self, slot: Slot, name: str) -> NodeTrouble:
        by_signal = slot.alone and (slot.seat is None or slot.seat.here)
        return NodeTrouble(
            paused=bool(self._paused.get(name)),
            slow=1.0 if by_signal else max(self._slow.get(name) or (1.0,)),
            slow_disk=self._slow_disk[name],
            disk_full=self._full[name] > 0,
            clock_offset=self._offset[name],
            clock_rate=1 + sum(self._ppm.get(name, ())) / 1e6,
        )

    # --- firing ------------------------------------------------------------------------------------------------------

    def fire(self, fault: Fault) -> None:
        """Do it now; those of the simulator alone do nothing."""
        if self.over or isinstance(fault, SIM_ONLY):
            return
        method = getattr(self, "_fire_" + str(type(fault).__struct_config__.tag).replace("-", "_"))
        method(fault)

    def _names(self, target: str) -> list[str]:
        supervisor = self.supervisor
        everybody = (*supervisor.servers, *supervisor.clients)
        return list(
            resolve(
                target,
                rng=self.rng,
                servers=supervisor.servers,
                clients=supervisor.clients,
                up=[name for name in everybody if name not in supervisor.down],
                leader=supervisor.leader() if target.removeprefix(HOST) in ("leader", "follower") else None,
                zones=self.zones,
                shares=lambda server: supervisor.where[server].nodes,
            )
        )

    def _up(self, names: list[str]) -> list[str]:
        return [name for name in names if name not in self.supervisor.down]

    def _record(
        self,
        fault: Fault,
        names: list[str],
        length: int | None,
        undo: Callable[[], None],
        start: int = 0,
        how: str = "",
    ) -> int:
        """Note the fault, and undo it ``length`` ns after it began (never, if None); its number."""
        number = len(self.records)
        start = start or monotonic_ns()
        self._undo[number] = undo
        tag = str(type(fault).__struct_config__.tag)
        self.records.append(
            {
                "kind": tag,
                "targets": tuple(names),
                "start": start,
                "end": None,
                "detail": format_fault(fault),
                "how": how,
                "note": "",
                "respawned": None,
            }
        )
        if length is not None:
            self.at(start + length, lambda: self._finish(number))
        return number

    def _finish(self, number: int) -> None:
        undo = self._undo.pop(number, None)
        if undo is not None:
            undo()
            if number not in self._pending and self.records[number]["end"] is None:
                self.records[number]["end"] = monotonic_ns()

    def _boot(self, names: list[str], number: int = -1, at: int = 0) -> None:
        """Boot those that the fault of that number has killed, at ``at`` or as soon as processes are there for them.

        What has been down for another fault stays so. Nothing else waits for it.
        """
        mine = [name for name in names if self._owner.get(name) == number]
        if not self.over and not self.supervisor.can_boot(mine):
            self._pending.add(number)
            self.at(monotonic_ns() + RETRY, lambda: self._boot(names, number))
            return
        if not mine:
            return
        self._pending.discard(number)
        for name in mine:
            del self._owner[name]
        booted = self.supervisor.boot(mine, at)
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
        woken = [name for name in up if self._paused.pop(name, None)]
        hit = self.supervisor.kill(names)
        self._owner.update(dict.fromkeys(up, number))
        if woken:
            self.supervisor.impose()
        return hit

    def _boot_restarted(self, hit: Hit, number: int) -> None:
        """Where Ray restarts processes, their nodes boot as soon as it has."""
        if self.supervisor.by_ray and hit.processes:
            self._pending.add(number)
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
                    self._paused.setdefault(name, set()).add(number)
        if logical:
            self.supervisor.impose()

        def undo() -> None:
            for seat in seats:
                self._stopped[seat].discard(number)
                if not self._stopped[seat]:  # another pause of the same process may go on
                    del self._stopped[seat]
                    self.supervisor.resume(seat)
            for name in logical:
                self._paused.get(name, set()).discard(number)
            if logical:
                self.supervisor.impose()

        self._record(fault, names, fault.length, undo, start, how(bool(seats), bool(logical)))

    def _fire_slow_node(self, fault: spec.SlowNode) -> None:
        """Overlapping ones do not multiply: the slowest counts."""
        names = self._up(self._names(fault.target))
        for name in names:
            self._slow.setdefault(name, []).append(fault.factor)
        self._set_speeds(names)

        def undo() -> None:
            for name in names:
                self._slow[name].remove(fault.factor)
            self._set_speeds(names)

        self._record(fault, names, fault.length, undo)

    def _set_speeds(self, names: list[str]) -> None:
        logical = False
        for name in names:
            duty = self._duty.pop(name, None)
            if duty is not None:
                duty.stop()
            slot = self.supervisor.where[name]
            factor = max(self._slow.get(name) or (1.0,))
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

    # --- links -------------------------------------------------------------------------------------------------------

    def _cut(self, fault: Fault, names: list[str], pairs: list[Pair], length: int) -> None:
        start = monotonic_ns()
        self._cuts.update(pairs)
        self.supervisor.impose()

        def undo() -> None:
            self._cuts.subtract(pairs)
            self.supervisor.impose()

        self._record(fault, names, length, undo, start)

    def _fire_partition(self, fault: spec.Partition) -> None:
        self._split(fault, self.supervisor.clients)

    def split_servers(self, fault: spec.Partition) -> None:
        """A partition among the servers only; clients still reach all of them."""
        self._split(fault, ())

    def _split(self, fault: spec.Partition, clients: tuple[str, ...]) -> None:
        names = self._names(fault.target)
        pairs = partition_groups(fault.shape, names, list(self.supervisor.servers), list(clients), self.rng)
        self._cut(fault, names, sorted(pairs), fault.length)

    def _fire_retry_storm(self, fault: spec.RetryStorm) -> None:
        clients, servers = self.supervisor.clients, self.supervisor.servers
        pairs = [pair for client in clients for server in servers for pair in ((client, server), (server, client))]
        self._cut(fault, list(clients), pairs, fault.length)

    def _links_of(self, names: list[str]) -> list[Pair]:
        servers = set(self.supervisor.servers)
        everybody = (*self.supervisor.servers, *self.supervisor.clients)
        return [
            pair
            for name in names
            for other in everybody
            if other != name and (name in servers or other in servers)
            for pair in ((name, other), (other, name))
        ]

    def _fire_slow_link(self, fault: spec.SlowLink) -> None:
        names = self._names(fault.target)
        self._trouble_links(fault, names, self._extra, fault.extra, fault.length)

    def _fire_lossy_link(self, fault: spec.LossyLink) -> None:
        names = self._names(fault.target)
        self._trouble_links(fault, names, self._lossy, fault, fault.length)

    def _trouble_links(
        self, fault: Fault, names: list[str], table: dict[Pair, list[Any]], what: Any, length: int
    ) -> None:
        start = monotonic_ns()
        pairs = self._links_of(names)
        for pair in pairs:
            table.setdefault(pair, []).append(what)
        self.supervisor.impose()

        def undo() -> None:
            for pair in pairs:
                table[pair].remove(what)
            self.supervisor.impose()

        self._record(fault, names, length, undo, start)

    # --- disks and clocks --------------------------------------------------------------------------------------------

    def _counted(self, fault: Fault, names: list[str], table: Counter[str], amount: int, length: int) -> None:
        start = monotonic_ns()
        for name in names:
            table[name] += amount
        self.supervisor.impose()

        def undo() -> None:
            for name in names:
                table[name] -= amount
            self.supervisor.impose()
            if table is self._full:
                where = self.supervisor.where  # those that died of it, in processes that live
                self.supervisor.boot([name for name in names if name not in self._owner and where[name].up])

        self._record(fault, names, length, undo, start)

    def _fire_slow_disk(self, fault: spec.SlowDisk) -> None:
        self._counted(fault, self._names(fault.target), self._slow_disk, fault.extra, fault.length)

    def _fire_full_disk(self, fault: spec.FullDisk) -> None:
        self._counted(fault, self._up(self._names(fault.target)), self._full, 1, fault.length)

    def _fire_clock_jump(self, fault: spec.ClockJump) -> None:
        names = self._names(fault.target)
        for name in names:
            self._offset[name] += fault.offset
        self.supervisor.impose()
        self._record(fault, names, 0, lambda: None)

    def _fire_clock_drift(self, fault: spec.ClockDrift) -> None:
        names = self._names(fault.target)
        for name in names:
            self._ppm.setdefault(name, []).append(fault.ppm)
        self.supervisor.impose()

        def undo() -> None:
            for name in names:
                self._ppm[name].remove(fault.ppm)
            self.supervisor.impose()

        self._record(fault, names, fault.length, undo)
