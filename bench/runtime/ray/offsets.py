"""How far another clock is ahead of ours, and how far that may be wrong: pure functions of exchanges.

We ask at ``sent``, the other clock shows ``there`` at some instant before the answer is here at ``received``. So then
the other clock was ahead by at least ``there - received`` and at most ``there - sent``, whatever the way took in either
direction: nothing is assumed to be symmetric. Between exchanges the difference drifts by at most some parts in a
million, so every exchange also bounds it at every other time, the less the further away; what holds is the intersection
of all of them (Marzullo 1984, with drift), and the quick exchanges decide by themselves. Half its width is the bound.

The lower and the upper end are each no steeper than the drift, and so is their middle: moving times by it keeps the
order of what one clock recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import HarnessError

DRIFT = 200e-6
"""Seconds a second by which two clocks may part: 100 ppm each, above what quartz does and ntpd usually adds. If the
exchanges contradict it, it is doubled until they do not."""
MOST_DRIFT = 0.01
"""Beyond this no clock drifts: one of the two jumped, as that of a virtual machine that was stopped and moved."""

Times = NDArray[np.int64]


class Exchange(NamedTuple):
    """One question and its answer; ns. ``sent`` and ``received`` by our clock, ``there`` by the other."""

    sent: int
    there: int
    received: int


class Estimate:
    """How far the other clock was ahead, at any time; made by :func:`estimate`. Times are the other clock's, ns.

    Attributes:
        drift: that was assumed, seconds a second.
        exchanges: it rests on.
        fastest: of them, ns.
    """

    def __init__(self, exchanges: Sequence[Exchange], drift: float) -> None:
        """See :func:`estimate`, which chooses the drift; ``consistent`` says whether these fit together."""
        ordered = sorted(exchanges, key=lambda each: each.there)
        best = min(ordered, key=lambda each: each.received - each.sent)
        self.drift = drift
        self.exchanges = len(ordered)
        self.fastest = best.received - best.sent
        self._base = best.there - (best.sent + best.received) // 2
        self._first = ordered[0].there
        columns = np.array(ordered, dtype=np.int64)
        # relative to the first exchange and to the base, a float has some 1e-6 ns for a year
        self._at: NDArray[np.float64] = (columns[:, 1] - self._first).astype(np.float64)
        low = (columns[:, 1] - columns[:, 2] - self._base).astype(np.float64)
        high = (columns[:, 1] - columns[:, 0] - self._base).astype(np.float64)
        self._low = -_lowest_cone(-low, self._at, drift)
        self._high = _lowest_cone(high, self._at, drift)

    @property
    def consistent(self) -> bool:
        """Whether some course of the difference fits all exchanges."""
        return bool(np.all(self._low <= self._high))

    def _ends(self, times: Times) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        at = (times - self._first).astype(np.float64)
        right = np.searchsorted(self._at, at)
        after = np.minimum(right, len(self._at) - 1)
        before = np.maximum(right - 1, 0)
        from_before = self.drift * np.abs(at - self._at[before])
        from_after = self.drift * np.abs(at - self._at[after])
        low = np.maximum(self._low[before] - from_before, self._low[after] - from_after)
        high = np.minimum(self._high[before] + from_before, self._high[after] + from_after)
        return low, high

    def offsets(self, times: Times) -> Times:
        """How far it was ahead at these times."""
        low, high = self._ends(times)
        return self._base + np.rint((low + high) / 2).astype(np.int64)

    def bounds(self, times: Times) -> Times:
        """By how much :meth:`offsets` may be wrong at these times, at most."""
        low, high = self._ends(times)
        return np.ceil((high - low) / 2).astype(np.int64) + 1

    def offset(self, time: int) -> int:
        """As :meth:`offsets`, of one time."""
        return int(self.offsets(np.array([time], dtype=np.int64))[0])

    def bound(self, time: int) -> int:
        """As :meth:`bounds`, of one time."""
        return int(self.bounds(np.array([time], dtype=np.int64))[0])

    def to_ours(self, times: Times) -> Times:
        """What our clock showed when the other showed these times; keeps their order."""
        return times - self.offsets(times)

    def to_theirs(self, time: int) -> int:
        """What the other clock shows when ours shows ``time``, as far as is known."""
        there = time + self._base
        return time + self.offset(time + self.offset(there))

    def worst(self, begin: int, end: int) -> int:
        """What :meth:`bounds` never exceeds from ``begin`` to ``end``."""
        width = self._high - self._low
        gaps = np.diff(self._at)
        # between two exchanges each end moves by the drift from one and back to the other
        between = (width[:-1] + width[1:]) / 2 + self.drift * gaps
        first, last = begin - self._first, end - self._first
        inside = (self._at[:-1] <= last) & (self._at[1:] >= first)
        widest = float(np.max(between[inside])) if inside.any() else 0.0
        edges = self.bounds(np.array([begin, end], dtype=np.int64))
        return max(int(np.ceil(widest / 2)) + 1, int(edges.max()))


def _lowest_cone(values: NDArray[np.float64], at: NDArray[np.float64], slope: float) -> NDArray[np.float64]:
    """At each place, the lowest of ``values[j] + slope * |at - at[j]|`` over all j; ``at`` is sorted."""
    forward = np.minimum.accumulate(values - slope * at) + slope * at
    backward = np.minimum.accumulate((values + slope * at)[::-1])[::-1] - slope * at
    found: NDArray[np.float64] = np.minimum(forward, backward)
    return found


def estimate(exchanges: Sequence[Exchange], drift: float = DRIFT) -> Estimate:
    """What these exchanges say of the other clock, assuming no more than ``drift``, or the least doubling that fits.

    Raises:
        HarnessError: there are none, or one of the clocks jumped between two of them.
    """
    if not exchanges:
        raise HarnessError("nothing is known of the other clock: no exchange with it succeeded")
    while True:
        found = Estimate(exchanges, drift)
        if found.consistent:
            return found
        drift *= 2
        if drift > MOST_DRIFT:
            raise HarnessError("one of two clocks jumped during the trial, or ran faster than the other by over 1%")
