"""How evenly consistent hashing spreads load (Karger et al. 1997; spread of virtual nodes: Lamping and Veach 2014)."""

from __future__ import annotations

from math import sqrt

import numpy as np

from .sampling import Samples


def load_deviation(nodes: int, vnodes: int) -> float:
    """Standard deviation of a node's share of the key space, relative to the mean: sqrt((n - 1) / (n v + 1)).

    The shares of n v points on a ring are Dirichlet distributed with all parameters 1; a node owns v of them.

    Raises:
        ValueError: fewer than one.
    """
    if nodes < 1 or vnodes < 1:
        raise ValueError("there is at least one node with at least one virtual node")
    return sqrt((nodes - 1) / (nodes * vnodes + 1))


def peak_to_average(nodes: int, vnodes: int, draws: int = 1000, seed: int = 1) -> Samples:
    """Samples of the largest share of the key space over the mean share."""
    rng = np.random.default_rng(seed)
    shares = rng.gamma(vnodes, 1.0, (draws, nodes))
    peaks: Samples = shares.max(axis=1) / shares.mean(axis=1)
    return peaks


def moved(keys: int, nodes: int) -> float:
    """Keys that move when a node joins n others, on average: K / (n + 1), the least that balance allows."""
    return keys / (nodes + 1)
