"""Rendezvous hashing, highest random weight (Thaler and Ravishankar, IEEE/ACM Transactions on Networking 1998).

Every node bids for every key, and the highest bid wins. No tokens and no table, as even as the hash, and when a node
leaves only its own keys move. A look-up costs a hash a node, so it suits dozens of nodes rather than thousands.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .hashing import Hashes, hash_keys, mix

_CELLS = 1 << 18
"""Bids worked on at once."""


def rendezvous(
    hashes: Hashes, nodes: Sequence[str], weights: Sequence[float] | None = None, replicas: int = 1
) -> npt.NDArray[np.int64]:
    """Who wins each key.

    Args:
        hashes: of the keys.
        nodes: names; the answer does not depend on their order but for the numbers it is given in.
        weights: how much of the keys each node is to have, relative to each other; None: the same for all. A node's bid
            is ``-weight / ln(u)`` for a uniform u of the pair (Schindelhauer and Schomaker 2005): the minimum of
            exponential variables is any one's with a chance proportional to its rate.
        replicas: how many winners a key has.

    Returns:
        indices into ``nodes``: (keys,) for one replica, otherwise (keys, replicas), the highest bid first.

    Raises:
        ValueError: fewer nodes than replicas, or a weight that is not positive.
    """
    if not 1 <= replicas <= len(nodes):
        raise ValueError(f"replicas {replicas} is out of range: 1 to the number of nodes, {len(nodes)}")
    if weights is not None and (len(weights) != len(nodes) or min(weights) <= 0):
        raise ValueError("weights: one above 0 for each node")
    names = mix(hash_keys(nodes))
    rate = None if weights is None else np.asarray(weights, float)
    winners = np.empty((len(hashes), replicas), np.int64)
    step = max(1, _CELLS // len(nodes))
    for start in range(0, len(hashes), step):
        bids = mix(hashes[start : start + step, None] ^ names)
        if rate is None:
            best = _best(~bids, replicas)
        else:  # the smallest of exponential variables of these rates
            uniform = ((bids >> np.uint64(11)).astype(np.float64) + 0.5) / (1 << 53)
            best = _best(-np.log(uniform) / rate, replicas)
        winners[start : start + step] = best
    return winners[:, 0] if replicas == 1 else winners


def _best(scores: npt.NDArray[np.generic], count: int) -> npt.NDArray[np.int64]:
    """Columns of the smallest scores of each row, ascending."""
    if count == 1:
        return np.asarray(scores.argmin(axis=1), np.int64)[:, None]
    return np.asarray(scores.argsort(axis=1)[:, :count], np.int64)
