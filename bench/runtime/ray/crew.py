"""Who is where in one trial, and calls to them: the places of its processes, whoever fills them now.

:mod:`.supervisor` fills and empties them. Every wait is bounded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from protocols.family import Family

from ...errors import HarnessError
from ...trial import Trial
from ...workload.generator import split
from .orders import Event, NodeStatus
from .pool import Pool
from .seat import answers
from .slots import Slot, enumeration

LOOK_S = 0.25
"""Seconds to wait for nodes to show who leads."""
ALONE_UP_TO = 10
"""Servers up to which each has a process of its own, if the trial does not say."""
PER_HOST = 10
"""Nodes a process above that."""


class Crew:
    """The places of one trial.

    Attributes:
        slots: all hosts by name; ``where``: by node.
        generators: those that drive the load; ``generator`` is the first.
        down: nodes that are dead.
        given_up: why the trial is to end now; empty while it is not.
        on_event: called with what hosts tell.
    """

    def __init__(self, trial: Trial, family: Family, pool: Pool) -> None:
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
        self.given_up = ""
        self.on_event: Callable[[Event], None] = lambda event: None

    # --- who is where ------------------------------------------------------------------------------------------------

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
