"""What an engine finds in a simulated world: clocks, timers, marks, signatures."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from heapq import heappush
from itertools import count
from typing import Any

from protocols.family import Invariant

from ..record import Mark
from ..root import Root
from ..world import TimerId
from .machine import EXPIRE, Machine
from .observing import Observer


class Services(Observer):
    """The part of a world that is a :class:`bench.runtime.world.World` to its engines.

    Attributes:
        machines: by name.
        marks: in order of time.
    """

    def __init__(self, seed: int, invariants: Sequence[Invariant], hashing: bool, tracing: bool) -> None:
        super().__init__(invariants, hashing, tracing)
        self.seed = seed
        self.machines: dict[str, Machine] = {}
        self.marks: list[Mark] = []
        self._heap: list[tuple[int, int, int, Any, Any, Any]] = []
        self._sequence = count()

    def monotonic_of(self, node: str) -> int:
        """See :class:`bench.runtime.engine.World`."""
        return self.machines[node].clock.monotonic(self.now)

    def wall_of(self, node: str) -> int:
        """See :class:`bench.runtime.engine.World`."""
        return self.machines[node].clock.wall(self.now)

    def interval_of(self, node: str) -> tuple[int, int]:
        """See :class:`bench.runtime.engine.World`."""
        return self.machines[node].clock.interval(self.now)

    def arm(self, engine: Root, timer: TimerId, delay: int) -> None:
        """See :class:`bench.runtime.engine.World`."""
        machine: Machine = engine.host
        if machine.clock.rate != 1.0:
            delay = machine.clock.true_delay(delay)
        deadline = self.now + (delay if delay > 0 else 0)
        machine.deadlines[timer] = deadline
        armed = machine.armed.get(timer)
        if armed is None or deadline < armed:
            machine.armed[timer] = deadline
            heappush(self._heap, (deadline, next(self._sequence), EXPIRE, machine, engine, timer))

    def disarm(self, engine: Root, timer: TimerId) -> None:
        """See :class:`bench.runtime.engine.World`."""
        engine.host.deadlines.pop(timer, None)

    def mark(self, node: str, name: str, fields: dict[str, Any]) -> None:
        """See :class:`bench.runtime.engine.World`."""
        self.marks.append(Mark(self.now, node, name, fields))
        if self.trace is not None:
            text = ", ".join(f"{key} {value}" for key, value in fields.items())
            self.note("mark", node, "", f"{name} {text}".strip())

    def sign(self, node: str, payload: bytes) -> bytes:
        """Symbolic: nobody but the world knows the key, so nobody can forge it."""
        return hmac.digest(f"{self.seed}/{node}".encode(), payload, hashlib.sha256)

    def verify(self, node: str, payload: bytes, signature: bytes) -> bool:
        """See :meth:`sign`."""
        return hmac.compare_digest(self.sign(node, payload), signature)

    def _due(self, machine: Machine, engine: Root, timer: TimerId, time: int) -> bool:
        """Whether a timer fires, now that its event is due. Timers are put off far more often than they fire, so the
        heap keeps the old event and only here looks whether the deadline has moved."""
        if machine.engine is not engine:
            return False
        if machine.armed.get(timer) != time:
            return False  # superseded by an earlier event
        del machine.armed[timer]
        deadline = machine.deadlines.get(timer)
        if deadline is None:
            return False
        if deadline > time:
            machine.armed[timer] = deadline
            heappush(self._heap, (deadline, next(self._sequence), EXPIRE, machine, engine, timer))
            return False
        return True
