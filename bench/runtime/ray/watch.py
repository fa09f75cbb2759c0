"""Ends a live trial that would else hang: a process that fell silent, a phase that takes too long, a dead Ray.

Every wait of the driver has a bound of its own; this looks from outside, in a thread, so that a mistake in one of them,
or a process that stands still without being dead, ends the trial with a sentence instead of a user's patience.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .seat import Seat
    from .slots import Slot
    from .supervisor import Supervisor

BEAT_S = 1.0
"""Seconds between two questions to every process whether it is there."""
SILENT_S = 5.0
"""Seconds without an answer after which a process that no fault has stopped is given up."""
GRACE_S = 20.0
"""Seconds that a phase may take beyond what it has to do."""
_TICK_S = 0.25
_AGAIN_S = 5.0
_SIGNAL = signal.SIGRTMIN + 5
"""Interrupts the main thread as Ctrl-C does, also where that is ignored: in a job in the background of a shell."""


class Watch:
    """See the module.

    Attributes:
        problem: why the trial was ended from here, in a sentence; empty if it was not.
        silent: processes that need not be asked for anything any more.
    """

    def __init__(self, supervisor: Supervisor, excused: Callable[[Slot], bool] = lambda slot: False) -> None:
        """Begin to watch the trial that the calling thread runs.

        Args:
            supervisor: of the trial.
            excused: whether a place's process may be silent, by a fault.
        """
        self.problem = ""
        self.silent: list[Seat] = []
        self._supervisor = supervisor
        self._excused = excused
        self._main = threading.current_thread() is threading.main_thread()
        self._phase, self._limit_s, self._deadline = "", 0.0, float("inf")
        self._asked: dict[str, tuple[Seat, Any, int]] = {}  # place -> process, question, looks it has been open for
        self._raylet = raylet_pid() if supervisor.pool.cluster.embedded else 0
        self._over = threading.Event()
        self._lock = threading.Lock()  # held while interrupting, so that nothing is interrupted after close()
        self._handler = signal.signal(_SIGNAL, signal.default_int_handler) if self._main else None
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def enter(self, phase: str, limit_s: float) -> None:
        """The trial enters another phase, which has to be over in ``limit_s`` and some grace."""
        self._phase, self._limit_s = phase, limit_s + GRACE_S
        self._deadline = time.monotonic() + self._limit_s

    def cause(self) -> str:
        """Why a trial failed, if that is known here better than where it was noticed; else empty."""
        if not self.problem and self._raylet and not is_running(self._raylet):
            return f"Ray's raylet (pid {self._raylet}) died, and with it all processes of the trial"
        return self.problem

    def close(self) -> None:
        """Watch no longer. An interruption that was on its way arrives before this returns. Again: no effect."""
        self._over.set()
        with self._lock:
            pass
        if self._main:
            signal.signal(_SIGNAL, self._handler if self._handler is not None else signal.SIG_DFL)

    def _run(self) -> None:
        looked = time.monotonic()
        interrupted = 0.0
        while not self._over.wait(_TICK_S):
            now = time.monotonic()
            if not self.problem:
                self.problem = self.cause() or self._overdue(now)
            if not self.problem and now - looked >= BEAT_S:
                looked = now
                self.problem = self._silent()
            if self.problem and now - interrupted >= _AGAIN_S:
                self._supervisor.given_up = self.problem
                self._interrupt(again=bool(interrupted))
                interrupted = now

    def _overdue(self, now: float) -> str:
        if now <= self._deadline:
            return ""
        return f"the trial was stuck: {self._phase} took longer than {self._limit_s:g} s"

    def _silent(self) -> str:
        """Who has not answered for too long. Looks are counted, not seconds: we may have stood still ourselves."""
        import ray

        for slot in list(self._supervisor.slots.values()):
            seat = slot.seat
            if seat is None or not self._supervisor.running(slot) or self._excused(slot):
                self._asked.pop(slot.name, None)
                continue
            before = self._asked.get(slot.name)
            try:
                if before is None or before[0] is not seat or ray.wait([before[1]], timeout=0)[0]:
                    self._asked[slot.name] = (seat, seat.actor.beat.remote(), 0)
                    continue
            except Exception:  # Ray itself is gone; whoever asks next says so
                continue
            looks = before[2] + 1
            self._asked[slot.name] = (seat, before[1], looks)
            if looks * BEAT_S >= SILENT_S and seat.alive and not seat.stopped:
                self.silent.append(seat)
                who = "the load" if slot.generator else ", ".join(slot.nodes[:3])
                how = "it was stopped" if seat.here and state_of(seat.pid) == "T" else "it fell silent"
                return (
                    f"the process of {who} (pid {seat.pid}) did not answer within {SILENT_S:g} s: "
                    f"{how}, and no fault had asked for that"
                )
        return ""

    def _interrupt(self, *, again: bool) -> None:
        """Get the trial's thread out of whatever it waits for. Not the main thread? It looks itself, now and then."""
        with self._lock:
            if self._over.is_set():
                return
            if self._main:
                signal.pthread_kill(threading.main_thread().ident or 0, _SIGNAL)
            elif again:  # it does not look: without its processes there is nothing left to wait for
                self._supervisor.abandon()


def raylet_pid() -> int:
    """Of the raylet that this process has started; 0 if it has started none."""
    from ray._private import worker

    node = getattr(worker, "_global_node", None)
    for kind, processes in getattr(node, "all_processes", {}).items():
        if kind == "raylet":
            return int(processes[0].process.pid)
    return 0


def ray_processes() -> list[int]:
    """Those that this process has started for Ray, and theirs; none if Ray runs without us."""
    from ray._private import worker

    node = getattr(worker, "_global_node", None)
    known = getattr(node, "all_processes", {}).values()
    found: set[int] = set()
    fresh = {int(each.process.pid) for processes in known for each in processes}
    children: dict[int, set[int]] = {}
    for entry in Path("/proc").iterdir() if fresh else ():
        if entry.name.isdigit():
            with suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, set()).add(int(entry.name))
    while fresh:
        found |= fresh
        fresh = {child for pid in fresh for child in children.get(pid, ())} - found
    return sorted(found)


def state_of(pid: int) -> str:
    """The kernel's letter for what a process does (``R``, ``S``, ``T`` ...); empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def is_running(pid: int) -> bool:
    """Whether the process is there and not merely not yet buried."""
    return state_of(pid) not in ("", "Z", "X")
