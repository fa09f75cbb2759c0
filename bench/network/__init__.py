"""The network between nodes: latency, loss, duplication, reordering and bandwidth of each directed link."""

from .latency import (
    Constant,
    Empirical,
    Exponential,
    Latency,
    Lognormal,
    Mixture,
    Normal,
    Pareto,
    Uniform,
    parse_latency,
    sampler,
)
from .spec import Network, Regions

__all__ = [
    "Constant",
    "Empirical",
    "Exponential",
    "Latency",
    "Lognormal",
    "Mixture",
    "Network",
    "Normal",
    "Pareto",
    "Regions",
    "Uniform",
    "parse_latency",
    "sampler",
]
