"""One timer for all that a node waits for: most of it comes before its time, and a timer each would cost more."""

from __future__ import annotations

from heapq import heappop, heappush

from .node import Context

NEVER = 1 << 63


class Deadlines:
    """Things by number, each due at some time of the monotonic clock; the node's timer ``timer`` rings for all.

    A thing that is forgotten stays in the heap until its time, so what comes due has to be looked up by whoever asks.
    """

    __slots__ = ("_alarm", "_heap", "_timer")

    def __init__(self, timer: str) -> None:
        self._timer = timer
        self._heap: list[tuple[int, int]] = []
        self._alarm = NEVER

    def add(self, ctx: Context, number: int, due: int, now: int) -> None:
        """Have ``number`` come due at ``due`` ns."""
        heappush(self._heap, (due, number))
        if due < self._alarm:
            self._alarm = due
            ctx.set_timer(self._timer, due - now)

    def due(self, ctx: Context, now: int) -> list[tuple[int, int]]:
        """What is due, as (due, number) in order of time; the timer is set again for the rest. To be called by it."""
        heap, found = self._heap, []
        while heap and heap[0][0] <= now:
            found.append(heappop(heap))
        self._alarm = NEVER
        if heap:
            self._alarm = heap[0][0]
            ctx.set_timer(self._timer, self._alarm - now)
        return found
