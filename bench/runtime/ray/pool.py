"""Host processes, kept between trials: creating one costs a second of CPU, giving it a new part some milliseconds."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ...errors import HarnessError
from .actors import create_host
from .cluster import Cluster
from .host import machine_id
from .orders import Greeting

CREATE_S = 60.0
"""Seconds that creating hosts may take."""
_BUNDLE = {"CPU": 0.001}


class Seat:
    """One host process.

    Attributes:
        actor: its Ray handle.
        greeting: what it said of itself; None until it has.
        here: whether it runs on this machine, where it can be sent signals.
        offset: ns that its CLOCK_MONOTONIC is ahead of ours.
        alive: we have not killed it.
    """

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.asked_at = time.monotonic_ns()
        self.ref = actor.hello.remote()
        self.greeting: Greeting | None = None
        self.here = False
        self.offset = 0
        self.alive = True
        self.stopped = False

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self.greeting is not None
        return self.greeting.pid

    def signal(self, number: int) -> None:
        """Send a signal to the process, on this machine."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)


class Pool:
    """All host processes of one connection to Ray."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._machine = machine_id()
        self._free: list[Seat] = []
        self._taken: list[Seat] = []
        self._groups: list[Any] = []

    @property
    def count(self) -> int:
        """Processes that are alive, or being created."""
        return len(self._free) + len(self._taken)

    def begin(self, count: int) -> None:
        """Start to create ``count`` more; :meth:`take` waits for them."""
        if count <= 0:
            return
        from ray.util.placement_group import placement_group
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        strategy = "PACK" if self.cluster.embedded else "SPREAD"
        group = placement_group([_BUNDLE] * count, strategy=strategy)
        self._groups.append(group)
        for index in range(count):
            where = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=index)
            actor = create_host(self.cluster.ip or "", num_cpus=_BUNDLE["CPU"], scheduling_strategy=where)
            self._free.append(Seat(actor))

    def ensure(self, free: int) -> None:
        """Create as many as are lacking until ``free`` ones are free, without waiting for them."""
        self.begin(free - len(self._free))

    def take(self, count: int, timeout_s: float = CREATE_S) -> list[Seat]:
        """``count`` free and ready ones.

        Raises:
            HarnessError: they are not there in time.
        """
        self.ensure(count)
        deadline = time.monotonic() + timeout_s
        while sum(seat.greeting is not None for seat in self._free) < count:
            left = deadline - time.monotonic()
            if left <= 0:
                ready = sum(seat.greeting is not None for seat in self._free)
                raise HarnessError(f"only {ready} of {count} host processes started within {timeout_s:g} s")
            self.poll(min(left, 0.5))
        chosen = [seat for seat in self._free if seat.greeting is not None][:count]
        self._free = [seat for seat in self._free if seat not in chosen]
        self._taken += chosen
        return chosen

    def spare(self) -> Seat | None:
        """One that is ready now, or None."""
        self.poll(0)
        ready = any(seat.greeting is not None for seat in self._free)
        return self.take(1, 0)[0] if ready else None

    def poll(self, timeout_s: float) -> None:
        """See who has become ready; wait up to ``timeout_s`` for the first."""
        import ray

        waiting = {seat.ref: seat for seat in self._free if seat.greeting is None}
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
                self._free.remove(seat)
                raise HarnessError(f"a host process did not start: {_first_line(error)}") from error
            seat.greeting = greeting
            seat.here = greeting.machine == self._machine
            if seat.here:
                self.cluster.started(greeting.pid)
            else:
                seat.offset = greeting.now - (seat.asked_at + time.monotonic_ns()) // 2

    def give_back(self, seats: Iterable[Seat]) -> None:
        """They are idle again."""
        for seat in seats:
            if seat in self._taken and seat.alive:
                self._taken.remove(seat)
                self._free.append(seat)

    def kill(self, seat: Seat) -> None:
        """SIGKILL, now; on another machine through Ray, which takes a moment."""
        import ray

        seat.alive = False
        if seat.here:
            seat.signal(signal.SIGKILL)
            self.cluster.ended(seat.pid)
        else:
            ray.kill(seat.actor)
        for seats in (self._free, self._taken):
            if seat in seats:
                seats.remove(seat)

    def close(self) -> None:
        """Wake who is stopped, kill all."""
        import ray
        from ray.util.placement_group import remove_placement_group

        for seat in [*self._free, *self._taken]:
            if seat.greeting is not None:
                self.kill(seat)
            else:
                with contextlib.suppress(Exception):
                    ray.kill(seat.actor)
        self._free.clear()
        self._taken.clear()
        for group in self._groups:
            with contextlib.suppress(Exception):
                remove_placement_group(group)
        self._groups.clear()


class DutyCycle:
    """A slow node: its process runs for 1/factor of the time, in slices of some milliseconds."""

    PERIOD_S = 0.01

    def __init__(self, seat: Seat, factor: float) -> None:
        self._seat = seat
        self._run_s = self.PERIOD_S / factor
        self._rest_s = self.PERIOD_S - self._run_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="duty-cycle")
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set() and self._seat.alive:
            self._seat.signal(signal.SIGSTOP)
            self._over.wait(self._rest_s)
            if not self._seat.stopped and self._seat.alive:
                self._seat.signal(signal.SIGCONT)
            self._over.wait(self._run_s)

    def stop(self) -> None:
        """Full speed again, unless it is stopped altogether."""
        self._over.set()
        self._thread.join()
        if not self._seat.stopped and self._seat.alive:
            self._seat.signal(signal.SIGCONT)


def answers(refs: dict[str, Any], timeout_s: float, what: str, *, strict: bool = True) -> dict[str, Any]:
    """The answers to several calls, by the same keys.

    Args:
        refs: the calls.
        timeout_s: how long to wait for all of them.
        what: for the message, as in "to start".
        strict: otherwise, who is dead or does not answer is left out.

    Raises:
        HarnessError: one is dead, has failed, or does not answer in time.
    """
    import ray

    if not refs:
        return {}
    ready, late = ray.wait(list(refs.values()), num_returns=len(refs), timeout=timeout_s)
    names = {ref: name for name, ref in refs.items()}
    if late and strict:
        who = ", ".join(sorted(names[ref] for ref in late))
        raise HarnessError(f"{who} did not answer within {timeout_s:g} s when asked {what}")
    found: dict[str, Any] = {}
    for ref in ready:
        try:
            found[names[ref]] = ray.get(ref)
        except Exception as error:
            if strict:
                raise HarnessError(f"{names[ref]} failed when asked {what}: {_first_line(error)}") from error
    return found


def _first_line(error: BaseException) -> str:
    """Of a Ray error, whose own text is a page: the cause."""
    if type(error).__name__ in ("ActorDiedError", "ActorUnavailableError"):
        return "its process died"
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).strip().splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[-1] if lines else ''}"


Seats = Sequence[Seat]
