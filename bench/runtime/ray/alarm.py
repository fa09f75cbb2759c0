"""Calls at a time to some tens of microseconds. Event loops round timers to a millisecond; a timerfd does not."""

from __future__ import annotations

import asyncio
import ctypes
import os
import struct
from array import array
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

from .hostclock import SHIFT, monotonic_ns

if TYPE_CHECKING:
    from .local import LocalNode

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1
_NEVER = 2**63 - 1
_SLOT = 24
"""Bits of ns in a slot of the wheel: 16.8 ms."""
_FAR = 3 << _SLOT
"""ns ahead from which a timer goes into the wheel."""
_MOST_SAMPLES = 200_000
_MOST_LEAD = 100_000
"""ns by which the timer may be set early, for the kernel to wake the process in time."""
_SPIN = 20_000
"""ns that a process woken early waits for its time at most, on its core; it sleeps again where more is left."""
_LATER, _SOONER = 1_000, 3_000
"""ns by which the lead follows wake-ups that took longer than it, and shorter: three of four will take longer."""
_timespec = struct.Struct("qqqq")
_libc = ctypes.CDLL(None, use_errno=True)


class Alarm:
    """A heap of calls on CLOCK_MONOTONIC, driven by one timerfd on the event loop.

    Timers of nodes that lie far ahead wait in a wheel of slots and reach the heap only when their slot comes, if they
    still count by then: most are cancelled or put off before, one an operation, and must cost next to nothing.

    A sleeping process needs some tens of microseconds to run again, far more than an event loop adds. The alarm learns
    how long and sets its timer that much early; nothing is ever called before its time.

    Attributes:
        lateness: ns between the time asked for and the call, one a wake-up.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._fd: int = _libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = count()
        self._wheel: dict[int, list[tuple[int, LocalNode, Any, Any]]] = {}
        self._armed = _NEVER
        self._lead = 0
        self._set_for = 0  # when the kernel is to wake us, if that was far ahead when it was set; else 0
        self.lateness: array[int] = array("q")
        loop.add_reader(self._fd, self._ring)

    def at(self, when: int, call: Callable[..., None], *args: Any) -> None:
        """Call ``call(*args)`` at ``when`` (ns), on the loop. There is no cancelling: let the call look for itself."""
        heappush(self._heap, (when, next(self._sequence), call, args))
        if when < self._armed:
            self._arm(when)

    def timer(self, delay: int, when: int, node: LocalNode, engine: Any, timer: Any) -> None:
        """Call ``node.expire(engine, timer, when)`` at ``when``, in ``delay`` ns, if it is still its deadline then."""
        if delay < _FAR:
            self.at(when, node.expire, engine, timer, when)
            return
        slot = when >> _SLOT
        waiting = self._wheel.get(slot)
        if waiting is None:
            waiting = self._wheel[slot] = []
            self.at((slot - 1) << _SLOT, self._open_slot, slot)
        waiting.append((when, node, engine, timer))

    def _open_slot(self, slot: int) -> None:
        for when, node, engine, timer in self._wheel.pop(slot):
            if node.deadlines.get(timer) == when:
                self.at(when, node.expire, engine, timer, when)

    def clear(self) -> None:
        """Forget everything."""
        self._heap.clear()
        self._wheel.clear()
        self.lateness = array("q")

    def close(self) -> None:
        """Give the timer back."""
        self._loop.remove_reader(self._fd)
        os.close(self._fd)

    def _arm(self, when: int) -> None:
        self._armed = when
        lead = self._lead
        ahead = when - monotonic_ns() > 2 * _MOST_LEAD
        self._set_for = when - lead if ahead else 0
        at = max((when - lead if ahead else when) - SHIFT, 1)  # of the kernel's clock; 0 would disarm it
        _libc.timerfd_settime(
            self._fd, _TFD_TIMER_ABSTIME, _timespec.pack(0, 0, at // 1_000_000_000, at % 1_000_000_000), None
        )

    def _ring(self) -> None:
        try:
            os.read(self._fd, 8)
        except BlockingIOError:
            return  # rearmed to a later time between the wake-up and now
        heap = self._heap
        now = monotonic_ns()
        if self._set_for:
            longer = now - self._set_for > self._lead
            self._lead = min(self._lead + _LATER, _MOST_LEAD) if longer else max(self._lead - _SOONER, 0)
        if heap and heap[0][0] - now <= _SPIN:
            while now < heap[0][0]:
                now = monotonic_ns()
        if heap and heap[0][0] <= now and len(self.lateness) < _MOST_SAMPLES:
            self.lateness.append(now - heap[0][0])
        self._armed = 0  # calls that set alarms need not touch the timer: it is set once, below
        try:
            while heap and heap[0][0] <= now:
                _, _, call, args = heappop(heap)
                call(*args)
        finally:
            self._armed = _NEVER
            if heap:
                self._arm(heap[0][0])
