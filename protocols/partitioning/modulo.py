"""Hash mod N, and hash mod P with P fixed partitions: the two ends of "just take the remainder".

With N, the number of nodes, nearly every key moves when a node joins. With a fixed number of partitions no key ever
changes its partition; whole partitions change their node (Riak, Redis Cluster, Kafka, Citus).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from .hashing import Hashes

Indices = npt.NDArray[np.int64]


def modulo(hashes: Hashes, buckets: int) -> Indices:
    """The bucket of each key.

    Raises:
        ValueError: there is no bucket.
    """
    if buckets < 1:
        raise ValueError(f"buckets {buckets} is out of range: at least 1")
    return (hashes % np.uint64(buckets)).astype(np.int64)


def spread(partitions: int, nodes: int) -> Indices:
    """The node of each of P partitions, dealt in turns: counts differ by one at most.

    Raises:
        ValueError: no node, or fewer partitions than nodes.
    """
    if not 1 <= nodes <= partitions:
        raise ValueError(f"nodes {nodes} is out of range: 1 to the number of partitions, {partitions}")
    return np.arange(partitions, dtype=np.int64) % nodes


def join(owners: Sequence[int] | Indices, nodes: int) -> Indices:
    """The owners of the same partitions with one node more: it takes its due, one at a time, from whoever has most.

    Only partitions that go to the newcomer move: floor(P / (n + 1)) of them.

    Raises:
        ValueError: an owner is not one of ``nodes``.
    """
    after = np.array(owners, np.int64)
    if len(after) and not 0 <= int(after.min()) <= int(after.max()) < nodes:
        raise ValueError(f"owners must be below the number of nodes, {nodes}")
    counts = np.bincount(after, minlength=nodes)
    for _ in range(len(after) // (nodes + 1)):
        richest = int(counts.argmax())
        after[int(np.flatnonzero(after == richest)[-1])] = nodes
        counts[richest] -= 1
    return after


def leave(owners: Sequence[int] | Indices, gone: int, nodes: int) -> Indices:
    """The owners when node ``gone`` has left: each of its partitions goes to whoever has fewest. Numbers are kept.

    Raises:
        ValueError: it is the only node, or none of them.
    """
    if nodes < 2 or not 0 <= gone < nodes:
        raise ValueError(f"node {gone} cannot leave {nodes} nodes")
    after = np.array(owners, np.int64)
    counts = np.bincount(after, minlength=nodes)
    counts[gone] = np.iinfo(np.int64).max
    for at in np.flatnonzero(after == gone).tolist():
        poorest = int(counts.argmin())
        after[at] = poorest
        counts[poorest] += 1
    return after
