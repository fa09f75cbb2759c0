"""Who runs where: gives a trial's nodes to host processes, kills, restarts and asks them. Every wait is bounded."""

from __future__ import annotations

import secrets
import shutil
import signal
import time
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from protocols.family import Family

from ...errors import HarnessError
from ...trial import Trial
from .orders import Address, Conditions, Event, NodeStatus, Peers, Plan, Started
from .pool import Pool, Seat, answers

ANSWER_S = 10.0
"""Seconds that a host which is neither stopped nor dead may take to carry out an order."""
LOOK_S = 0.25
"""Seconds to wait for nodes to show who leads."""
ALONE_UP_TO = 10
"""Servers up to which each has a process of its own, if the trial does not say."""
PER_HOST = 10
"""Nodes a process above that."""

_encode = msgspec.msgpack.Encoder().encode


class Slot:
    """A host's place in the trial, whichever process fills it.

    Attributes:
        seat: the process; None while the place is empty.
        life: how many processes have filled it so far.
        up: its nodes have been booted in this process.
        alone: one server has the process to itself, so crashes and pauses are signals.
        pids: of all processes that have filled it, in order.
    """

    def __init__(self, name: str, nodes: tuple[str, ...], *, generator: bool) -> None:
        self.name = name
        self.nodes = nodes
        self.generator = generator
        self.alone = len(nodes) == 1 and not generator
        self.seat: Seat | None = None
        self.life = 0
        self.up = False
        self.pids: list[int] = []
        self.prepared: Any = None
        self.watch: Any = None


class Supervisor:
    """The processes of one trial.

    Attributes:
        slots: all hosts by name; ``where``: by node.
        down: nodes that are dead.
        conditions: the faults in force, as :meth:`impose` set them last.
        on_event: called with what hosts tell.
    """

    def __init__(
        self, trial: Trial, family: Family, pool: Pool, *, early: bool = False, unchecked: bool = False
    ) -> None:
        self.trial = trial
        self.family = family
        self.pool = pool
        self.servers = tuple(f"n{number + 1}" for number in range(trial.nodes))
        self.clients = tuple(f"c{number + 1}" for number in range(trial.workload.clients))
        self.slots: dict[str, Slot] = {}
        per_host = trial.actor_nodes or (1 if trial.nodes <= ALONE_UP_TO else PER_HOST)
        for first in range(0, trial.nodes, per_host):
            name = f"h{len(self.slots) + 1}"
            self.slots[name] = Slot(name, self.servers[first : first + per_host], generator=False)
        self.slots["g1"] = self.generator = Slot("g1", self.clients, generator=True)
        self.where = {node: slot for slot in self.slots.values() for node in slot.nodes}
        self.down: set[str] = set()
        self.troubles: Callable[[Slot, int], Conditions] = lambda slot, version: Conditions(version)
        self.on_event: Callable[[Event], None] = lambda event: None
        self.recovered: dict[str, int] = {}
        self._token = secrets.token_bytes(16)
        self._version = 1
        self._spares = 0
        self._early, self._unchecked = early, unchecked
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
        seats = self.pool.take(len(self.slots) + spares)
        trial = self.trial
        warm = {f"process {seat.pid}": seat.actor.warm.remote(trial.protocol, trial.mutant or "") for seat in seats}
        answers(warm, ANSWER_S, f"to import {trial.protocol}")
        self.pool.give_back(seats[len(self.slots) :])
        for slot, seat in zip(self.slots.values(), seats, strict=False):
            self._seat(slot, seat)
        answers({name: slot.prepared for name, slot in self.slots.items()}, ANSWER_S, "to prepare")
        self._boot(self.slots.values())
        for slot in self.slots.values():
            self._watch(slot)

    def _seat(self, slot: Slot, seat: Seat) -> None:
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
            folder=str(self.folder),
            peers=self._peers(),
            conditions=self.troubles(slot, self._version),
            generate=slot.generator,
            early=self._early,
            unchecked=self._unchecked,
        )
        slot.prepared = seat.actor.prepare.remote(_encode(plan))

    def _peers(self) -> Peers:
        addresses = []
        for slot in self.slots.values():
            if slot.seat is not None and slot.seat.greeting is not None and slot.seat.alive:
                greeting = slot.seat.greeting
                addresses.append(Address(slot.name, slot.life, greeting.ip, greeting.port, slot.nodes))
        return Peers(self._version, tuple(addresses))

    def _boot(self, slots: Iterable[Slot], at: int = 0) -> int:
        """Boot these places at ``at``, or now; when that was (ns)."""
        chosen = list(slots)
        self._version += 1
        peers = _encode(self._peers())
        for slot in self.slots.values():
            if slot.seat is not None and slot.seat.alive:
                slot.seat.actor.set_peers.remote(peers)
        refs = {
            slot.name: slot.seat.actor.boot.remote(at + slot.seat.offset) for slot in chosen if slot.seat is not None
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
        missing = 0
        refs = {}
        for slot in self.slots.values():
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
            self.pool.ensure(len(self.slots) + self._spares)  # ready by the time the next trial begins, perhaps
        shutil.rmtree(self.folder, ignore_errors=True)

    def abandon(self) -> None:
        """There is no time to ask anybody to leave: all processes of the trial are killed."""
        for slot in self.slots.values():
            if slot.seat is not None and slot.seat.alive:
                self.pool.kill(slot.seat)

    # --- asking ------------------------------------------------------------------------------------------------------

    def running(self, slot: Slot) -> bool:
        """Whether a process fills the place and can answer."""
        return slot.seat is not None and slot.seat.alive and not slot.seat.stopped and slot.up

    def ask(self, method: str, *arguments: Any, servers_only: bool = False) -> dict[str, Any]:
        """Start a call at every host that can answer; see :func:`.pool.answers`."""
        return {
            slot.name: getattr(slot.seat.actor, method).remote(*arguments)
            for slot in self.slots.values()
            if slot.seat is not None and self.running(slot) and not (servers_only and slot.generator)
        }

    def tell(self, node: str, method: str, *arguments: Any) -> None:
        """An order to one node's host, without waiting: it may be stopped, and will hear it when it continues."""
        slot = self.where[node]
        if slot.seat is not None and slot.seat.alive:
            getattr(slot.seat.actor, method).remote(*arguments)

    def leader(self) -> str | None:
        """The server that leads in the highest term, as far as those that answer show; those that are cut off too."""
        if self.family.leader is None:
            return None
        found: list[NodeStatus] = []
        for answer in answers(self.ask("status", servers_only=True), LOOK_S, "who leads", strict=False).values():
            found += msgspec.msgpack.decode(answer, type=list[NodeStatus])
        leaders = [status for status in found if status.leads]
        return max(leaders, key=lambda status: (status.term, status.name)).name if leaders else None

    def wait_for_mark(self, name: str, timeout_s: float) -> bool:
        """Whether a server makes that mark in time."""
        import ray

        refs = list(self.ask("marked", name, servers_only=True).values())
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            watched = [slot.watch for slot in self.slots.values() if slot.watch is not None]
            ready, _ = ray.wait([*refs, *watched], num_returns=1, timeout=left)
            if any(ref in refs for ref in ready):
                return True
            self.wait(0)
        return False

    # --- events ------------------------------------------------------------------------------------------------------

    def _watch(self, slot: Slot) -> None:
        slot.watch = slot.seat.actor.next_event.remote() if slot.seat is not None and slot.seat.alive else None

    def wait(self, timeout_s: float) -> None:
        """Wait, and hear meanwhile what hosts have to tell; returns after the first such event.

        Raises:
            HarnessError: a process died that nobody has killed, or the runtime itself is broken.
        """
        import ray

        watched = {slot.watch: slot for slot in self.slots.values() if slot.watch is not None}
        if not watched:
            time.sleep(max(0.0, timeout_s))
            return
        ready, _ = ray.wait(list(watched), num_returns=1, timeout=max(0.0, timeout_s))
        for ref in ready:
            slot = watched[ref]
            slot.watch = None
            try:
                event = msgspec.msgpack.decode(ray.get(ref), type=Event)
            except Exception as error:
                if slot.seat is None or not slot.seat.alive:
                    continue
                self.pool.kill(slot.seat)  # whatever is left of it
                who = ", ".join(slot.nodes[:3]) + (" ..." if len(slot.nodes) > 3 else "")
                raise HarnessError(f"the process of {who} died, and no fault had killed it") from error
            self._watch(slot)
            if event.kind == "broken":
                raise HarnessError(f"the runtime broke its own guarantee: {event.reason}")
            if event.kind == "crash":
                self.down.add(event.node)
            self.on_event(event)

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

    def kill(self, nodes: Iterable[str]) -> list[str]:
        """Kill those that are up, all at once; who was hit. A spare process gets ready to take over a killed one."""
        hit = [node for node in nodes if node not in self.down]
        refs = {}
        for node in hit:
            slot = self.where[node]
            if slot.alone and slot.seat is not None:
                slot.up = False
                slot.watch = None
                self.pool.kill(slot.seat)
            elif slot.seat is not None:
                refs[node] = slot.seat.actor.crash.remote(node)
        self.down.update(hit)
        answers(refs, LOOK_S, "to crash", strict=False)
        for node in hit:
            slot = self.where[node]
            if slot.alone:
                slot.seat = None
                self._prepare_successor(slot)
        return hit

    def _prepare_successor(self, slot: Slot) -> None:
        """Give the place to a spare that is ready, which boots when it is told to; the disk is read only then."""
        seat = self.pool.spare()
        if seat is not None:
            self._seat(slot, seat)
        else:
            self.pool.ensure(1)

    def can_boot(self, nodes: Iterable[str]) -> bool:
        """Whether processes are there for all of those that are down; if not, they are being created."""
        empty = [self.where[node] for node in nodes if node in self.down]
        empty = [slot for slot in empty if slot.alone and slot.seat is None]
        for slot in empty:
            self._prepare_successor(slot)
        return all(slot.seat is not None for slot in empty)

    def boot(self, nodes: Iterable[str], at: int = 0) -> int:
        """Boot those of them that are down, with what their disks hold; waits until processes are there for them.

        Args:
            nodes: up or down.
            at: ns; where a process of its own waits for each, not before then.

        Returns:
            when the last of them booted, ns.

        Raises:
            HarnessError: a process does not start.
        """
        booted = time.monotonic_ns()
        dead = [node for node in nodes if node in self.down]
        alone = [self.where[node] for node in dead if self.where[node].alone and not self.where[node].up]
        for slot in alone:
            if slot.seat is None:
                self._seat(slot, self.pool.take(1)[0])
        answers({slot.name: slot.prepared for slot in alone}, ANSWER_S, "to prepare")
        if alone:
            booted = self._boot(alone, at)
            for slot in alone:
                self._watch(slot)
        # nodes whose process lives on: they share it, or crashed by their own doing
        others = {self.where[node].name for node in dead} - {slot.name for slot in alone}
        refs = {}
        for name in sorted(others):
            seat = self.slots[name].seat
            if seat is not None:
                refs[name] = seat.actor.revive.remote()
        for answer in answers(refs, ANSWER_S, "to boot again").values():
            self.recovered |= msgspec.msgpack.decode(answer, type=Started).recovered
        # revive boots whatever is down on that host
        self.down -= {node for name in others for node in self.slots[name].nodes}
        self.down -= set(dead)
        return booted

    def stop(self, node: str) -> Seat | None:
        """SIGSTOP, if the node has a process of its own on this machine; the process, to continue it."""
        slot = self.where[node]
        if not slot.alone or slot.seat is None or not slot.seat.here or not slot.up:
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
