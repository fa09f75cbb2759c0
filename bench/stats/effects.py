"""How different two groups of trials are, in units that mean something: a ratio, and a chance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from .intervals import FEW, LEVEL, Interval, _clean, difference

Size = Literal["unknown", "negligible", "small", "medium", "large"]
BOUNDS: tuple[tuple[float, Size], ...] = ((0.147, "negligible"), (0.33, "small"), (0.474, "medium"))
"""Of |delta|, after Romano et al. 2006; above the last it is large."""


@dataclass(frozen=True)
class Effect:
    """What distinguishes trials ``a`` from trials ``b``.

    Attributes:
        ratio: of the medians, a's over b's, with its interval; NaN where a value is not above 0.
        delta: Cliff's: P(a's trial is higher) - P(b's is), from -1 to 1; it also holds where values are infinite.
        p_value: of the Mann-Whitney test over trials; NaN with none.
        n: trials of the smaller group.
    """

    ratio: Interval
    delta: float
    p_value: float
    n: int

    @property
    def size(self) -> Size:
        """``delta`` in a word; ``unknown`` with too few trials to say."""
        if math.isnan(self.delta) or self.n < FEW:
            return "unknown"
        return next((word for bound, word in BOUNDS if abs(self.delta) < bound), "large")

    def __str__(self) -> str:
        """``1.42 times (1.31 to 1.55), a large effect (delta 0.81)``."""
        shown = "no ratio" if math.isnan(self.ratio.estimate) else f"{self.ratio.estimate:.3g} times"
        bounds = f" ({self.ratio.low:.3g} to {self.ratio.high:.3g})" if self.ratio.known else ""
        size = "too few trials to tell the effect" if self.size == "unknown" else f"a {self.size} effect"
        delta = "" if math.isnan(self.delta) else f" (delta {self.delta:.2f})"
        return f"{shown}{bounds}, {size}{delta}"


def cliffs_delta(a: ArrayLike, b: ArrayLike) -> float:
    """P(a > b) - P(a < b) over all pairs of trials (Cliff 1993); NaN without any."""
    left, right = _clean(a), np.sort(_clean(b))
    if not len(left) or not len(right):
        return math.nan
    below = np.searchsorted(right, left, side="left").sum()
    above = (len(right) - np.searchsorted(right, left, side="right")).sum()
    return float(below - above) / (len(left) * len(right))


def ratio(a: ArrayLike, b: ArrayLike, *, level: float = LEVEL, seed: int = 1) -> Interval:
    """The median of ``a`` over that of ``b``, as the difference of logarithms (of few trials: of geometric means).

    NaN where a value is 0 or below; infinite values count as in :func:`bench.stats.intervals.difference`.
    """
    left, right = _clean(a), _clean(b)
    n = min(len(left), len(right))
    if n == 0 or left.min() <= 0 or right.min() <= 0:
        return Interval(math.nan, math.nan, math.nan, level, n, "none")
    found = difference(np.log(left), np.log(right), level=level, seed=seed)

    def back(value: float) -> float:
        return math.nan if math.isnan(value) else math.inf if value > 700 else math.exp(value)

    return Interval(back(found.estimate), back(found.low), back(found.high), level, n, found.method)


def effect(a: ArrayLike, b: ArrayLike, *, level: float = LEVEL, seed: int = 1) -> Effect:
    """Compare two groups of independent trials; NaNs are left out."""
    from scipy import stats

    left, right = _clean(a), _clean(b)
    n = min(len(left), len(right))
    p = float(stats.mannwhitneyu(left, right).pvalue) if n else math.nan
    return Effect(ratio=ratio(left, right, level=level, seed=seed), delta=cliffs_delta(left, right), p_value=p, n=n)
