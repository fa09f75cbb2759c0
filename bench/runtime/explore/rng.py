"""What nodes draw where chance is not to be explored: the same in every turn, but never the same identifier twice."""

from __future__ import annotations

import hashlib
from random import Random


class TurnRandom(Random):
    """Begins anew with each turn, so that how often a node has drawn before is no part of its state.

    Small draws (a timeout, a peer) follow from the node and their place in the turn. Draws of more than 32 bits are
    identifiers, and all differ.
    """

    def __init__(self, name: str, incarnation: int) -> None:
        self._name = f"{name}/{incarnation}"
        self._start = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big")
        self._identifiers = 0
        super().__init__(self._start)

    def new_turn(self) -> None:
        """A turn begins."""
        self.seed(self._start)

    def getrandbits(self, k: int, /) -> int:
        """As ``Random``; unique from 33 bits on."""
        if k <= 32:
            return super().getrandbits(k)
        self._identifiers += 1
        digest = hashlib.blake2b(f"{self._name}/{self._identifiers}".encode(), digest_size=(k + 7) // 8 % 64 or 64)
        return int.from_bytes(digest.digest(), "big") >> (-k % 8)
