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
            return minimum * np.exp(rng.standard_exponential(shape) / alpha)  # faster than a power, and the same law
        case Empirical(samples):
            return rng.choice(np.asarray(samples, dtype=np.float64), shape)
        case Mixture(parts):
            parts = tuple(sorted(parts, key=lambda part: -part[0]))  # what is drawn for nothing is the least
            mixed = draw(parts[0][1], shape, rng)
            bounds = np.cumsum([weight for weight, _ in parts])
            which = rng.random(shape) * bounds[-1]
            for at, (_, part) in enumerate(parts[1:]):
                mine = (which >= bounds[at]) & (which < bounds[at + 1])
                mixed[mine] = draw(part, int(mine.sum()), rng)
            return mixed
    raise TypeError(f"not a latency: {latency!r}")
