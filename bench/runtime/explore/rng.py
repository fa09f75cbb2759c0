"""What nodes draw where time is not to be drawn: the same in every turn, unless the dice are loaded.

``random()`` and its kin (timeouts, backoffs) begin anew with each turn, so that how often a node has drawn before is no
part of its state. Draws of more than 32 bits are identifiers, and all differ. A choice among few (a peer, a server) is
a throw of :class:`Dice`, which whoever explores may load, so as to see what follows from every outcome.
"""

from __future__ import annotations

import hashlib
from random import Random

FEW = 9
"""Outcomes up to which a draw is a choice."""


class Dice:
    """The choices of one step: the first ones as loaded, the others as they fall.

    Attributes:
        sizes, outcomes: of every throw since :meth:`load`.
    """

    __slots__ = ("_loaded", "outcomes", "sizes")

    def __init__(self) -> None:
        self.load(())

    def load(self, outcomes: tuple[int, ...]) -> None:
        """Before a step."""
        self._loaded = outcomes
        self.sizes: list[int] = []
        self.outcomes: list[int] = []

    def throw(self, size: int, otherwise: int) -> int:
        """One throw."""
        place = len(self.sizes)
        outcome = self._loaded[place] if place < len(self._loaded) and self._loaded[place] < size else otherwise
        self.sizes.append(size)
        self.outcomes.append(outcome)
        return outcome


class TurnRandom(Random):
    """See the module. ``dice`` are its node's."""

    def __init__(self, name: str, incarnation: int) -> None:
        self._name = f"{name}/{incarnation}"
        self._start = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=4).digest(), "big")
        self._identifiers = 0
        self.dice = Dice()
        super().__init__(self._start)

    def new_turn(self) -> None:
        """A turn begins."""
        self.seed(self._start)

    def _randbelow(self, n: int) -> int:
        """What ``choice``, ``randrange``, ``sample`` and ``shuffle`` draw from."""
        bits = n.bit_length()
        drawn = super().getrandbits(bits)
        while drawn >= n:
            drawn = super().getrandbits(bits)
        return self.dice.throw(n, drawn) if 1 < n <= FEW else drawn

    def getrandbits(self, k: int, /) -> int:
        """As ``Random``; unique from 33 bits on."""
        if k <= 32:
            return super().getrandbits(k)
        self._identifiers += 1
        digest = hashlib.blake2b(f"{self._name}/{self._identifiers}".encode(), digest_size=(k + 7) // 8 % 64 or 64)
        return int.from_bytes(digest.digest(), "big") >> (-k % 8)
