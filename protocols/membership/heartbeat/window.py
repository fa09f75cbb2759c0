"""The last intervals between heartbeats, with their mean and deviation."""

from __future__ import annotations

from collections import deque
from math import sqrt


class Window:
    """The last ``size`` samples, in ns. Sums of whole numbers are exact, so nothing drifts however long it runs."""

    __slots__ = ("_squares", "_sum", "samples", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.samples: deque[int] = deque()
        self._sum = 0
        self._squares = 0

    def __len__(self) -> int:
        return len(self.samples)

    def add(self, sample: int) -> None:
        """Take one up; the oldest leaves when there are more than ``size``."""
        self.samples.append(sample)
        self._sum += sample
        self._squares += sample * sample
        if len(self.samples) > self.size:
            oldest = self.samples.popleft()
            self._sum -= oldest
            self._squares -= oldest * oldest

    @property
    def mean(self) -> float:
        """In ns; of an empty window, 0."""
        return self._sum / len(self.samples) if self.samples else 0.0

    @property
    def sigma(self) -> float:
        """Standard deviation of the population of samples, in ns, as Akka computes it; of fewer than two, 0."""
        count = len(self.samples)
        if count < 2:
            return 0.0
        return sqrt(count * self._squares - self._sum * self._sum) / count
