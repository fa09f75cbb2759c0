"""A node's clocks: how far and how fast they run apart from true (virtual) time."""

from __future__ import annotations

from math import ceil

EPOCH = 1_700_000_000_000_000_000
"""Wall time at virtual time 0, ns."""


class Clock:
    """A monotonic clock that may drift, and a wall clock that also has an offset and may jump.

    Attributes:
        rate: local seconds a true second.
        uncertainty: half the width of the TrueTime interval, ns; correct only while it exceeds the offset.
    """

    __slots__ = ("_anchor_local", "_anchor_true", "offset", "rate", "uncertainty")

    def __init__(self, offset: int = 0, rate: float = 1.0) -> None:
        self.offset = offset
        self.rate = rate
        self.uncertainty = abs(offset)
        self._anchor_true = 0
        self._anchor_local = 0

    def monotonic(self, now: int) -> int:
        """Local ns at true time ``now``; never falls, whatever the rate does."""
        if self.rate == 1.0:
            return self._anchor_local + now - self._anchor_true
        return self._anchor_local + int((now - self._anchor_true) * self.rate)

    def wall(self, now: int) -> int:
        """Local wall time at true time ``now``."""
        return EPOCH + self.monotonic(now) + self.offset

    def interval(self, now: int) -> tuple[int, int]:
        """(earliest, latest) true wall time, as this node knows it."""
        wall = self.wall(now)
        return wall - self.uncertainty, wall + self.uncertainty

    def set_rate(self, now: int, rate: float) -> None:
        """Run at ``rate`` from ``now`` on, without a jump."""
        self._anchor_local = self.monotonic(now)
        self._anchor_true = now
        self.rate = rate

    def true_delay(self, delay: int) -> int:
        """How long in true time a local delay takes at the present rate."""
        return delay if self.rate == 1.0 else ceil(delay / self.rate)
