"""One host process as the supervisor holds it, and calls to several of them, each wait bounded."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import Any

from ...errors import HarnessError
from .hostclock import monotonic_ns
from .orders import Greeting
from .shipping import Place


class Seat:
    """One host process.

    Attributes:
        actor: its Ray handle.
        place: where it was created, and nowhere else.
        greeting: what it said of itself; None until it has.
        here: whether it runs on this machine, where it can be sent signals.
        offset: ns that its clock is ahead of ours, as far as is known now; kept by :class:`.clocks.Clocks`.
        alive: we have not killed it.
        restarts: Ray starts the process again whenever it dies: another seat of the same actor.
    """

    def __init__(self, actor: Any, place: Place, *, restarts: bool = False, last: int = 0) -> None:
        """``last``: the pid of the actor's process that has just been killed; 0: it is new."""
        self.actor = actor
        self.place = place
        self.restarts = restarts
        self.last = last
        self.asked_at = monotonic_ns()
        # while Ray restarts an actor, calls to it fail unless they may be repeated: this one waits for the new process
        hello = actor.hello.options(max_task_retries=-1) if last else actor.hello
        self.ref = hello.remote(bool(place.node))
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


def answered(refs: dict[str, Any]) -> bool:
    """Whether all of several calls are over, well or not."""
    import ray

    return not refs or len(ray.wait(list(refs.values()), num_returns=len(refs), timeout=0)[0]) == len(refs)


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
                raise HarnessError(f"{names[ref]} failed when asked {what}: {first_line(error)}") from error
    return found


def first_line(error: BaseException) -> str:
    """Of a Ray error, whose own text is a page: the cause."""
    if type(error).__name__ in ("ActorDiedError", "ActorUnavailableError"):
        return "its process died"
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).strip().splitlines() if line.strip()]
    return f"{type(cause).__name__}: {lines[-1] if lines else ''}"
