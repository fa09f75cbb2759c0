"""Live trials, one after the other on one set of host processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from ...errors import HarnessError
from ...history import History
from ...mutation import find_mutant, load_family
from ...params import build_configs
from ...trial import Floor, Trial
from ..record import RunRecord
from .cluster import Cluster
from .liverun import LiveRun, rescue
from .pool import Pool
from .saving import Follower
from .supervisor import Supervisor
from .watch import ray_processes

Progress = Callable[[str], None]


class RaySession:
    """A connection to Ray with the processes that run live trials; use it as a context manager.

    Attributes:
        pids: of the last trial, node -> the processes that ran it, one a life.
        recovered: of the last trial, node -> records found on disk at its last boot.
        partial_history: of the last trial, if it failed: what its generator had recorded up to some 50 ms before.
        turnaround_s: what lay between the last two trials: leaving the one, and booting the nodes of the other.
    """

    def __init__(self, address: str | None = None, *, quiet: bool = True) -> None:
        """Connect to the cluster at ``address``, or start an embedded local Ray.

        Args:
            address: ``HOST:PORT``, ``auto``, or None.
            quiet: keep Ray's own messages from the terminal.

        Raises:
            UsageError: no cluster answers at the address.
            HarnessError: Ray does not start.
        """
        self.cluster = Cluster(address, quiet=quiet)
        self.pool = Pool(self.cluster)
        self.pids: dict[str, list[int]] = {}
        self.recovered: dict[str, int] = {}
        self.turnaround_s: float | None = None
        self.partial_history: History | None = None
        self._leaving_s: float | None = None
        self._floors: dict[int, Floor] = {}

    def __enter__(self) -> RaySession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all processes and remove all folders. Again: no effect."""
        try:
            self.pool.close()
        finally:
            self.cluster.close()

    def prepare(self, nodes: int) -> None:
        """Begin to create the processes for trials of ``nodes`` servers and a crash, without waiting for them."""
        self.pool.begin(nodes + 2 - self.pool.count)

    def run(
        self,
        trial: Trial,
        progress: Progress | None = None,
        *,
        history: Path | None = None,
        early: bool = False,
        unchecked: bool = False,
        corrected: bool = True,
    ) -> RunRecord:
        """Run one trial.

        Args:
            trial: what to run; validated.
            progress: called with a few words whenever the run enters another phase, and once a second of load.
            history: what clients see is streamed to this path + ``.unfinished`` while the run goes, where it stays
                whatever becomes of this process; see :func:`bench.history.storage.finish_history`.
            early: use the broken runtime that sends before writes are durable; for tests.
            unchecked: with ``early``, without the assertion that would catch it at once.
            corrected: otherwise all machines' clocks are taken for this one's; for tests.

        Raises:
            UsageError: the protocol, mutant or a parameter cannot be.
            HarnessError: the runtime, not the protocol, failed.
        """
        began = time.monotonic()
        family = load_family(trial.protocol, trial.mutant)
        params = dict(trial.params)
        if trial.mutant is not None:
            params = {**find_mutant(load_family(trial.protocol), trial.mutant).params, **params}
        server_config, _ = build_configs(family, params, trial.nodes)
        self.partial_history = None
        supervisor = Supervisor(trial, family, self.pool, early=early, unchecked=unchecked, corrected=corrected)
        say = progress or (lambda text: None)
        run = LiveRun(trial, family, server_config, supervisor, say)
        follower: Follower | None = None
        try:
            with run.watched():
                run.start()
                if self.cluster.embedded:
                    self.cluster.started_ray(ray_processes())
                if history is not None:
                    follower = Follower(history, supervisor, say)
                self.turnaround_s = None if self._leaving_s is None else self._leaving_s + time.monotonic() - began
                run.settle()
                record = run.load()
            record.took_s = time.monotonic() - began
        except HarnessError as error:
            lost = supervisor.lost() or run.watch.cause()
            error.history = self.partial_history = rescue(supervisor)
            if lost:
                raise HarnessError(lost, error.history) from error
            raise
        except KeyboardInterrupt:
            supervisor.abandon()
            raise
        finally:
            leaving = time.monotonic()
            if follower is not None:
                follower.close()
            self.pids = {node: list(slot.pids) for node, slot in supervisor.where.items()}
            self.recovered = dict(supervisor.recovered)
            run.end()
            self._leaving_s = time.monotonic() - leaving
        return record

    def known_floor(self, clients: int) -> Floor | None:
        """The floor for so many clients, if it has been measured."""
        return self._floors.get(clients)

    def floor(self, clients: int) -> Floor:
        """What this cluster does without a protocol; measured once a client count, in about 4 s."""
        found = self._floors.get(clients)
        if found is None:
            from .floor import measure

            found = self._floors[clients] = measure(self, clients, known=next(iter(self._floors.values()), None))
        return found


__all__ = ["HarnessError", "RaySession"]
