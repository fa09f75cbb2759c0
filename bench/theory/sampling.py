"""Many draws at once from a latency, for Monte Carlo models; the same distributions as :mod:`bench.network.latency`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..network.latency import (
    Constant,
    Empirical,
    Exponential,
    Latency,
    Lognormal,
    Mixture,
    Normal,
    Pareto,
    Uniform,
)

Samples = NDArray[np.float64]


def draw(latency: Latency, shape: int | tuple[int, ...], rng: np.random.Generator) -> Samples:
    """Delays in ns, never negative."""
    match latency:
        case Constant(delay):
            return np.full(shape, float(delay))
        case Uniform(low, high):
            return rng.uniform(low, high, shape)
        case Normal(mean, sigma):
            return np.maximum(0.0, rng.normal(mean, sigma, shape))
        case Lognormal(median, sigma):
            return median * np.exp(rng.normal(0.0, sigma, shape))
        case Exponential(mean):
            return rng.exponential(mean, shape)
        case Pareto(minimum, alpha):
            return minimum * (1.0 - rng.random(shape)) ** (-1.0 / alpha)
        case Empirical(samples):
            return rng.choice(np.asarray(samples, dtype=np.float64), shape)
        case Mixture(parts):
            weights = np.array([weight for weight, _ in parts])
            which = rng.choice(len(parts), shape, p=weights / weights.sum())
            drawn = np.stack([draw(part, shape, rng) for _, part in parts])
            taken: Samples = np.take_along_axis(drawn, which[np.newaxis], axis=0)[0]
            return taken
    raise TypeError(f"not a latency: {latency!r}")
