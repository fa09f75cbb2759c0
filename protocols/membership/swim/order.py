"""In which order a member probes the others (SWIM, section 4.3)."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


class Order:
    """Round robin in a new pseudo-random order each round, without a list of everybody.

    A round visits start, start + stride, start + 2 stride ... modulo the number of members; stride and number have no
    common divisor, so everybody comes up once. The paper shuffles a list: 10,000 members would keep 10^8 entries. Two
    members' orders are independent, which is what the analysis needs.
    """

    __slots__ = ("_left", "_next", "_size", "_stride")

    def __init__(self) -> None:
        self._size = self._left = self._next = 0
        self._stride = 1

    def next(self, size: int, rng: Random) -> int:
        """The number of the member whose turn it is; a new round begins when one ends, or when the group has grown."""
        if self._left == 0 or size != self._size:
            self._size = self._left = size
            self._next = int(rng.random() * size)
            stride = 1 + int(rng.random() * size)
            while gcd(stride, size) != 1:
                stride = 1 + int(rng.random() * size)
            self._stride = stride
        chosen = self._next
        self._next = (chosen + self._stride) % self._size
        self._left -= 1
        return chosen
