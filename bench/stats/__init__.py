"""Statistics: what a history says in figures, and what several trials say together.

The unit is the trial, never the operation. What people use most is offered here; it is imported when it is asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .effects import Effect, cliffs_delta, effect, ratio
    from .groups import Ranking, rank
    from .intervals import Interval, difference, distinguishable, interval, share
    from .knee import Knee, KneeSearch, Load, Saturation, judge
    from .looks import Look, Precision, look
    from .order import Order, order_effect
    from .steady import Steady, mser, steady_from

_WHERE = {
    "effects": ("Effect", "cliffs_delta", "effect", "ratio"),
    "groups": ("Ranking", "rank"),
    "intervals": ("Interval", "difference", "distinguishable", "interval", "share"),
    "knee": ("Knee", "KneeSearch", "Load", "Saturation", "judge"),
    "looks": ("Look", "Precision", "look"),
    "order": ("Order", "order_effect"),
    "steady": ("Steady", "mser", "steady_from"),
}

__all__ = [
    "Effect",
    "Interval",
    "Knee",
    "KneeSearch",
    "Load",
    "Look",
    "Order",
    "Precision",
    "Ranking",
    "Saturation",
    "Steady",
    "cliffs_delta",
    "difference",
    "distinguishable",
    "effect",
    "interval",
    "judge",
    "look",
    "mser",
    "order_effect",
    "rank",
    "ratio",
    "share",
    "steady_from",
]


def __getattr__(name: str) -> Any:
    """What is asked for, imported only then: a history can be summed up without scipy."""
    for module, names in _WHERE.items():
        if name in names:
            return getattr(importlib.import_module(f".{module}", __name__), name)
    raise AttributeError(f"module 'bench.stats' has no attribute {name!r}")
