"""Delta debugging: which few of many items are needed.

After Zeller and Hildebrandt, Simplifying and Isolating Failure-Inducing Input (IEEE TSE 28(2), 2002): chunks are left
out, halves first, then ever smaller ones. As in C-Reduce, a pass goes on behind a chunk that was left out instead of
beginning anew, and parts alone are not tried, for they hardly ever fail.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def ddmin(items: Sequence[T], fails: Callable[[list[T]], Sequence[T] | None], smallest: int = 1) -> list[T]:
    """A subset of ``items``, in their order, that still fails, and from which no single item can be left out.

    Args:
        items: that fail together.
        fails: called with a subset; None if it does not fail, else the part of it that is still of interest (what lies
            after the failure is of none).
        smallest: size of the chunks at which to stop; above 1, items remain that could be left out.

    >>> ddmin(range(100), lambda some: some if {7, 42} <= set(some) else None)
    [7, 42]
    """
    kept = list(items)
    nothing = fails([]) if kept else None
    if nothing is not None:
        return list(nothing)
    size = max(1, len(kept) // 2)
    while True:
        place, before = 0, len(kept)
        while place < len(kept):
            rest = kept[:place] + kept[place + size :]
            smaller = fails(rest) if rest else None
            if smaller is None:
                place += size
            else:
                kept = list(smaller)
        if size <= smallest and (size > 1 or len(kept) == before):
            return kept
        size = max(1, min(size // 2, len(kept) // 2))
