"""A Merkle tree over the keys that two replicas share (Merkle 1987; Dynamo, section 4.7): equal roots, equal data.

The key space is cut into ``FANOUT ** depth`` leaves by the keys' tokens, the same on every node. A leaf is the sum
(modulo 2^64) of its keys' digests, so that a write changes one leaf without reading the others; an inner node is the
hash of its children. Sums of hashes are safe against chance, not against somebody who wants two of them to be equal.
"""

from __future__ import annotations

from hashlib import blake2b

FANOUT = 16
BITS = 4
MASK = (1 << 64) - 1
Hashes = tuple[int, ...]


class Tree:
    """Hashes of the leaves that are not empty, and of inner nodes, computed when they are asked for."""

    __slots__ = ("_inner", "depth", "leaves")

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.leaves: dict[int, dict[str, int]] = {}
        self._inner: list[dict[int, int]] = [{} for _ in range(depth + 1)]

    def leaf_of(self, token: int) -> int:
        """The leaf of a key with that token."""
        return token >> (64 - BITS * self.depth)

    def put(self, key: str, token: int, digest: int) -> None:
        """The key's item is now the one of that digest; 0: it is gone."""
        leaf = self.leaf_of(token)
        keys = self.leaves.setdefault(leaf, {})
        if digest:
            keys[key] = digest
        else:
            keys.pop(key, None)
        for level in range(self.depth, -1, -1):
            if self._inner[level].pop(leaf, None) is None and level < self.depth:
                break  # never asked for since the last change, nor is anything above it
            leaf >>= BITS

    def hash(self, level: int, index: int) -> int:
        """Of one node; level 0 is the root. 0: there is nothing below it."""
        known = self._inner[level].get(index)
        if known is None:
            if level == self.depth:
                known = sum(_of(key, value) for key, value in self.leaves.get(index, {}).items()) & MASK
            else:
                children = self.children(level, index)
                said = b"".join(child.to_bytes(8, "big") for child in children)
                known = int.from_bytes(blake2b(said, digest_size=8).digest(), "big") if any(children) else 0
            self._inner[level][index] = known
        return known

    def children(self, level: int, index: int) -> Hashes:
        """Hashes of the nodes just below one."""
        return tuple(self.hash(level + 1, (index << BITS) + child) for child in range(FANOUT))

    def differing(self, level: int, index: int, theirs: Hashes) -> list[int]:
        """Which of the nodes just below differ from another tree's."""
        mine = self.children(level, index)
        return [(index << BITS) + child for child in range(FANOUT) if mine[child] != theirs[child]]


def _of(key: str, digest: int) -> int:
    said = key.encode() + digest.to_bytes(8, "big")
    return int.from_bytes(blake2b(said, digest_size=8).digest(), "big")
