"""Where simulated trials run: in this process, in a pool of processes, or as Ray tasks."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Protocol

from ..errors import HarnessError, UsageError
from .worker import ENTRY, run_encoded, start_worker

RETRIES = 2
"""A trial whose worker died is tried again this often before it becomes a failed row."""
WORTH_RAY = 64
"""With fewer trials than this to run, starting Ray takes longer than it saves."""

ESSENTIAL = ("raylet", "gcs_server")
"""Processes without which Ray runs nothing; it notices itself only after a quarter of a minute."""
CHECK_S = 2.0
"""How often a cluster that others started is asked whether it still counts this machine among the living."""
FETCH_S = 30.0
"""A result that is ready is here by then, or whatever held it is dead."""

Tag = Hashable
Work = Callable[[bytes, str], bytes]
"""What a worker does: (encoded trial, entry) in, encoded result out."""
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

    def remarks(self) -> list[str]:
        """What went wrong and was mended since this was last asked, for people."""
        ...

    def close(self) -> None:
        """Stop, abandoning what is still running."""
        ...


class Here:
    """This process, one trial after another."""

    name = "this process"
    workers = 1

    def __init__(self, entry: str = ENTRY, work: Work = run_encoded) -> None:
        self.entry = entry
        self.work = work
        self.waiting: deque[tuple[Tag, bytes]] = deque()

    def submit(self, tag: Tag, trial: bytes) -> None:
        """See :class:`Pool`."""
        self.waiting.append((tag, trial))

    def collect(self, timeout_s: float) -> list[Done]:
        """Runs the next trial, whatever the timeout."""
        if not self.waiting:
            return []
        tag, trial = self.waiting.popleft()
        return [(tag, self.work(trial, self.entry))]

    def remarks(self) -> list[str]:
        """See :class:`Pool`."""
        return []

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

    def __init__(self, workers: int, entry: str = ENTRY, work: Work = run_encoded) -> None:
        self.work = work
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
                future = self.executor.submit(self.work, trial, self.entry)
            except BrokenProcessPool:
                self.executor.shutdown(wait=False, cancel_futures=True)
                self.executor = self._start()
                future = self.executor.submit(self.work, trial, self.entry)
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

    def remarks(self) -> list[str]:
        """See :class:`Pool`."""
        return []

    def close(self) -> None:
        """See :class:`Pool`."""
        processes = list((self.executor._processes or {}).values())
        self.executor.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        for process in processes:
            process.join(5)


class RayTasks:
    """One Ray task a trial, on every core of the cluster; survives the death of workers, and of Ray itself.

    When Ray dies, what it was running is lost: a new one is started (or connected to), and those trials are handed out
    again. Their results had not been kept, so no trial counts twice. After ``RETRIES`` such deaths, processes of this
    machine take over.
    """

    def __init__(self, address: str | None = None, jobs: int | None = None, entry: str = ENTRY) -> None:
        import ray

        self.ray: Any = ray
        self.address = address
        self.jobs = jobs
        self.entry = entry
        self.owned = not ray.is_initialized()
        self.deaths = 0
        self.running: dict[Any, tuple[Tag, bytes]] = {}
        self._fallen_back: Processes | None = None
        self._remarks: list[str] = []
        self._checked = 0.0
        self._start()

    def _start(self) -> None:
        """Connect, where that is ours to do.

        Raises:
            UsageError, HarnessError: there is no Ray to run on.
        """
        if self.owned:
            connect(self.address)
        cores = int(self.ray.cluster_resources().get("CPU", 0))
        if cores < 1:
            raise HarnessError("the Ray cluster has no CPU to run tasks on")
        self.workers = min(self.jobs, cores) if self.jobs else cores
        self.name = f"Ray tasks on {self.workers} cores"
        self.task: Any = self.ray.remote(num_cpus=1, max_retries=RETRIES)(run_encoded)

    def submit(self, tag: Tag, trial: bytes) -> None:
        """See :class:`Pool`."""
        if self._fallen_back is not None:
            self._fallen_back.submit(tag, trial)
            return
        try:
            self.running[self.task.remote(trial, self.entry)] = (tag, trial)
        except Exception as error:
            if self._alive():
                raise
            self._revive(error, [(tag, trial)])

    def collect(self, timeout_s: float) -> list[Done]:
        """See :class:`Pool`."""
        if self._fallen_back is not None:
            return self._fallen_back.collect(timeout_s)
        if not self.running:
            return []
        references = list(self.running)
        try:
            ready, _ = self.ray.wait(references, num_returns=1, timeout=timeout_s)
            if ready:  # and whatever else is there by now
                ready, _ = self.ray.wait(references, num_returns=len(references), timeout=0)
        except Exception as error:  # it raises for no trial, only without a Ray
            self._revive(error, [])
            return []
        if not ready and not self._alive():
            self._revive(None, [])
            return []
        done: list[Done] = []
        for reference in ready:
            tag = self.running[reference][0]
            try:
                done.append((tag, self.ray.get(reference, timeout=FETCH_S)))
            except Exception as error:
                if not self._alive():
                    self._revive(error, [])  # this one too is handed out again
                    break
                done.append((tag, f"its Ray task died ({str(error).strip().splitlines()[0]})"))
            self.running.pop(reference)
        return done

    def _alive(self) -> bool:
        """Whether Ray's own processes are, as far as can be seen from here."""
        if not self.ray.is_initialized():
            return False
        node = getattr(self.ray._private.worker, "_global_node", None)
        started = getattr(node, "all_processes", {}) if node is not None else {}
        if any(each.process.poll() is not None for name in ESSENTIAL for each in started.get(name, ())):
            return False
        if started or time.monotonic() - self._checked < CHECK_S:
            return True
        # A cluster that others started: its head has to answer, and to count this machine among the living.
        self._checked = time.monotonic()
        try:
            here = self.ray.get_runtime_context().get_node_id()
            return any(each["NodeID"] == here and each["Alive"] for each in self.ray.nodes())
        except Exception:
            return False

    def _revive(self, error: Exception | None, besides: list[tuple[Tag, bytes]]) -> None:
        """Another Ray for what the dead one was running.

        Raises:
            HarnessError: the Ray that died was not started by us, and does not come back.
        """
        lost = [*self.running.values(), *besides]
        self.running.clear()
        self.deaths += 1
        why = f" ({str(error).strip().splitlines()[0]})" if error is not None and str(error).strip() else ""
        with contextlib.suppress(Exception):
            self.ray.shutdown()
        self.owned = True
        try:
            if self.deaths > RETRIES:
                raise HarnessError(f"Ray has died {self.deaths} times")
            self._start()
        except (UsageError, HarnessError) as problem:
            if self.address is not None:
                raise HarnessError(
                    f"the Ray cluster at {self.address} is gone{why}, and does not come back: {problem}"
                ) from None
            self._fallen_back = Processes(self.workers, self.entry)
            self.name = self._fallen_back.name
        self._remarks.append(
            f"Ray died under the simulation; {len(lost)} trials that it was running run again, in {self.name}."
        )
        for tag, trial in lost:
            self.submit(tag, trial)

    def remarks(self) -> list[str]:
        """See :class:`Pool`."""
        found, self._remarks = self._remarks, []
        return found

    def close(self) -> None:
        """See :class:`Pool`. A Ray that was running before stays up."""
        if self._fallen_back is not None:
            self._fallen_back.close()
            return
        with contextlib.suppress(Exception):  # a Ray that has just died has nothing to cancel
            for reference in self.running:
                self.ray.cancel(reference, force=True)
        self.running.clear()
        if self.owned:
            self.ray.shutdown()


def connect(address: str | None) -> None:
    """Connect to the Ray cluster at ``address`` (``auto``: one on this machine), or start an embedded one for None.

    Raises:
        UsageError: no cluster answers there within 2 s (``ray.init`` itself would wait for minutes).
        HarnessError: an embedded one does not start.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_worker_niceness", "0")
    import logging

    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        try:
            ray.init("local", include_dashboard=False, object_store_memory=80 * 2**20, **quiet)
        except Exception as error:  # a bare one, where a busy machine lets it time out
            with contextlib.suppress(Exception):
                ray.shutdown()
            raise HarnessError(f"Ray does not start: {str(error).strip().splitlines()[0]}") from error
        return
    from .. import run

    address = run.find_cluster(address)
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
    if address is not None or connected:
        return RayTasks(address, jobs, entry)
    if many and jobs is None:
        with contextlib.suppress(HarnessError):  # a machine too busy for Ray is not too busy for trials
            return RayTasks(None, jobs, entry)
    return Processes(min(jobs or cores, trials or cores), entry)
