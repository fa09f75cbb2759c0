"""Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam, SODA 2018, algorithm of section 1.1).

A key goes to the first node clockwise that has room. With room for ceil(c m / n) of m keys, no node has more than c
times its due; the smaller c, the further keys wander, and the more of them move when a node joins.
"""

from __future__ import annotations

from math import ceil

import numpy as np

from .hashing import Hashes
from .ring import Indices, Ring


def capacity(keys: int, nodes: int, c: float) -> int:
    """The most keys that a node may have: ceil(c m / n).

    Raises:
        ValueError: c does not exceed 1.
    """
    if not c > 1:
        raise ValueError(f"c {c:g} is out of range: above 1, or no key would find room")
    return ceil(c * keys / nodes)


def bounded(ring: Ring, hashes: Hashes, c: float) -> Indices:
    """The node of each key, as an index into ``ring.nodes``, if they arrive in this order.

    All keys ask at once, and a node keeps the earliest that fit; who is refused asks the next node. As all nodes rank
    the keys alike, that ends where arriving one by one does.

    Raises:
        ValueError: c does not exceed 1.
    """
    room = capacity(len(hashes), len(ring.nodes), c)
    orders: dict[int, list[int]] = {}
    at = ring.places_of(hashes)
    tried = np.zeros(len(hashes), np.int64)
    owner = ring.owners[at].copy()
    names = {node: index for index, node in enumerate(ring.nodes)}
    while True:
        order = np.lexsort((np.arange(len(owner)), owner))
        rank = np.arange(len(owner)) - np.searchsorted(owner[order], owner[order], side="left")
        refused = order[rank >= room]
        if not len(refused):
            return owner
        for key in refused.tolist():
            where = int(at[key])
            known = orders.get(where)
            if known is None:
                known = orders[where] = [names[node] for node in ring.order(where)]
            tried[key] += 1
            owner[key] = known[tried[key]]
