"""Whether the order of trials had an effect: they run on actors that are kept, on a machine that may drift."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .intervals import FloatArray

PERMUTATIONS = 2000
LEAST = 8
"""Fewer comparable trials than this show nothing."""
ALPHA = 0.05


@dataclass(frozen=True)
class Order:
    """Whether trials that ran later came out differently.

    Attributes:
        correlation: of each trial's rank among those of its cell with when it ran; 0 for no effect.
        p_value: how often a correlation as strong comes about by chance; NaN with too few trials.
        visible: a correlation from which on these trials would have shown an effect.
        trials: that could be compared with another of their cell.
    """

    correlation: float
    p_value: float
    visible: float
    trials: int

    @property
    def known(self) -> bool:
        """Whether there were enough trials to say anything."""
        return not math.isnan(self.p_value)

    @property
    def effect(self) -> bool:
        """Whether the order did matter."""
        return self.known and self.p_value < ALPHA

    def sentence(self, metric: str = "the metric") -> str:
        """What can be said, in one sentence."""
        if not self.known:
            return f"Too few trials ({self.trials}) to say whether their order had an effect on {metric}."
        if self.effect:
            way = "higher" if self.correlation > 0 else "lower"
            return (
                f"Order matters: {metric} is {way} in later trials of the same cell (rank correlation "
                f"{self.correlation:.2f}, p = {self.p_value:.2g}, {self.trials} trials)."
            )
        return (
            f"The order of {self.trials} trials shows no effect on {metric} (rank correlation {self.correlation:.2f}, "
            f"p = {self.p_value:.2g}); one above {self.visible:.2f} would have shown."
        )


def order_effect(values: ArrayLike, cells: Sequence[object], *, seed: int = 1) -> Order:
    """Test that the order of trials has no effect, by permuting the trials of each cell among their places.

    If order does not matter, the trials of one cell could have come in any order: the distribution of the correlation
    under all of them is known without any assumption about the cells, which may differ as they like.

    Args:
        values: a figure a trial, in the order they ran; NaNs (nothing was observed) are left out.
        cells: of each.
        seed: of the permutations.
    """
    data = np.asarray(values, dtype=float)
    groups: dict[object, list[int]] = {}
    for place, (value, cell) in enumerate(zip(data, cells, strict=True)):
        if not math.isnan(value):
            groups.setdefault(cell, []).append(place)
    kept = [np.array(places) for places in groups.values() if len(places) > 1]
    trials = sum(map(len, kept))
    if trials < LEAST:
        return Order(math.nan, math.nan, math.nan, trials)
    from scipy import stats

    # ranks and places each around the mean of their cell: what lies between cells cannot correlate
    ranks = [_centred(stats.rankdata(data[places]) / (len(places) + 1)) for places in kept]
    times = [_centred(places.astype(float)) for places in kept]
    scale = math.sqrt(sum(float(r @ r) for r in ranks) * sum(float(t @ t) for t in times))
    if scale == 0:
        return Order(0.0, 1.0, 1.0, trials)  # all the same, whenever they ran
    seen = sum(float(r @ t) for r, t in zip(ranks, times, strict=True)) / scale
    rng = np.random.default_rng(seed)
    drawn = np.zeros(PERMUTATIONS)
    for r, t in zip(ranks, times, strict=True):
        drawn += rng.permuted(np.tile(r, (PERMUTATIONS, 1)), axis=1) @ t
    drawn = np.abs(drawn / scale)
    p = (1 + int((drawn >= abs(seen) - 1e-12).sum())) / (PERMUTATIONS + 1)
    return Order(seen, p, float(np.quantile(drawn, 1 - ALPHA)), trials)


def _centred(values: FloatArray) -> FloatArray:
    centred: FloatArray = values - values.mean()
    return centred
