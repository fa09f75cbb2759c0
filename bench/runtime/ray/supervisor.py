"""Gives a trial's nodes to host processes, kills and restarts them. Every wait is bounded."""

from __future__ import annotations

import secrets
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Collection, Iterable

import msgspec

from protocols.family import Family

from ...errors import HarnessError
from ...faults.targets import zones_of
from ...trial import Trial
from .clocks import Clocks
from .crew import LOOK_S, Crew
from .hostclock import monotonic_ns
from .orders import Address, Conditions, Peers, Plan, Started
from .pool import CREATE_S, Pool
from .raylink import dump_handle
from .recorders import Recorders
from .seat import Seat, answers
from .slots import Hit, Slot, apart, enumeration, zone_of
from .trust import make_keys

ANSWER_S = 10.0
"""Seconds that a host which is neither stopped nor dead may take to carry out an order."""

_encode = msgspec.msgpack.Encoder().encode


class Supervisor(Crew):
    """The processes of one trial: which of them are there, and which are dead.

    Attributes:
        clocks: of all machines; ``recorders``: those of the generators, once they have processes.
        by_ray: Ray restarts the servers' processes.
        troubles: the faults in force that concern a host, as conditions of a version; :meth:`impose` brings them.
        recovered: node -> records found on its disk at its last boot.
    """

    def __init__(
        self,
        trial: Trial,
        family: Family,
        pool: Pool,
        *,
        early: bool = False,
        unchecked: bool = False,
        corrected: bool = True,
    ) -> None:
        super().__init__(trial, family, pool)
        self.troubles: Callable[[Slot, int], Conditions] = lambda slot, version: Conditions(version)
        self.recovered: dict[str, int] = {}
        self._token = secrets.token_bytes(16)
        self.clocks = Clocks(self._token, corrected=corrected)
        self.recorders = Recorders((), self.clocks)
        self._signing, self._verifying = make_keys((*self.servers, *self.clients))
        self._version = 1
        self._spares = 0
        self._early, self._unchecked = early, unchecked
        self.by_ray = trial.restart == "ray"
        # every trial of a session has folders of its own: a slow removal cannot hit its successor
        self.folder = pool.cluster.folder / secrets.token_hex(4)

    # --- the beginning and the end -----------------------------------------------------------------------------------

    def start(self, spares: int) -> None:
        """Fill all places and boot all nodes; ``spares`` processes more stand ready for restarts.

        Raises:
            HarnessError: a process does not start.
        """
        self._spares = spares
        # the spares too: creating one during the load would disturb what is measured
        trial = self.trial
        zones = zones_of(trial.network, self.servers, self.clients)
        machines = self.pool.plan([zone_of(slot, zones) for slot in self.slots.values()])
        machines = apart(machines, len(self.generators), self.pool.places)
        for slot, machine in zip(self.slots.values(), machines, strict=True):
            slot.machine = machine
        count = len(self.slots) - len(self.generators)
        if self.by_ray:  # it restarts servers; the load's processes are not to die, so that it shows if one does
            self.pool.ensure(machines[count:])
            seats = self.pool.take(machines[:count], restarts=True) + self.pool.take(machines[count:])
        else:
            seats = self.pool.take([*machines, *self._spare_machines()])
        warm = {f"process {seat.pid}": seat.actor.warm.remote(trial.protocol, trial.mutant or "") for seat in seats}
        answers(warm, ANSWER_S, f"to import {trial.protocol}")
        self.pool.give_back(seats[len(self.slots) :])
        for slot, seat in zip(self.slots.values(), seats, strict=False):
            self._seat(slot, seat)
        answers({name: slot.prepared for name, slot in self.slots.items()}, ANSWER_S, "to prepare")
        self.clocks.begin(slot.seat for slot in self.slots.values() if slot.seat is not None)
        self.recorders = Recorders(self.generators, self.clocks)
        self._boot(self.slots.values())
        for slot in self.slots.values():
            self._watch(slot)

    def _spare_machines(self) -> list[str]:
        """The Ray nodes of the spares: each can only take over places of its own machine, so each machine has some."""
        servers = Counter(slot.machine for slot in self.slots.values() if not slot.generator)
        if len(servers) == 1:
            return self._spares * list(servers)
        return [machine for machine, here in servers.items() for _ in range(min(self._spares, here))]

    def _seat(self, slot: Slot, seat: Seat) -> None:
        self.clocks.admit(seat)
        slot.seat = seat
        slot.life += 1
        slot.pids.append(seat.pid)
        slot.up = False
        plan = Plan(
            trial=self.trial,
            token=self._token,
            host=slot.name,
            life=slot.life,
            nodes=slot.nodes,
            servers=self.servers,
            clients=self.clients,
            folder=str(self.pool.folder(seat, self.folder)),
            peers=self._peers(),
            conditions=self.troubles(slot, self._version),
            signing={name: self._signing[name] for name in slot.nodes},
            verifying=self._verifying,
            generate=slot.generator,
            part=slot.part,
            early=self._early,
            unchecked=self._unchecked,
        )
        slot.prepared = seat.actor.prepare.remote(_encode(plan))

    def _peers(self) -> Peers:
        addresses = []
        for slot in self.slots.values():
            if slot.seat is not None and slot.seat.greeting is not None and slot.seat.alive:
                greeting = slot.seat.greeting
                handle = dump_handle(slot.seat.actor) if self.trial.link == "ray" else b""
                addresses.append(Address(slot.name, slot.life, greeting.ip, greeting.port, slot.nodes, handle))
        return Peers(self._version, tuple(addresses))

    def _boot(self, slots: Iterable[Slot], at: int = 0, nodes: Collection[str] = ()) -> int:
        """Boot these places, or only these ``nodes`` there, at ``at``, or now; when that was (ns)."""
        chosen = list(slots)
        self._version += 1
        peers = _encode(self._peers())
        for slot in self.slots.values():
            if slot.seat is not None and slot.seat.alive:
                slot.seat.actor.set_peers.remote(peers)
        refs = {
            slot.name: slot.seat.actor.boot.remote(
                at + slot.seat.offset, [node for node in slot.nodes if node in nodes]
            )
            for slot in chosen
            if slot.seat is not None
        }
        booted = 0
        for name, answer in answers(refs, ANSWER_S, "to boot").items():
            started = msgspec.msgpack.decode(answer, type=Started)
            self.recovered |= started.recovered
            slot = self.slots[name]
            slot.up = True
            booted = max(booted, started.at - (slot.seat.offset if slot.seat is not None else 0))
        return booted

    def end(self) -> None:
        """Everybody leaves the trial; processes that are alive go back to the pool, and the dead are replaced."""
        self.clocks.close()
        missing = 0
        refs = {}
        for slot in self.slots.values():
            if slot.heir is not None:  # Ray need not finish
                self.pool.kill(slot.heir)
                slot.heir = None
            if slot.seat is None or not slot.seat.alive:
                missing += 1
                continue
            if slot.seat.stopped:
                self._continue(slot.seat)
            refs[slot.name] = slot.seat.actor.end.remote()
        done = answers(refs, ANSWER_S, "to leave the trial", strict=False)
        for slot in self.slots.values():
            seat = slot.seat
            if seat is None or not seat.alive:
                continue
            if slot.name in done:
                self.pool.give_back([seat])
            else:
                self.pool.kill(seat)  # it hangs: the next trial gets another one
                missing += 1
        if refs and missing:
            # ready by the time the next trial begins, perhaps
            servers = [slot.machine for slot in self.slots.values() if not slot.generator]
            load = [slot.machine for slot in self.generators]
            if self.by_ray:
                self.pool.ensure(servers, restarts=True)
                self.pool.ensure(load)
            else:
                self.pool.ensure([*servers, *load, *self._spare_machines()])
        shutil.rmtree(self.folder, ignore_errors=True)

    def abandon(self) -> None:
        """There is no time to ask anybody to leave: all processes of the trial are killed."""
        for slot in self.slots.values():
            for seat in (slot.seat, slot.heir):
                if seat is not None and seat.alive:
                    self.pool.kill(seat)

    # --- killing and reviving ----------------------------------------------------------------------------------------

    def impose(self) -> None:
        """Bring the faults in force to all hosts, and wait a moment until those that can have taken notice."""
        self._version += 1
        refs = {}
        for slot in self.slots.values():
            if slot.seat is not None and slot.seat.alive:
                ref = slot.seat.actor.set_conditions.remote(_encode(self.troubles(slot, self._version)))
                if not slot.seat.stopped:
                    refs[slot.name] = ref
        answers(refs, LOOK_S, "to take notice of a fault", strict=False)

    def kill(self, nodes: Iterable[str]) -> Hit:
        """Kill those that are up, all at once; who was hit. A process all of whose nodes are meant dies (SIGKILL).

        In a process that goes on, only the nodes die: what they had in memory is gone, and their peers are told.

        Raises:
            HarnessError: a process does not carry that out.
        """
        meant = set(nodes)
        hit = Hit([], [])
        struck: list[Slot] = []
        refs = {}
        for slot in self.slots.values():
            mine = [node for node in slot.nodes if node in meant and node not in self.down]
            if not mine or slot.seat is None:
                continue
            if slot.within(meant):
                slot.up = False
                slot.watch = None
                slot.orders.clear()
                slot.killed = set(mine)
                if slot.seat.restarts:
                    slot.heir = self.pool.strike(slot.seat)
                else:
                    self.pool.kill(slot.seat)
                struck.append(slot)
                hit.processes.extend(mine)
            else:
                ref = slot.seat.actor.crash.remote(mine)
                slot.orders.append(ref)
                if not slot.seat.stopped:  # else it will hear that before it handles anything else of theirs
                    refs[slot.name] = ref
                hit.logical.extend(mine)
        self.down.update(hit.processes, hit.logical)
        answers(refs, ANSWER_S, "to crash some of its nodes")
        for slot in struck:
            slot.seat = None
            self._prepare_successor(slot)
        return hit

    def _prepare_successor(self, slot: Slot) -> None:
        """Give the place to a process that is ready, a spare or the one that Ray has restarted.

        It boots its nodes when it is told to; their disks are read only then.
        """
        if slot.heir is not None:
            self._inherit(slot)
            return
        seat = self.pool.spare(slot.machine)
        if seat is not None:
            self._seat(slot, seat)
        else:
            self.pool.ensure([slot.machine])

    def _inherit(self, slot: Slot, timeout_s: float = 0.0) -> None:
        """Give the place to the process that Ray starts there, if it is ready in time."""
        heir = slot.heir
        if heir is not None and self.pool.reborn(heir, timeout_s):
            slot.heir = None
            self._seat(slot, heir)

    def can_boot(self, nodes: Iterable[str]) -> bool:
        """Whether processes are there for all of those that are down; if not, they are being created."""
        dead = [node for node in nodes if node in self.down]
        ready = True
        for slot in {self.where[node].name: self.where[node] for node in dead}.values():
            if slot.up:  # the process lives, but hears nothing while it is stopped
                ready = ready and not (slot.seat is not None and slot.seat.stopped)
            elif slot.killed.isdisjoint(dead):
                ready = False  # crashed before its process was killed: that has to be back first
            elif slot.seat is None:
                self._prepare_successor(slot)
                ready = ready and slot.seat is not None
        return ready

    def boot(self, nodes: Iterable[str], at: int = 0) -> int:
        """Boot those of them that are down, with what their disks hold; waits until processes are there for them.

        Args:
            nodes: up or down.
            at: ns; not before then.

        Returns:
            when the last of them booted, ns.

        Raises:
            HarnessError: a process does not start.
        """
        dead = {node: self.where[node] for node in nodes if node in self.down}
        slots = {slot.name: slot for slot in dead.values()}
        fresh = [slot for slot in slots.values() if not slot.up]
        # nodes whose process lives on: they share it, or crashed by their own doing
        others = [slot for slot in slots.values() if slot.up]
        for slot in fresh:
            self._fill(slot)
        answers({slot.name: slot.prepared for slot in fresh}, ANSWER_S, "to prepare")
        booted = 0
        if fresh:
            booted = self._boot(fresh, at, dead)
            for slot in fresh:
                slot.killed.clear()
                self._watch(slot)
        booted = max(booted, self._revive(others, at, dead))
        self.down.difference_update(dead)
        return booted or monotonic_ns()

    def _fill(self, slot: Slot) -> None:
        if slot.seat is None and slot.heir is not None:
            self._inherit(slot, CREATE_S)
            if slot.seat is None:
                who = enumeration(slot.nodes)
                raise HarnessError(f"Ray did not restart the process of {who} within {CREATE_S:g} s")
        elif slot.seat is None:
            self._seat(slot, self.pool.take([slot.machine])[0])

    def _revive(self, slots: Iterable[Slot], at: int, nodes: Collection[str]) -> int:
        """Boot these nodes of processes that are up; when that was, ns."""
        filled = [(slot, slot.seat) for slot in slots if slot.seat is not None]
        # Ray keeps no order: none of these may overtake the order to crash
        crashes = {f"{slot.name} ({number})": ref for slot, _ in filled for number, ref in enumerate(slot.orders)}
        answers(crashes, ANSWER_S, "to crash some of its nodes")
        refs = {}
        for slot, seat in filled:
            slot.orders.clear()
            names = [node for node in slot.nodes if node in nodes]
            refs[slot.name] = seat.actor.revive.remote(names, at + seat.offset)
        booted = 0
        for name, answer in answers(refs, ANSWER_S, "to boot again").items():
            started = msgspec.msgpack.decode(answer, type=Started)
            self.recovered |= started.recovered
            filler = self.slots[name].seat
            booted = max(booted, started.at - (0 if filler is None else filler.offset))
        return booted

    def stop(self, slot: Slot) -> Seat | None:
        """SIGSTOP, if a process on this machine fills the place; the process, to continue it."""
        if slot.generator or slot.seat is None or not slot.seat.here or not slot.up:
            return None
        slot.seat.stopped = True
        slot.seat.signal(signal.SIGSTOP)
        return slot.seat

    def resume(self, seat: Seat) -> None:
        """SIGCONT, if that process still lives."""
        if seat.alive and seat.stopped:
            self._continue(seat)

    def _continue(self, seat: Seat) -> None:
        seat.stopped = False
        seat.signal(signal.SIGCONT)
