"""What a load asks for and of which key: mixes, and distributions of keys."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from random import Random

from ..errors import UsageError
from ..history.history import WRITE
from .spec import Workload

HOT_KEYS, HOT_SHARE = 0.2, 0.8

KeyChooser = Callable[[int], int]
"""From the code of a function to the index of a key."""


def effective_mix(mix: tuple[tuple[str, float], ...], functions: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    """The mix restricted to what a protocol's client understands, rescaled to sum to 1.

    Raises:
        UsageError: nothing of the mix remains.
    """
    kept = [(function, share) for function, share in mix if function in functions and share > 0]
    total = sum(share for _, share in kept)
    if total <= 0:
        wanted = ", ".join(function for function, _ in mix)
        offered = ", ".join(functions) or "nothing"
        raise UsageError(f"the workload asks for {wanted}, but this protocol's clients offer {offered}")
    return tuple((function, share / total) for function, share in kept)


def zipf_bounds(keys: int, skew: float) -> list[float]:
    """The cumulative distribution of a Zipf law over ranks 0 .. keys-1: P(rank r) is proportional to (r+1)^-skew."""
    sums = list(accumulate((rank + 1) ** -skew for rank in range(keys)))
    total = sums[-1]
    return [partial / total for partial in sums]


def key_chooser(workload: Workload, rng: Random) -> KeyChooser:
    """How this workload picks keys.

    ``latest`` follows YCSB-D: writes go round the keys, everything else prefers, by Zipf's law, what was written last.
    """
    keys, random = workload.keys, rng.random
    last = keys - 1
    if workload.distribution == "uniform":
        return lambda _: int(keys * random())
    if workload.distribution == "zipfian":
        bounds = zipf_bounds(keys, workload.skew)
        return lambda _: min(last, bisect_right(bounds, random()))
    if workload.distribution == "hotspot":
        hot = max(1, round(keys * HOT_KEYS))
        cold = keys - hot
        if not cold:
            return lambda _: int(keys * random())
        return lambda _: int(hot * random()) if random() < HOT_SHARE else hot + int(cold * random())
    position = last
    if workload.distribution == "sequential":

        def sequential(_: int) -> int:
            nonlocal position
            position = position + 1 if position < last else 0
            return position

        return sequential
    recency = zipf_bounds(keys, workload.skew)

    def latest(function: int) -> int:
        nonlocal position
        if function == WRITE:
            position = position + 1 if position < last else 0
            return position
        return (position - min(last, bisect_right(recency, random()))) % keys

    return latest
