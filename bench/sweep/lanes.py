"""Live trials side by side: on a cluster with room for several, each lane has machines of its own.

Trials share nothing but the network: a lane has a machine for each of a trial's processes, so that a trial runs as it
would alone on a cluster with room to spare. On a smaller cluster, whose machines each trial shares out among its
processes, and on the embedded Ray of one machine, one trial runs after the other.
"""

from __future__ import annotations

import multiprocessing
import time
from collections import deque
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

import msgspec

from ..errors import HarnessError
from ..trial import Trial
from .live import live_session
from .pools import RETRIES, Done, Tag, _no_main, connect
from .worker import start_worker

SHARED_FROM = 10
"""Servers above which ten share a process; see :class:`bench.trial.Trial`."""
ZONE = "zone:"
START_S = 120.0
"""Seconds that a lane may take to start its session."""


def processes(trial: Trial) -> int:
    """Of a live trial: those of its servers, and those of its load."""
    each = trial.actor_nodes or (1 if trial.nodes <= SHARED_FROM else SHARED_FROM)
    return -(-trial.nodes // each) + max(1, trial.generators)


def divide(machines: Sequence[str], size: int) -> list[list[str]]:
    """Machines in groups of at least so many; what is left over goes to the last group.

    Empty where they do not make two groups.
    """
    count = len(machines) // size
    if count < 2:
        return []
    groups = [list(machines[place * size : (place + 1) * size]) for place in range(count)]
    groups[-1] += machines[count * size :]
    return groups


def survey(address: str | None, trials: Sequence[Trial]) -> list[list[str]]:
    """The Ray nodes of each lane for trials such as these; empty for one trial at a time.

    Where machines stand for zones, all of them may be needed for one trial.

    Raises:
        UsageError: no cluster answers at the address.
    """
    if address is None or not trials:
        return []
    import ray

    ours = not ray.is_initialized()
    if ours:
        connect(address)
    try:
        alive = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) > 0]  # type: ignore[no-untyped-call]
    finally:
        if ours:
            ray.shutdown()
    if any(name.startswith(ZONE) for node in alive for name in node["Resources"]):
        return []
    machines = sorted((node["NodeManagerAddress"], node["NodeID"]) for node in alive)
    return divide([name for _, name in machines], max(map(processes, trials)))


def _lane(pipe: Connection, address: str, besides: Sequence[str]) -> None:
    """A process that runs live trials on its machines until the other end is closed."""
    start_worker()
    with live_session(address, besides) as run_live:
        pipe.send_bytes(b"")
        while True:
            try:
                trial = pipe.recv_bytes()
            except EOFError:
                return
            result = run_live(msgspec.json.decode(trial, type=Trial))
            pipe.send_bytes(msgspec.json.encode(result))


class Lanes:
    """Runs live trials, one a lane at a time; a :class:`bench.sweep.pools.Pool`."""

    def __init__(self, address: str, groups: Sequence[Sequence[str]]) -> None:
        """Start a process a group; each begins its session while the first trials wait."""
        self.name = f"{len(groups)} live trials at once"
        self.workers = len(groups)
        self._address = address
        self._groups = [list(group) for group in groups]
        self._waiting: deque[tuple[Tag, bytes, int]] = deque()
        self._busy: dict[Connection, tuple[Tag, bytes, int]] = {}
        self._ready: list[Connection] = []
        self._lanes: dict[Connection, tuple[Any, int, float]] = {}
        self._deaths = 0
        for number in range(len(groups)):
            self._start(number)

    def _start(self, number: int) -> None:
        besides = [name for other, group in enumerate(self._groups) if other != number for name in group]
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        with _no_main():
            process = context.Process(target=_lane, args=(theirs, self._address, besides))
            process.start()
        theirs.close()
        self._lanes[ours] = (process, number, time.monotonic())

    def submit(self, tag: Tag, trial: bytes) -> None:
        """See :class:`bench.sweep.pools.Pool`."""
        self._waiting.append((tag, trial, 0))
        self._hand_out()

    def _hand_out(self) -> None:
        while self._ready and self._waiting:
            lane, item = self._ready.pop(0), self._waiting.popleft()
            lane.send_bytes(item[1])
            self._busy[lane] = item

    def collect(self, timeout_s: float) -> list[Done]:
        """See :class:`bench.sweep.pools.Pool`.

        Raises:
            HarnessError: no lane starts.
        """
        done: list[Done] = []
        for lane in wait(list(self._lanes), timeout_s):
            assert isinstance(lane, Connection)
            try:
                answer = lane.recv_bytes()
            except (EOFError, OSError):
                done += self._dead(lane)
                continue
            if lane in self._busy:
                done.append((self._busy.pop(lane)[0], answer))
            self._ready.append(lane)
        if not self._ready and not self._busy and not done:
            latest = max((began for _, _, began in self._lanes.values()), default=0.0)
            if time.monotonic() - latest > START_S:
                raise HarnessError(f"no lane for live trials started within {START_S:g} s")
        self._hand_out()
        return done

    def _dead(self, lane: Connection) -> list[Done]:
        """A lane's process died: another takes its place, and its trial; a trial that killed several is given up."""
        process, number, _ = self._lanes.pop(lane)
        process.join(5)
        lane.close()
        self._deaths += 1
        lost = self._busy.pop(lane, None)
        if self._deaths > RETRIES * self.workers:
            raise HarnessError(f"the processes that drive live trials died {self._deaths} times")
        self._start(number)
        if lost is None:
            return []
        tag, trial, tries = lost
        if tries >= RETRIES:
            return [(tag, "the process that drove it died")]
        self._waiting.appendleft((tag, trial, tries + 1))
        return []

    def remarks(self) -> list[str]:
        """See :class:`bench.sweep.pools.Pool`."""
        return []

    def close(self) -> None:
        """See :class:`bench.sweep.pools.Pool`: lanes end their sessions; one that is amid a trial is ended."""
        for lane, (process, _, _) in self._lanes.items():
            if lane in self._busy:
                process.terminate()
            lane.close()
        for process, _, _ in self._lanes.values():
            process.join(15)
            if process.is_alive():
                process.kill()
                process.join(5)
        self._lanes.clear()
