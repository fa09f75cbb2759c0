"""Load: arrivals, keys, values and mixes."""

from .spec import PRESETS, Workload

__all__ = ["PRESETS", "Workload"]
