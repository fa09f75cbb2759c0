"""Many keys on a ring at once: the placements of :class:`protocols.partitioning.ring.Ring`, by numpy.

Protocols are pure and know no numpy; this is for studies of balance and of what moves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from protocols.partitioning.ring import Ring, token

Tokens = NDArray[np.uint64]


def tokens_of(keys: Sequence[str]) -> Tokens:
    """Tokens of keys, as the ring hashes them; about a microsecond a key."""
    return np.fromiter((token(key) for key in keys), np.uint64, len(keys))


def random_tokens(count: int, seed: int = 1) -> Tokens:
    """Tokens of that many keys that nobody has named: what a hash makes of them is as good as random."""
    return np.random.default_rng(seed).integers(0, 1 << 64, count, np.uint64)


def places(ring: Ring, tokens: Tokens) -> NDArray[np.int64]:
    """The index of the ring's token that each key belongs to, as :meth:`Ring.place`."""
    at = np.searchsorted(np.array(ring.tokens, np.uint64), tokens, "left")
    return np.where(at == len(ring.tokens), 0, at).astype(np.int64)


def owners(ring: Ring, tokens: Tokens, n: int = 1) -> NDArray[np.int64]:
    """Replicas of each key: an array (keys, n) of indices into ``ring.nodes``.

    Raises:
        ValueError: n is not from 1 to the number of nodes.
    """
    if not 1 <= n <= len(ring.nodes):
        raise ValueError(f"replicas {n} is out of range: from 1 to {len(ring.nodes)} nodes")
    number = {node: index for index, node in enumerate(ring.nodes)}
    if n == 1:
        table = np.array([[number[node]] for node in ring.owners], np.int64)
    else:
        table = np.array([[number[node] for node in ring.order(at)[:n]] for at in range(len(ring.tokens))], np.int64)
    found: NDArray[np.int64] = table[places(ring, tokens)]
    return found


def load(ring: Ring, tokens: Tokens, n: int = 1) -> NDArray[np.int64]:
    """How many of the keys each node keeps, in the order of ``ring.nodes``."""
    return np.bincount(owners(ring, tokens, n).ravel(), minlength=len(ring.nodes))


def moving(before: Ring, after: Ring, tokens: Tokens, n: int = 1) -> int:
    """How many copies nodes gain when the ring changes: what has to be sent."""
    names = {node: index for index, node in enumerate(sorted({*before.nodes, *after.nodes}))}

    def named(ring: Ring) -> NDArray[np.int64]:
        return np.array([names[node] for node in ring.nodes], np.int64)[owners(ring, tokens, n)]

    old, new = named(before), named(after)
    kept = (new[:, :, np.newaxis] == old[:, np.newaxis, :]).any(axis=2)
    return int((~kept).sum())
