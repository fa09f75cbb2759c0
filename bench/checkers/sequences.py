"""Whether sequences agree on the order of what they have in common."""

from __future__ import annotations

from itertools import combinations
from time import monotonic

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Ints = NDArray[np.int64]


class Late(Exception):
    """Past the deadline."""


def components(tail: Ints, head: Ints, count: int) -> Ints:
    """The strongly connected component of each of ``count`` nodes of the graph with these edges."""
    graph = coo_array((np.ones(len(tail), np.int8), (tail, head)), shape=(count, count)).tocsr()
    return connected_components(graph, directed=True, connection="strong")[1].astype(np.int64)


def find_conflict(sequence: Ints, item: Ints, deadline: float) -> tuple[int, int, int, int] | None:
    """Indices of ``x`` before ``y`` in one sequence and of ``y`` before ``x`` in another; None if there are none.

    Entries are sorted by sequence, and in each in its order; no sequence has an item twice.

    If the union of all sequences, as a graph of neighbours, has no cycle, then no two disagree: that is linear. And two
    items in different order lie in one strongly connected component, since each leads to the other; so the sequences,
    cut down to a component, are compared two by two. (A cycle alone is no conflict: ab, bc, ca agree in pairs.)

    Raises:
        Late: past the deadline (of ``monotonic``).
    """
    if not len(item):
        return None
    names, code = np.unique(item, return_inverse=True)
    follows = sequence[1:] == sequence[:-1]
    component = components(code[:-1][follows], code[1:][follows], len(names))
    size = np.bincount(component)
    cyclic = np.flatnonzero(size > 1)
    for each in cyclic[np.argsort(size[cyclic], kind="stable")].tolist():
        index = np.flatnonzero(component[code] == each)
        parts = np.split(index, np.flatnonzero(np.diff(sequence[index])) + 1)
        place = np.full(len(names), -1)
        for one, other in combinations(parts, 2):
            if monotonic() > deadline:
                raise Late
            place[code[other]] = other
            there = place[code[one]]
            place[code[other]] = -1
            common = there >= 0
            here, there = one[common], there[common]
            back = np.flatnonzero(np.diff(there) < 0)
            if len(back):
                at = int(back[0])
                return int(here[at]), int(here[at + 1]), int(there[at + 1]), int(there[at])
    return None
