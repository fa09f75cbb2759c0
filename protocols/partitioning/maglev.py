"""Maglev hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, 3.4).

A look-up is one access to a table. Its entries are filled in turns: each node takes the next free entry of a
permutation of its own, so that shares differ by at most one entry. When a node leaves, a few keys of other nodes move
too: the paper prefers evenness to that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .hashing import Hashes, hash_keys

SMALL, LARGE = 65537, 655373
"""Table sizes of the paper's figure 12; prime, so that every skip visits every entry."""

_FEW = 200
"""While more than one entry in this many is free, trying the next of a permutation finds one soon enough."""


def table(nodes: Sequence[str], size: int = SMALL) -> npt.NDArray[np.int64]:
    """The look-up table: an index into ``nodes`` an entry.

    Raises:
        ValueError: the size is not a prime, or smaller than the number of nodes.
    """
    if not nodes:
        raise ValueError("a table needs nodes")
    if size < len(nodes) or not _is_prime(size):
        raise ValueError(f"size {size} is out of range: a prime of at least the number of nodes, {len(nodes)}")
    offset = (hash_keys([f"{node}/offset" for node in nodes]) % np.uint64(size)).astype(np.int64)
    skip = (hash_keys([f"{node}/skip" for node in nodes]) % np.uint64(size - 1)).astype(np.int64) + 1
    entries = np.full(size, -1, np.int64)
    cursor = offset.copy()
    free = size
    while free > max(len(nodes), size // _FEW):
        _turn(entries, cursor, skip)
        free -= len(nodes)
    _rest(entries, offset, skip)
    return entries


def lookup(hashes: Hashes, entries: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The node of each key: an index into the nodes of :func:`table`."""
    return entries[(hashes % np.uint64(len(entries))).astype(np.int64)]


def _turn(entries: npt.NDArray[np.int64], cursor: npt.NDArray[np.int64], skip: npt.NDArray[np.int64]) -> None:
    """Every node, in its order, takes the next free entry of its permutation.

    All nodes ask at once; an entry is held by the first node that asked for it, and who loses one asks for its next.
    That ends where taking turns does: nobody can be put off an entry but by an earlier node (Gale and Shapley's
    deferred acceptance, where all entries rank the nodes alike).
    """
    size, nodes = len(entries), len(cursor)
    holder = np.full(size, nodes, np.int64)
    asking = np.arange(nodes)
    while len(asking):
        while True:  # past what earlier turns took
            taken = entries[cursor[asking]] >= 0
            if not taken.any():
                break
            blocked = asking[taken]
            cursor[blocked] = (cursor[blocked] + skip[blocked]) % size
        wanted = cursor[asking]
        before = holder[wanted]
        np.minimum.at(holder, wanted, asking)
        kept = holder[wanted]
        lost = asking[kept != asking]
        put_off = before[(before < nodes) & (kept != before)]
        asking = np.unique(np.concatenate([lost, put_off]))
        cursor[asking] = (cursor[asking] + skip[asking]) % size
    entries[cursor] = np.arange(nodes)
    cursor += skip
    cursor %= size


def _rest(entries: npt.NDArray[np.int64], offset: npt.NDArray[np.int64], skip: npt.NDArray[np.int64]) -> None:
    """The last free entries, in turns; each node's are sorted by when its permutation comes to them."""
    size, nodes = len(entries), len(offset)
    free = np.flatnonzero(entries < 0)
    inverse = np.array([pow(int(each), -1, size) for each in skip], np.int64)
    when = (free[None, :] - offset[:, None]) % size * inverse[:, None] % size
    orders = [iter(free[order].tolist()) for order in when.argsort(axis=1)]
    for turn in range(len(free)):
        node = turn % nodes
        entries[next(entry for entry in orders[node] if entries[entry] < 0)] = node


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))
