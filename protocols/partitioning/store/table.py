"""A routing table: who has which range of positions, as far as somebody knows."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from .messages import Entry


def within(position: str, low: str, high: str) -> bool:
    """Whether a position is in a partition. An empty ``high`` is beyond all; a boundary is in the range it begins."""
    return low <= position and (not high or position < high)


def overlap(one: Entry, other: Entry) -> bool:
    """Whether any position is in both."""
    return (not other.high or one.low < other.high) and (not one.high or other.low < one.high)


class Table:
    """Covers all positions, always.

    Partitions never change their range: a split or a merge ends them and begins others, with higher numbers. So of two
    entries for a position the one with the higher (partition, epoch) is right, whichever came later.
    """

    __slots__ = ("_lows", "entries")

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = sorted(entries, key=lambda entry: entry.low)
        self._lows = [entry.low for entry in self.entries]

    def find(self, position: str) -> Entry:
        """The entry that has it."""
        return self.entries[bisect_right(self._lows, position) - 1]

    def learn(self, entry: Entry) -> bool:
        """Believe it wherever it is newer than what is known; whether it is, anywhere.

        Of a partition that ended elsewhere only the part that nobody has told of remains: a cut of its entry.
        """
        first = bisect_right(self._lows, entry.low) - 1
        last = first + 1
        while last < len(self.entries) and (not entry.high or self._lows[last] < entry.high):
            last += 1
        pieces: list[Entry] = []
        news = False
        for known in self.entries[first:last]:
            if known.rank >= entry.rank:
                pieces.append(known)
                continue
            news = True
            if known.low < entry.low:
                pieces.append(known.cut(known.low, entry.low))
            pieces.append(entry.cut(max(known.low, entry.low), _lower(known.high, entry.high)))
            if entry.high and (not known.high or entry.high < known.high):
                pieces.append(known.cut(entry.high, known.high))
        if news:
            self.entries[first:last] = _joined(pieces)
            self._lows = [known.low for known in self.entries]
        return news


def _lower(one: str, other: str) -> str:
    """Of two upper ends."""
    return min(one, other) if one and other else one or other


def _joined(pieces: list[Entry]) -> list[Entry]:
    """Neighbours that are of the same partition and epoch, as one."""
    found: list[Entry] = []
    for piece in pieces:
        if found and found[-1].rank == piece.rank and found[-1].high == piece.low:
            found[-1] = piece.cut(found[-1].low, piece.high)
        else:
            found.append(piece)
    return found
