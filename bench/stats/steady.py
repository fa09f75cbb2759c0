"""When a trial had become steady: where its warm-up should have ended (MSER-5, White 1997)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..history import OK, History
from .intervals import FloatArray

BATCH = 5
"""Observations a batch: the 5 of MSER-5."""
LEAST = 10
"""Fewer batches than this show nothing."""


@dataclass(frozen=True)
class Steady:
    """Where the transient ends.

    Attributes:
        observations: to leave out at the start; None if the series did not become steady within its first half, or is
            too short to say.
        batches: of five observations there were.
    """

    observations: int | None
    batches: int


def mser(values: ArrayLike, batch: int = BATCH) -> Steady:
    """The number of observations to leave out so that the mean of the rest has the least standard error.

    Minimises sum over i > d of (y_i - mean)^2 / (m - d)^2 over the m means y of batches. A minimum in the second half
    comes from having few observations left, not from steadiness: it counts as none (White, Cobb and Spratt 2000).

    Args:
        values: in the order of time; those that are not finite are left out.
        batch: observations a batch; the rest at the end is left out.
    """
    data = np.asarray(values, dtype=float).ravel()
    data = data[np.isfinite(data)]
    batches = len(data) // batch
    if batches < LEAST:
        return Steady(None, batches)
    means: FloatArray = data[: batches * batch].reshape(batches, batch).mean(axis=1)
    means = means - means.mean()  # sums of squares of what is far from 0 would cancel
    left = np.arange(batches, 0, -1)
    total = np.cumsum(means[::-1])[::-1]
    squares = np.cumsum((means**2)[::-1])[::-1]
    errors = np.maximum(squares - total**2 / left, 0.0) / left.astype(float) ** 2
    # the last few batches always look steady: one batch has no spread at all
    at = int(np.argmin(errors[: batches - BATCH]))
    return Steady(None if at > batches // 2 else at * batch, batches)


def steady_from(history: History, until: int) -> int | None:
    """ns from which response times were steady, by MSER-5 over the operations in the order they were intended.

    Args:
        history: of a trial.
        until: ns; operations intended later are left out, as a fault makes anything unsteady.

    Returns:
        None if they were not steady within the first half of that time, or too few to say.
    """
    rows = np.flatnonzero((history.outcome == OK) & (history.intended < until) & (history.intended >= 0))
    order = rows[np.argsort(history.intended[rows], kind="stable")]
    response = (history.completed[order] - history.intended[order]).astype(float)
    found = mser(response)
    return None if found.observations is None else int(history.intended[order[found.observations]])
