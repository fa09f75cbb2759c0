"""What a placement is judged by: how even it is, and what has to move when it changes. Formulas: ``bench.theory``."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


class Balance(msgspec.Struct, frozen=True):
    """How load is spread over nodes, relative to the mean.

    Attributes:
        deviation: standard deviation.
        peak, least: of the node with most, and with least.
    """

    deviation: float
    peak: float
    least: float


def balance(owners: Indices, nodes: int, load: npt.NDArray[np.float64] | None = None) -> Balance:
    """Of keys that are placed, each counted once or by its ``load``.

    Raises:
        ValueError: there is no load at all.
    """
    loads = np.bincount(owners, weights=load, minlength=nodes).astype(float)
    return spread_of(loads)


def spread_of(loads: npt.NDArray[np.float64]) -> Balance:
    """Of each node's load.

    Raises:
        ValueError: there is no load at all.
    """
    mean = loads.mean() if len(loads) else 0.0
    if not mean > 0:
        raise ValueError("no load: there is no key, or none is asked for")
    return Balance(float(loads.std() / mean), float(loads.max() / mean), float(loads.min() / mean))


class Movement(msgspec.Struct, frozen=True):
    """What a change of placement moves, as shares of all keys.

    Attributes:
        moved: keys whose node is another one.
        needless: of them, those that neither leave a node that has gone nor go to one that has come: a *monotone*
            placement has none (Karger et al. 1997).
    """

    moved: float
    needless: float


def movement(before: npt.NDArray[np.str_], after: npt.NDArray[np.str_]) -> Movement:
    """Compare the node's name that each key had before and has after. Who has no key counts as gone, or as not come.

    Raises:
        ValueError: different numbers of keys, or none.
    """
    if len(before) != len(after) or not len(before):
        raise ValueError("before and after must place the same keys, at least one")
    differs = before != after
    gone = np.isin(before, np.unique(after), invert=True)
    come = np.isin(after, np.unique(before), invert=True)
    return Movement(float(differs.mean()), float((differs & ~gone & ~come).mean()))
