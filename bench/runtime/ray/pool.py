"""Host processes, kept between trials: creating one costs a second of CPU, giving it a new part some milliseconds."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from ...address import answers_http2
from ...errors import HarnessError
from ...provenance import code_version
from . import shipping
from .actors import create_host
from .bootstrap import machine_id
from .cluster import Cluster
from .orders import Greeting
from .seat import Seat, first_line
from .shipping import Place

CREATE_S = 60.0
"""Seconds that creating hosts may take."""
LOST_S = 2.0
"""Seconds in which a machine that is there accepts a connection, and its Ray answers."""
_BUNDLE = {"CPU": 0.001}


class Pool:
    """All host processes of one connection to Ray."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._machine = machine_id()
        self._free: list[Seat] = []
        self._taken: list[Seat] = []
        self._reborn: list[Seat] = []  # Ray restarts them; each belongs to the trial that killed its process
        self._groups: list[Any] = []
        self._lost: set[str] = set()
        here = Place(disk=str(cluster.folder.parent), machine=self._machine)
        self._places: dict[str, Place] = {"": here} if cluster.embedded else {}

    @property
    def count(self) -> int:
        """Processes that are alive, or being created."""
        return len(self._free) + len(self._taken) + len(self._reborn)

    @property
    def places(self) -> dict[str, Place]:
        """Where processes can be, by Ray node: all machines of the cluster that are there now, with our code on them.

        Raises:
            UsageError, HarnessError: see :func:`.shipping.survey`.
        """
        if not self.cluster.embedded:
            self._places = shipping.survey(self._places, self._lost)
        return self._places

    def plan(self, zones: Sequence[str | None]) -> list[str]:
        """A Ray node for each of a trial's processes; see :func:`.shipping.spread`."""
        return shipping.spread(self.places.values(), zones)

    def begin(self, count: int) -> None:
        """Start to create ``count`` more, where there are fewest; :meth:`take` waits for them. Ray restarts none."""
        if count <= 0:
            return
        load = Counter(dict.fromkeys(self.places, 0))
        load.update(seat.place.node for seat in (*self._free, *self._taken) if seat.place.node in load)
        chosen = []
        for _ in range(count):
            chosen.append(min(load, key=lambda node: load[node]))
            load[chosen[-1]] += 1
        self._create(chosen)

    def _create(self, nodes: Sequence[str], restarts: bool = False) -> None:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        if self.cluster.embedded:
            self._create_here(len(nodes), restarts)
            return
        for node in nodes:
            place = self._places[node]
            where = NodeAffinitySchedulingStrategy(node, soft=False)
            actor = create_host(
                "", code=place.code, restarts=restarts, num_cpus=_BUNDLE["CPU"], scheduling_strategy=where
            )
            self._free.append(Seat(actor, place, restarts=restarts))

    def _create_here(self, count: int, restarts: bool) -> None:
        from ray.util.placement_group import placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        if not count:
            return
        group = placement_group([_BUNDLE] * count, strategy="PACK")
        self._groups.append(group)
        for index in range(count):
            where = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=index)
            actor = create_host(
                self.cluster.ip or "", restarts=restarts, num_cpus=_BUNDLE["CPU"], scheduling_strategy=where
            )
            self._free.append(Seat(actor, self._places[""], restarts=restarts))

    def _idle(self, restarts: bool) -> list[Seat]:
        """Those of one kind that nobody has."""
        return [seat for seat in self._free if seat.restarts is restarts]

    def ensure(self, nodes: Sequence[str], *, restarts: bool = False) -> None:
        """Create what is lacking until there is a free one for each of these Ray nodes, without waiting for them."""
        lacking = Counter(nodes) - Counter(seat.place.node for seat in self._idle(restarts))
        self._create([node for node in lacking.elements() if node in self._places], restarts)

    def take(self, where: int | Sequence[str], timeout_s: float = CREATE_S, *, restarts: bool = False) -> list[Seat]:
        """A free and ready one on each of these Ray nodes, in their order; see :meth:`plan`. Or so many, anywhere.

        Args:
            where: Ray nodes, or how many.
            timeout_s: to wait for them.
            restarts: those that Ray restarts whenever they die; else those that it never does.

        Raises:
            HarnessError: they are not there in time, or a machine is lost.
        """
        nodes = self.plan([None] * where) if isinstance(where, int) else where
        for node in nodes:
            if node not in self._places:
                raise HarnessError(f"Ray node {node[:8]} is no longer part of the cluster")
        self.ensure(nodes, restarts=restarts)
        wanted = Counter(nodes)
        deadline = time.monotonic() + timeout_s
        while lacking := wanted - Counter(
            seat.place.node for seat in self._idle(restarts) if seat.greeting is not None
        ):
            left = deadline - time.monotonic()
            if left <= 0:
                ready = len(nodes) - lacking.total()
                raise HarnessError(f"only {ready} of {len(nodes)} host processes started within {timeout_s:g} s")
            self.poll(min(left, 0.5))
        chosen = []
        for node in nodes:
            idle = self._idle(restarts)
            seat = next(each for each in idle if each.greeting is not None and each.place.node == node)
            self._free.remove(seat)
            chosen.append(seat)
        self._taken += chosen
        return chosen

    def spare(self, node: str) -> Seat | None:
        """One that is ready on that Ray node now, or None."""
        self.poll(0)
        ready = any(seat.greeting is not None and seat.place.node == node for seat in self._idle(False))
        return self.take([node], 0)[0] if ready else None

    def folder(self, seat: Seat, folder: Path) -> Path:
        """What one of our folders is called where that process is: each machine has a disk of its own."""
        return Path(seat.place.disk) / folder.relative_to(self.cluster.folder.parent)

    def lose(self, machines: Iterable[str]) -> list[Place]:
        """Look which of these Ray nodes are gone, and give up what was there; the places.

        Their disks are out of reach, so nothing that ran there can be started elsewhere.
        """
        import ray

        if self.cluster.embedded:
            return []
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}  # type: ignore[no-untyped-call]
        gone = [
            place
            for place in (self._places[node] for node in dict.fromkeys(machines) if node in self._places)
            if place.node not in alive or not answers_http2(place.ip, place.port, LOST_S)
        ]
        for place in gone:
            self._lost.add(place.node)
            self._places.pop(place.node, None)
            for seat in [each for each in (*self._free, *self._taken, *self._reborn) if each.place == place]:
                self.kill(seat)
        return gone

    def poll(self, timeout_s: float) -> None:
        """See who has become ready; wait up to ``timeout_s`` for the first."""
        import ray

        waiting = {seat.ref: seat for seat in (*self._free, *self._reborn) if seat.greeting is None}
        if not waiting:
            return
        ready, _ = ray.wait(list(waiting), num_returns=1, timeout=timeout_s)
        if ready:
            ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0)
        for ref in ready:
            seat = waiting[ref]
            try:
                greeting = msgspec.msgpack.decode(ray.get(ref), type=Greeting)
            except Exception as error:
                (self._reborn if seat in self._reborn else self._free).remove(seat)
                raise HarnessError(f"a host process did not start: {first_line(error)}") from error
            if seat.last == greeting.pid:  # answered by the process that was about to die
                seat.ref = seat.actor.hello.options(max_task_retries=-1).remote(bool(seat.place.node))
                continue
            if seat.last and seat.place.node and greeting.ray_node != seat.place.node:
                raise HarnessError(f"Ray restarted a process of {seat.place.name} on another machine, without its disk")
            seat.greeting = greeting
            if seat.place.node:
                shipping.same_code(greeting.code, code_version(), seat.place.name)
            seat.here = seat.place.machine == self._machine and _can_signal(greeting.pid)
            if seat.here:
                self.cluster.started(greeting.pid)

    def give_back(self, seats: Iterable[Seat]) -> None:
        """They are idle again."""
        for seat in seats:
            if seat in self._taken and seat.alive:
                self._taken.remove(seat)
                self._free.append(seat)

    def kill(self, seat: Seat) -> None:
        """SIGKILL, now, and for good; on another machine through Ray, which takes a moment."""
        import ray

        seat.alive = False
        if seat.restarts or not seat.here:
            ray.kill(seat.actor)  # Ray is to know before the process dies, else it starts another
        if seat.here:
            seat.signal(signal.SIGKILL)
            self.cluster.ended(seat.pid)
        for seats in (self._free, self._taken, self._reborn):
            if seat in seats:
                seats.remove(seat)

    def strike(self, seat: Seat) -> Seat:
        """SIGKILL of a process that Ray restarts, at once: the seat of the process to come, for :meth:`reborn`."""
        import ray

        seat.alive = False
        if seat.here:
            seat.signal(signal.SIGKILL)
            self.cluster.ended(seat.pid)
        else:
            ray.kill(seat.actor, no_restart=False)
        self._taken.remove(seat)
        heir = Seat(seat.actor, seat.place, restarts=True, last=seat.pid)
        self._reborn.append(heir)
        return heir

    def reborn(self, heir: Seat, timeout_s: float = 0.0) -> bool:
        """Whether that process is there; it is taken then.

        Raises:
            HarnessError: Ray has not restarted it, or elsewhere.
        """
        deadline = time.monotonic() + timeout_s
        self.poll(0)
        while heir.greeting is None and (left := deadline - time.monotonic()) > 0:
            self.poll(min(left, 0.5))
        if heir.greeting is not None and heir in self._reborn:
            self._reborn.remove(heir)
            self._taken.append(heir)
        return heir.greeting is not None

    def close(self) -> None:
        """Wake who is stopped, kill all."""
        import ray
        from ray.util.placement_group import remove_placement_group

        for seat in [*self._free, *self._taken, *self._reborn]:
            if seat.greeting is not None:
                self.kill(seat)
            else:
                with contextlib.suppress(Exception):
                    ray.kill(seat.actor)
        self._free.clear()
        self._taken.clear()
        self._reborn.clear()
        for group in self._groups:
            with contextlib.suppress(Exception):
                remove_placement_group(group)
        self._groups.clear()
        session = self.cluster.folder
        away = {
            place.node: str(Path(place.disk) / session.name)
            for place in self._places.values()
            if place.machine != self._machine or Path(place.disk) != session.parent
        }
        with contextlib.suppress(Exception):
            shipping.remove_folders(away)


def _can_signal(pid: int) -> bool:
    """Whether the process is one of ours to kill and stop."""
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
