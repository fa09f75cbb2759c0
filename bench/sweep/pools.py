"""Where simulated trials run: in this process, in a pool of processes, or as Ray tasks."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Hashable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Protocol

from ..address import probe
from ..errors import HarnessError, UsageError
from .worker import ENTRY, run_encoded, start_worker

RETRIES = 2
"""A trial whose worker died is tried again this often before it becomes a failed row."""
WORTH_RAY = 64
"""With fewer trials than this to run, starting Ray takes longer than it saves."""

Tag = Hashable
Done = tuple[Tag, bytes | str]
"""(what was submitted, its encoded result, or the reason why there is none)."""


class Pool(Protocol):
    """Runs encoded trials."""

    name: str
    workers: int

    def submit(self, tag: Tag, trial: bytes) -> None:
        """Take a trial; ``tag`` comes back with its result."""
        ...

    def collect(self, timeout_s: float) -> list[Done]:
        """What has finished; waits up to ``timeout_s`` for the first."""
        ...

    def close(self) -> None:
        """Stop, abandoning what is still running."""
        ...


class Here:
    """This process, one trial after another."""

    name = "this process"
    workers = 1

    def __init__(self, entry: str = ENTRY) -> None:
        self.entry = entry
        self.waiting: deque[tuple[Tag, bytes]] = deque()

    def submit(self, tag: Tag, trial: bytes) -> None:
        """See :class:`Pool`."""
        self.waiting.append((tag, trial))

    def collect(self, timeout_s: float) -> list[Done]:
        """Runs the next trial, whatever the timeout."""
        if not self.waiting:
            return []
        tag, trial = self.waiting.popleft()
        return [(tag, run_encoded(trial, self.entry))]

    def close(self) -> None:
        """See :class:`Pool`."""
        self.waiting.clear()


@contextmanager
def _no_main() -> Iterator[None]:
    """Processes that start meanwhile do not import the script that is running.

    Nothing of it travels to them, and a script without a ``__main__`` guard, such as cells of a notebook saved as a
    file, would run a second time in each.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


class Processes:
    """A pool of processes on this machine; survives the death of workers."""

    def __init__(self, workers: int, entry: str = ENTRY) -> None:
        self.name = f"{workers} processes"
        self.workers = workers
        self.entry = entry
        self.running: dict[Future[bytes], tuple[Tag, bytes, int]] = {}
        self.executor = self._start()

    def _start(self) -> ProcessPoolExecutor:
        # Not fork: a fork of a process with threads (a progress display, Ray) may hang on a lock nobody holds.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["bench.run"])
        return ProcessPoolExecutor(self.workers, mp_context=context, initializer=start_worker)

    def submit(self, tag: Tag, trial: bytes) -> None:
        """See :class:`Pool`."""
        self._submit(tag, trial, 0)

    def _submit(self, tag: Tag, trial: bytes, tries: int) -> None:
        with _no_main():  # it is then that processes are started
            try:
                future = self.executor.submit(run_encoded, trial, self.entry)
            except BrokenProcessPool:
                self.executor.shutdown(wait=False, cancel_futures=True)
                self.executor = self._start()
                future = self.executor.submit(run_encoded, trial, self.entry)
        self.running[future] = (tag, trial, tries)

    def collect(self, timeout_s: float) -> list[Done]:
        """See :class:`Pool`."""
        ready, _ = wait(self.running, timeout=timeout_s, return_when=FIRST_COMPLETED)
        done: list[Done] = []
        again: list[tuple[Tag, bytes, int]] = []
        for future in ready:
            tag, trial, tries = self.running.pop(future)
            try:
                done.append((tag, future.result()))
            except Exception as error:
                # A dead worker breaks the whole pool: its innocent neighbours are tried again, and so, up to a limit,
                # is the trial that may have killed it.
                if isinstance(error, BrokenProcessPool) and tries < RETRIES:
                    again.append((tag, trial, tries + 1))
                else:
                    done.append((tag, f"its worker process died ({error})"))
        for tag, trial, tries in again:
            self._submit(tag, trial, tries)
        return done

    def close(self) -> None:
        """See :class:`Pool`."""
        processes = list((self.executor._processes or {}).values())
        self.executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        for process in processes:
            process.join(5)


class RayTasks:
    """One Ray task a trial, on every core of the cluster."""

    def __init__(self, address: str | None = None, jobs: int | None = None, entry: str = ENTRY) -> None:
        import ray

        self.owned = not ray.is_initialized()
        if self.owned:
            connect(address)
        self.ray: Any = ray
        cores = int(self.ray.cluster_resources().get("CPU", 0))
        if cores < 1:
            raise HarnessError("the Ray cluster has no CPU to run tasks on")
        self.workers = min(jobs, cores) if jobs else cores
        self.name = f"Ray tasks on {self.workers} cores"
        self.entry = entry
        self.task: Any = ray.remote(num_cpus=1, max_retries=RETRIES)(run_encoded)
        self.running: dict[Any, Tag] = {}

    def submit(self, tag: Tag, trial: bytes) -> None:
        """See :class:`Pool`."""
        self.running[self.task.remote(trial, self.entry)] = tag

    def collect(self, timeout_s: float) -> list[Done]:
        """See :class:`Pool`."""
        if not self.running:
            return []
        references = list(self.running)
        ready, _ = self.ray.wait(references, num_returns=1, timeout=timeout_s)
        if ready:  # and whatever else is there by now
            ready, _ = self.ray.wait(references, num_returns=len(references), timeout=0)
        done: list[Done] = []
        for reference in ready:
            tag = self.running.pop(reference)
            try:
                done.append((tag, self.ray.get(reference)))
            except Exception as error:
                done.append((tag, f"its Ray task died ({str(error).strip().splitlines()[0]})"))
        return done

    def close(self) -> None:
        """See :class:`Pool`. A Ray that was running before stays up."""
        for reference in self.running:
            self.ray.cancel(reference, force=True)
        self.running.clear()
        if self.owned:
            self.ray.shutdown()


def connect(address: str | None) -> None:
    """Connect to the Ray cluster at ``address`` (``auto``: one on this machine), or start an embedded one for None.

    Raises:
        UsageError: no cluster answers there within 2 s (``ray.init`` itself would wait for minutes).
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")
    import logging

    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        ray.init("local", include_dashboard=False, object_store_memory=80 * 2**20, **quiet)
        return
    probe(address)
    try:
        ray.init(address, **quiet)
    except ConnectionError:
        raise UsageError(f"no Ray cluster answers at {address}: start one with ray start --head") from None


def choose(trials: int | None, *, address: str | None, jobs: int | None, entry: str = ENTRY) -> Pool:
    """The pool for ``trials`` simulated trials (None: as many as time allows).

    Ray, on all cores of its cluster, where there is one to connect to or enough to do; else processes of this machine;
    else, for one job or hardly any trials, this process.
    """
    ray = sys.modules.get("ray")  # half a second to import: not for a handful of trials
    connected = ray is not None and ray.is_initialized()
    cores = len(os.sched_getaffinity(0))
    if jobs == 1 or (trials is not None and trials <= 2):
        return Here(entry)
    many = trials is None or trials >= WORTH_RAY
    if address is not None or connected or (many and jobs is None):
        return RayTasks(address, jobs, entry)
    return Processes(min(jobs or cores, trials or cores), entry)
