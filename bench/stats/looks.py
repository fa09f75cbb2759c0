"""Adding trials until an interval is narrow enough, without fooling oneself.

Whoever looks after each trial and stops when it looks good, stops too often by luck. So looks are fixed beforehand,
none before 20 trials, and each interval is widened for their number (Bonferroni): with the confidence asked for, *all*
looks cover the truth together, and so does the one at which we stop, however that is chosen.
"""

from __future__ import annotations

import math

import msgspec
from numpy.typing import ArrayLike

from ..errors import UsageError
from .intervals import LEVEL, Interval, interval

FIRST_LOOK = 20
"""Trials before the first look, at least: BCa intervals of fewer are too narrow."""


class Precision(msgspec.Struct, frozen=True, kw_only=True):
    """How narrow the interval of a metric must become.

    Attributes:
        metric: a column of a sweep's frame; its quantile ``q`` over trials is estimated.
        width: half of the interval's width, relative to the estimate: 0.05 is +-5%.
        q: 0.5 for the median.
        first: trials before the first look, at least 20.
        step: trials from one look to the next.
        most: trials at which it ends, narrow enough or not.
        level: of confidence, over all looks together.
    """

    metric: str
    width: float
    q: float = 0.5
    first: int = FIRST_LOOK
    step: int = 20
    most: int = 200
    level: float = LEVEL

    def validate(self) -> None:
        """Raise :class:`UsageError` for the first field that cannot be."""
        if not 0 < self.width < math.inf:
            raise UsageError(f"width {self.width:g} is out of range: half the interval over the estimate, above 0")
        if not 0 < self.q < 1:
            raise UsageError(f"q {self.q:g} is out of range: between 0 and 1")
        if self.first < FIRST_LOOK:
            raise UsageError(f"first {self.first} is out of range: no look before {FIRST_LOOK} trials")
        if self.step < 1:
            raise UsageError(f"step {self.step} is out of range: at least 1 trial from look to look")
        if self.most < self.first:
            raise UsageError(f"most {self.most} is out of range: at least first, {self.first}")
        if not 0.5 <= self.level < 1:
            raise UsageError(f"level {self.level:g} is out of range: from 0.5 to below 1")

    def looks(self) -> tuple[int, ...]:
        """Numbers of trials at which to look, the last of them ``most``."""
        return (*range(self.first, self.most, self.step), self.most)

    def each_level(self) -> float:
        """The level of one look's interval."""
        return 1 - (1 - self.level) / len(self.looks())


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a look saw.

    Attributes:
        trials: that had been run; ``interval.n`` of them had the metric.
        interval: at the level corrected for the looks.
        narrow: whether it is as narrow as asked for.
    """

    trials: int
    interval: Interval
    narrow: bool


def look(values: ArrayLike, trials: int, precision: Precision) -> Look:
    """Look at the metric's values of the first ``trials`` trials; fewer, where some had none."""
    found = interval(values, precision.q, level=precision.each_level())
    half = (found.high - found.low) / 2
    narrow = found.known and not found.few and math.isfinite(half) and half <= precision.width * abs(found.estimate)
    return Look(trials=trials, interval=found, narrow=narrow)
