"""Who runs where: gives a trial's nodes to host processes, kills, restarts and asks them. Every wait is bounded."""

from __future__ import annotations

import secrets
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from protocols.family import Family

from ...errors import HarnessError
from ...faults.targets import zones_of
from ...trial import Trial
from ...workload.generator import Part, split
from .clocks import Clocks
from .hostclock import monotonic_ns
from .orders import Address, Conditions, Event, NodeStatus, Peers, Plan, Started
from .pool import Pool, Seat, answers
from .raylink import dump_handle
from .recorders import Recorders
from .trust import make_keys

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
        machine: the Ray node that has its disk: every process that fills the place is there. Empty if embedded.
        life: how many processes have filled it so far.
        up: its nodes have been booted in this process.
        part: of the load that a generator drives.
        alone: one server has the process to itself, so crashes and pauses are signals.
        pids: of all processes that have filled it, in order.
    """

    def __init__(self, name: str, nodes: tuple[str, ...], *, generator: bool, part: Part | None = None) -> None:
        self.name = name
        self.part = part
        self.nodes = nodes
        self.generator = generator
        self.alone = len(nodes) == 1 and not generator
        self.seat: Seat | None = None
        self.machine = ""
        self.life = 0
        self.up = False
        self.pids: list[int] = []
        self.prepared: Any = None
        self.watch: Any = None


def _zone_of(slot: Slot, zones: Mapping[str, Iterable[str]]) -> str | None:
    """The zone of all nodes of a server's place; None if they are of several, or of none. The load has no zone."""
    found = {zone for zone, members in zones.items() if not slot.generator and not set(members).isdisjoint(slot.nodes)}
    return found.pop() if len(found) == 1 else None


def enumeration(nodes: Sequence[str]) -> str:
    """Some of the names, and how many more there are."""
    shown = ", ".join(nodes[:8])
    return shown if len(nodes) <= 8 else f"{shown} and {len(nodes) - 8} more"


def apart(machines: Sequence[str], generators: int, places: Iterable[str]) -> list[str]:
    """Where each process goes, the last of them generators, which are to be on machines of their own if they can."""
    servers, last = list(machines[: len(machines) - generators]), list(machines[len(machines) - generators :])
    if len(set(last)) < generators:
        load = Counter(dict.fromkeys(places, 0))
        load.update(servers)
        order = sorted(load, key=lambda place: load[place])  # as they come, where these are equal
        last = [order[number % len(order)] for number in range(generators)]
    return servers + last


class Supervisor:
    """The processes of one trial.

    Attributes:
        slots: all hosts by name; ``where``: by node.
        generators: those that drive the load; ``generator`` is the first.
        clocks: of all machines; ``recorders``: those of the generators, once they have processes.
        down: nodes that are dead.
        conditions: the faults in force, as :meth:`impose` set them last.
        on_event: called with what hosts tell.
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
        for part in split(len(self.clients), trial.generators or 1):
            name = f"g{part.number + 1}"
            clients = self.clients[part.first : part.first + part.clients]
            self.slots[name] = Slot(name, clients, generator=True, part=part)
        self.generators = [slot for slot in self.slots.values() if slot.generator]
        self.generator = self.generators[0]
        self.where = {node: slot for slot in self.slots.values() for node in slot.nodes}
        self.down: set[str] = set()
        self.troubles: Callable[[Slot, int], Conditions] = lambda slot, version: Conditions(version)
        self.on_event: Callable[[Event], None] = lambda event: None
        self.recovered: dict[str, int] = {}
        self.given_up = ""  # why the trial is to end now; see .watch
        self._token = secrets.token_bytes(16)
        self.clocks = Clocks(self._token, corrected=corrected)
        self.recorders = Recorders((), self.clocks)
        self._signing, self._verifying = make_keys((*self.servers, *self.clients))
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
        trial = self.trial
        zones = zones_of(trial.network, self.servers, self.clients)
        machines = self.pool.plan([_zone_of(slot, zones) for slot in self.slots.values()])
        machines = apart(machines, len(self.generators), self.pool.places)
        for slot, machine in zip(self.slots.values(), machines, strict=True):
            slot.machine = machine
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

    def lost(self) -> str:
        """What is gone with a machine that nobody has made to fail, in a sentence; empty if all are there."""
        sentences = []
        for place in self.pool.lose(slot.machine for slot in self.slots.values()):
            there = [slot for slot in self.slots.values() if slot.machine == place.node]
            nodes = [node for slot in there for node in (["the load"] if slot.generator else slot.nodes)]
            who = f", and with it {enumeration(nodes)} and what was on its disk" if nodes else ""
            sentences.append(f"the machine {place.name} was lost{who}, and no fault had asked for that")
        return "; ".join(sentences)

    def workers(self) -> list[dict[str, Any]]:
        """What each process on a cluster is, for the provenance; empty if Ray is embedded."""
        return [
            {
                "nodes": enumeration(slot.nodes),
                "pid": greeting.pid,
                "machine": slot.seat.place.ip,
                "ray_node": greeting.ray_node,
                "code": greeting.code,
                "bench": greeting.bench,
                "shipped": bool(slot.seat.place.code),
            }
            for slot in self.slots.values()
            if slot.machine and slot.seat is not None and (greeting := slot.seat.greeting) is not None
        ]

    def whereabouts(self) -> str:
        """Which node is where, and with which code, in a line; empty if Ray is embedded."""
        there: dict[str, list[str]] = {}
        for slot in self.slots.values():
            if slot.machine and slot.seat is not None:
                what = ["the load"] if slot.generator else slot.nodes
                there.setdefault(slot.seat.place.ip, []).extend(what)
        workers = self.workers()
        if not workers:
            return ""
        shipped = sum(worker["shipped"] for worker in workers)
        brought = f", brought to {shipped} of {len(workers)} processes" if shipped else ""
        parts = [f"{enumeration(nodes)} at {ip}" for ip, nodes in there.items()]
        return f"{'; '.join(parts)}; code {workers[0]['code']}{brought}"

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
        self.clocks.close()
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
            # ready by the time the next trial begins, perhaps
            self.pool.ensure([*(slot.machine for slot in self.slots.values()), *self._spare_machines()])
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

    def ask_generators(self, method: str, argument: Any = None) -> dict[str, Any]:
        """Start a call at all generators that are alive, with an argument, or one each in a dict, or none."""
        refs = {}
        for slot in self.generators:
            if slot.seat is not None and slot.seat.alive:
                given = argument[slot.name] if isinstance(argument, dict) else argument
                call = getattr(slot.seat.actor, method)
                refs[slot.name] = call.remote() if given is None else call.remote(given)
        return refs

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

        if self.given_up:
            raise HarnessError(self.given_up)
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
                if slot.generator and len(self.generators) > 1:
                    who += f" ({slot.name}, one of {len(self.generators)} load generators)"
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
        seat = self.pool.spare(slot.machine)
        if seat is not None:
            self._seat(slot, seat)
        else:
            self.pool.ensure([slot.machine])

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
        booted = monotonic_ns()
        dead = [node for node in nodes if node in self.down]
        alone = [self.where[node] for node in dead if self.where[node].alone and not self.where[node].up]
        for slot in alone:
            if slot.seat is None:
                self._seat(slot, self.pool.take([slot.machine])[0])
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
