"""Confidence intervals and comparisons over trials. The unit is the trial, never the operation: operations of one trial
share its elections, its machine and its luck, and intervals over them would be far too narrow.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

FEW = 8
"""Below this many trials the bootstrap is meaningless: a t interval is given instead, and flagged."""
LEVEL = 0.95
RESAMPLES = 2000
MANY = 1500
"""Above this many trials the BCa correction (a jackknife over all of them) changes nothing that could be seen."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its uncertainty.

    Attributes:
        estimate: the statistic over the trials; NaN without any, infinite where it falls among censored ones.
        low, high: bounds; NaN where the data allow none (one trial, or a tail quantile of few).
        level: of confidence.
        n: trials.
        method: ``bca``, ``percentile`` (BCa undefined: ties, or very many trials), ``t`` (few trials: around the mean),
            ``exact`` (all values equal), ``wilson`` (a share) or ``none``.
    """

    estimate: float
    low: float
    high: float
    level: float
    n: int
    method: Literal["bca", "percentile", "t", "exact", "wilson", "none"]

    @property
    def few(self) -> bool:
        """Whether there were too few trials for more than a rough idea."""
        return self.n < FEW

    @property
    def known(self) -> bool:
        """Whether there are bounds at all."""
        return not math.isnan(self.low)


def _clean(values: ArrayLike) -> FloatArray:
    array = np.asarray(values, dtype=float).ravel()
    known: FloatArray = array[~np.isnan(array)]
    return known


def _finite(*samples: FloatArray) -> tuple[list[FloatArray], float]:
    """The samples with a number beyond all others for infinity, and the bound above which a statistic is infinite.

    An infinite value is that of a trial of which it is only known to be longer than anything observed: order
    statistics and their bootstrap are sound with it, arithmetic with infinities is not.
    """
    finite = [float(np.abs(sample[np.isfinite(sample)]).max(initial=0.0)) for sample in samples]
    bound = 4 * max(*finite, 1.0)
    return [np.where(np.isinf(sample), 1e9 * bound, sample) for sample in samples], bound


def _infinite(found: Interval, bound: float) -> Interval:
    """The interval with infinities for what can only have come from them."""

    def back(value: float) -> float:
        return math.copysign(math.inf, value) if abs(value) > bound else value

    return replace(found, estimate=back(found.estimate), low=back(found.low), high=back(found.high))


def _quantile(q: float, values: FloatArray, axis: int = -1) -> FloatArray:
    return np.asarray(np.quantile(values, q, axis=axis))


def interval(values: ArrayLike, q: float = 0.5, *, level: float = LEVEL, seed: int = 1) -> Interval:
    """The ``q`` quantile over trials (default: the median) with a BCa bootstrap interval (Efron 1987).

    NaNs (trials in which it was not observed) are left out; infinite values (trials in which it was longer than could
    be observed) count. With fewer than eight trials: the mean with a t interval for the median, and no bounds for any
    other quantile.
    """
    data = _clean(values)
    if np.isinf(data).any():
        if q == 0.5 and len(data) < FEW:
            return Interval(math.inf, math.nan, math.nan, level, len(data), "none")  # it has no mean
        (numbers,), bound = _finite(data)
        return _infinite(interval(numbers, q, level=level, seed=seed), bound)
    n = len(data)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, level, 0, "none")
    if n < FEW:
        return _t_interval(data, q, level)
    estimate = float(_quantile(q, data))
    if data.min() == data.max():
        return Interval(estimate, estimate, estimate, level, n, "exact")

    def statistic(sample: FloatArray, axis: int = -1) -> FloatArray:
        return _quantile(q, sample, axis)

    low, high, method = _bootstrap([data], statistic, level, seed)
    return Interval(estimate, low, high, level, n, method)


def _t_interval(data: FloatArray, q: float, level: float) -> Interval:
    from scipy import stats

    n = len(data)
    if q != 0.5:
        return Interval(float(_quantile(q, data)), math.nan, math.nan, level, n, "none")
    mean = float(data.mean())
    if n == 1:
        return Interval(mean, math.nan, math.nan, level, 1, "none")
    half = float(stats.t.ppf((1 + level) / 2, n - 1)) * float(data.std(ddof=1)) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, level, n, "t")


def _bootstrap(
    samples: Sequence[FloatArray], statistic: object, level: float, seed: int, *, corrected: bool = True
) -> tuple[float, float, Literal["bca", "percentile"]]:
    """BCa bounds; percentile bounds where BCa is undefined (its acceleration is 0/0 when medians tie)."""
    from scipy import stats

    bootstrap: Any = stats.bootstrap  # its stubs know statistics of one sample only
    methods: tuple[Literal["bca", "percentile"], ...] = ("bca", "percentile")
    if not corrected or max(len(sample) for sample in samples) > MANY:
        methods = ("percentile",)
    low = high = math.nan
    for method in methods:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            found = bootstrap(
                tuple(samples),
                statistic,
                confidence_level=level,
                n_resamples=RESAMPLES,
                batch=200,
                vectorized=True,
                method="BCa" if method == "bca" else "percentile",
                rng=np.random.default_rng(seed),
            ).confidence_interval
        low, high = float(found.low), float(found.high)
        if not (math.isnan(low) or math.isnan(high)):
            return low, high, method
    return low, high, "percentile"


def difference(a: ArrayLike, b: ArrayLike, q: float = 0.5, *, level: float = LEVEL, seed: int = 1) -> Interval:
    """How much higher the ``q`` quantile of ``a`` is than that of ``b``, over independent trials.

    BCa bootstrap for the median; percentile bootstrap for other quantiles, for which BCa's correction is too sure of
    itself (measured on equal distributions, 60 trials: 4% false alarms of p90 where 2.5% were asked for, against 2%);
    Welch's t interval for the difference of means if either has fewer than eight trials. Infinite values count as in
    :func:`interval`; where the quantiles of both are infinite, they do not differ.
    """
    left, right = _clean(a), _clean(b)
    n = min(len(left), len(right))
    if n and (np.isinf(left).any() or np.isinf(right).any()):
        if n < FEW:
            return Interval(math.nan, math.nan, math.nan, level, n, "none")
        (left, right), bound = _finite(left, right)
        return _infinite(difference(left, right, q, level=level, seed=seed), bound)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, level, 0, "none")
    estimate = float(_quantile(q, left) - _quantile(q, right))
    if left.min() == left.max() and right.min() == right.max():
        # Two constants: the data show no spread from which an uncertainty could be read, unless there are many.
        bound = estimate if n >= FEW else math.nan
        return Interval(estimate, bound, bound, level, n, "exact" if n >= FEW else "none")
    if n < FEW:
        return _welch(left, right, q, level)

    def statistic(x: FloatArray, y: FloatArray, axis: int = -1) -> FloatArray:
        return _quantile(q, x, axis) - _quantile(q, y, axis)

    low, high, method = _bootstrap([left, right], statistic, level, seed, corrected=q == 0.5)
    return Interval(estimate, low, high, level, n, method)


def _welch(a: FloatArray, b: FloatArray, q: float, level: float) -> Interval:
    from scipy import stats

    n = min(len(a), len(b))
    if n == 1 or q != 0.5:
        return Interval(float(_quantile(q, a) - _quantile(q, b)), math.nan, math.nan, level, n, "none")
    bounds = stats.ttest_ind(a, b, equal_var=False).confidence_interval(level)
    return Interval(float(a.mean() - b.mean()), float(bounds.low), float(bounds.high), level, n, "t")


def distinguishable(a: ArrayLike, b: ArrayLike, q: float = 0.5, *, level: float = LEVEL, seed: int = 1) -> bool:
    """Whether the trials show that the ``q`` quantiles of two cells differ: the interval of the difference excludes 0.

    For several comparisons at once pass a corrected level (Bonferroni: 1 - (1 - level) / comparisons).
    """
    found = difference(a, b, q, level=level, seed=seed)
    return found.known and not found.low <= 0 <= found.high


def share(flags: ArrayLike, *, level: float = LEVEL) -> Interval:
    """The share of trials in which something happened, with Wilson's interval (sound near 0 and 1)."""
    from scipy import stats

    data = np.asarray(flags, dtype=bool).ravel()
    n, k = len(data), int(data.sum())
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, level, 0, "none")
    bounds = stats.binomtest(k, n).proportion_ci(level, method="wilson")
    return Interval(k / n, float(bounds.low), float(bounds.high), level, n, "wilson")
