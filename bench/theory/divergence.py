"""How far a measurement is from a model, as a number."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import ArrayLike


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """Between a predicted and a measured distribution, or between two numbers.

    Attributes:
        ratio: measured median / predicted median.
        distance: the largest vertical distance of the two distribution functions (Kolmogorov and Smirnov), 0 to 1;
            None where only numbers were compared.
        measured: how many observations there were.
    """

    ratio: float
    distance: float | None = None
    measured: int = 1

    def __str__(self) -> str:
        """``12% above the model (distance 0.08, 200 measured)``."""
        away = abs(self.ratio - 1)
        if away < 0.005:
            words = "within 0.5% of the model"
        else:
            words = f"{away:.0%} {'above' if self.ratio > 1 else 'below'} the model"
        rest = [] if self.distance is None else [f"distance {self.distance:.2f}"]
        return f"{words} ({', '.join([*rest, f'{self.measured:,} measured'])})"


def divergence(predicted: ArrayLike | float, measured: Sequence[float] | ArrayLike) -> Divergence:
    """Compare observations with samples of a model, or with the number it predicts.

    Raises:
        ValueError: nothing was measured or predicted, or the model predicts 0.
    """
    model = np.sort(np.atleast_1d(np.asarray(predicted, dtype=np.float64)))
    seen = np.sort(np.atleast_1d(np.asarray(measured, dtype=np.float64)))
    if not len(model) or not len(seen):
        raise ValueError("nothing to compare: no prediction, or no measurement")
    middle = float(np.median(model))
    if middle == 0:
        raise ValueError("the model predicts 0: a ratio to it means nothing")
    ratio = float(np.median(seen)) / middle
    if len(model) == 1:
        return Divergence(ratio=ratio, measured=len(seen))
    points = np.concatenate([model, seen])
    below_model = np.searchsorted(model, points, side="right") / len(model)
    below_seen = np.searchsorted(seen, points, side="right") / len(seen)
    return Divergence(ratio=ratio, distance=float(np.abs(below_model - below_seen).max()), measured=len(seen))
