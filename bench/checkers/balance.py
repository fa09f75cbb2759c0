"""Load balance: how evenly load lies on nodes, and how much a change of nodes moved.

**Evenness.** ``max_over_mean`` (1 is even; what the busiest node limits), ``cv`` (standard deviation of the population
over the mean), ``gini`` (mean absolute difference of two nodes over twice the mean: 0 even, 1 - 1/n all on one). Nodes
without load count, so they have to be given.

**Moves.** Consistent hashing promises that few keys move when nodes come or go (Karger et al., "Consistent hashing and
random trees", STOC 1997, section 4: *monotone*, keys move to new nodes only; here also: from nodes that left only).
``moved_share`` of the load is compared with two optima, both exact for keys that can be divided and lower bounds for
others: ``least_share_for_result``, to come from the loads there were to the loads there are, and
``least_share_for_even``, to come to an even spread over the nodes there are now.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from ..errors import UsageError
from ..history.history import IntColumn
from .properties import Doubt, Violation, conclude, over, unusable
from .verdict import Verdict

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Placement:
    """Where each key lay before and after a change of nodes.

    Attributes:
        before, after: the node of each key.
        nodes_before, nodes_after: the nodes that there were and are, also those without a key.
        load: of each key; None: all the same.
    """

    before: IntColumn
    after: IntColumn
    nodes_before: IntColumn
    nodes_after: IntColumn
    load: Floats | None = None

    def __post_init__(self) -> None:
        if len(self.before) != len(self.after) or (self.load is not None and len(self.load) != len(self.before)):
            raise UsageError(f"{len(self.before)} keys before and {len(self.after)} after: not the same keys")
        _check_load(self.load)
        for when, nodes, keys in (("before", self.nodes_before, self.before), ("after", self.nodes_after, self.after)):
            if len(np.unique(nodes)) < len(nodes):
                raise UsageError(f"a node is twice among those {when} the change")
            strange = np.setdiff1d(keys, nodes)
            if len(strange):
                raise UsageError(f"a key lies on node {strange[0]} {when} the change: there is no such node then")


def _check_load(load: Floats | None) -> None:
    if load is not None and not (np.isfinite(load).all() and (load >= 0).all()):
        raise UsageError("a load is negative or not finite: must be a number from 0")


def figures(loads: Floats) -> dict[str, float]:
    """``max_over_mean``, ``cv`` and ``gini`` of the loads of nodes; no load at all is even.

    Raises:
        UsageError: if there is no node, or a load that is negative or not finite.
    """
    _check_load(loads)
    if not len(loads):
        raise UsageError("no node: the loads of at least one are needed")
    mean = float(np.mean(loads))
    if mean == 0:
        return {"max_over_mean": 1.0, "cv": 0.0, "gini": 0.0}
    ordered, n = np.sort(loads) / mean, len(loads)
    return {
        "max_over_mean": float(ordered[-1]),
        "cv": float(np.std(ordered)),
        "gini": max(0.0, float(np.sum((2 * np.arange(1, n + 1) - n - 1) * ordered)) / (n * n)),
    }


def check(loads: Floats, budget_s: float = 20.0, **at_most: float) -> Verdict:
    """Whether the loads of nodes keep within limits, such as ``max_over_mean=1.2``; without limits it only measures.

    ``rows`` is the node with the greatest load.

    Raises:
        UsageError: if a limit has another name than :func:`figures` has, or a load is none.
    """
    del budget_s
    began = perf_counter()
    if not len(loads):
        return unusable("balance", began, "there is no node")
    measured = figures(loads)
    most = int(np.argmax(loads))
    found = [replace(each, rows=(most,)) for each in over(measured, at_most, f"; node {most} has the greatest load")]
    return conclude("balance", began, tuple(at_most), found, measured)


def check_moves(placement: Placement, budget_s: float = 20.0, *, monotone: bool = False, **at_most: float) -> Verdict:
    """Whether a change of nodes moved no more than ``at_most`` says; the figures are those of :func:`moves`.

    Args:
        placement: of the keys, before and after.
        budget_s: not needed.
        monotone: whether keys may move only from nodes that left or to nodes that came. ``rows`` is a key that did not.
        at_most: limits by name, such as ``moved_share=0.2``.

    Raises:
        UsageError: if there is no such figure.
    """
    del budget_s
    began = perf_counter()
    found: list[Violation | Doubt] = []
    wrong = np.flatnonzero(_between_old(placement))
    if monotone and len(wrong):
        key = int(wrong[0])
        words = f"key {key} moved from node {placement.before[key]} to node {placement.after[key]}, which both stayed"
        found.append(Violation("monotone", "moved-between-old", words, (key,)))
    measured = moves(placement)
    found += over(measured, at_most)
    return conclude("moves", began, (*(("monotone",) if monotone else ()), *at_most), found, measured)


def moves(placement: Placement) -> dict[str, float]:
    """What moved, as shares of all load; see the module for the two optima.

    ``moved_between_old_share``: between nodes that were there before and after. Also :func:`figures` of the loads
    after it.
    """
    count = len(placement.before)
    load = np.ones(count) if placement.load is None else placement.load.astype(np.float64)
    total = float(load.sum()) or 1.0
    nodes = np.union1d(placement.nodes_before, placement.nodes_after)

    def per_node(where: IntColumn) -> Floats:
        return np.bincount(np.searchsorted(nodes, where), weights=load, minlength=len(nodes)).astype(np.float64)

    had, has = per_node(placement.before), per_node(placement.after)
    now = np.isin(nodes, placement.nodes_after)
    even = np.where(now, float(load.sum()) / max(1, int(now.sum())), 0.0)
    return {
        "moved_share": float(load[placement.before != placement.after].sum()) / total,
        "moved_between_old_share": float(load[_between_old(placement)].sum()) / total,
        "least_share_for_result": float(np.maximum(has - had, 0).sum()) / total,
        "least_share_for_even": float(np.maximum(even - had, 0).sum()) / total,
        **(figures(has[now]) if now.any() else {}),
    }


def _between_old(placement: Placement) -> NDArray[np.bool_]:
    stayed = np.intersect1d(placement.nodes_before, placement.nodes_after)
    moved: NDArray[np.bool_] = placement.before != placement.after
    return moved & np.isin(placement.before, stayed) & np.isin(placement.after, stayed)
