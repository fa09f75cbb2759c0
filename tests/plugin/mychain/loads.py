"""A workload, and something that is none."""

from __future__ import annotations

from bench.workload.spec import Workload


def hot() -> Workload:
    """Few keys, mostly writes."""
    return Workload(clients=3, keys=2, mix=(("write", 0.75), ("read", 0.25)))


WRONG = {"clients": 3}
