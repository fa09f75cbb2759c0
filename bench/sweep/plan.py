"""Which trial to run next: a fixed number of seeds, as many as an interval needs, or wherever a search leads.

A plan hands out (cell, seed) and is told what came of each. Trials that an earlier sitting finished are told like all
others, so a sweep that is resumed decides as if it had never been stopped.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ..stats.knee import KneeSearch, Saturation, judge
from ..stats.looks import Precision, look
from ..trial import Result
from .grid import Cell
from .result import carried_value, observed_value

Item = tuple[Cell, int]
"""A cell, and a seed."""


class Plan(Protocol):
    """Hands out trials."""

    def take(self) -> Item | None:
        """The next one; None if there is none until more is told, or none at all."""
        ...

    def tell(self, cell: Cell, seed: int, result: Result) -> None:
        """What came of one that was handed out."""
        ...

    def wanted(self) -> int | None:
        """How many are still to be handed out, as far as is known; None without an end."""
        ...


class Fixed:
    """Seeds round-robin over the cells; without an end if ``seeds`` is None.

    Every cell has its first seed before any has its second, so that a machine that changes with time changes for all
    cells alike, and what there is at any moment can be compared.
    """

    def __init__(self, cells: Sequence[Cell], seeds: int | None, *, alternate: bool = False) -> None:
        """``alternate``: every other pass backwards, against a drift within a pass."""
        self.cells = cells
        self.seeds = seeds
        self.alternate = alternate
        self._next = self._items()
        self._handed = 0

    def _items(self) -> Iterator[Item]:
        for seed in itertools.count(1) if self.seeds is None else range(1, self.seeds + 1):
            backwards = self.alternate and seed % 2 == 0
            for cell in reversed(self.cells) if backwards else self.cells:
                yield cell, seed

    def take(self) -> Item | None:
        """See :class:`Plan`."""
        found = next(self._next, None)
        self._handed += found is not None
        return found

    def tell(self, cell: Cell, seed: int, result: Result) -> None:
        """See :class:`Plan`."""

    def wanted(self) -> int | None:
        """See :class:`Plan`."""
        return None if self.seeds is None else self.seeds * len(self.cells) - self._handed


@dataclass
class _Watched:
    """A cell on its way to its next look."""

    cell: Cell
    looks: list[int]
    handed: int = 0
    values: dict[int, float] = field(default_factory=dict)

    @property
    def due(self) -> int:
        """Trials at the next look; 0: it has had its last."""
        return self.looks[0] if self.looks else 0


class UntilNarrow:
    """Each cell gets seeds up to its next look, until a look finds its interval narrow enough, or the last has been."""

    def __init__(self, cells: Sequence[Cell], precision: Precision) -> None:
        self.precision = precision
        self._cells = {cell.index: _Watched(cell, list(precision.looks())) for cell in cells}

    def take(self) -> Item | None:
        """See :class:`Plan`. The cell with the fewest trials comes first."""
        hungry = [each for each in self._cells.values() if each.handed < each.due]
        if not hungry:
            return None
        least = min(hungry, key=lambda each: each.handed)
        least.handed += 1
        return least.cell, least.handed

    def tell(self, cell: Cell, seed: int, result: Result) -> None:
        """See :class:`Plan`."""
        each = self._cells[cell.index]
        each.values[seed] = observed_value(result, self.precision.metric)
        if not each.looks or len(each.values) < each.due:
            return
        # every trial up to the look has ended: which of them ended first plays no part
        seen = [each.values[s] for s in range(1, each.due + 1)]
        if look(seen, each.due, self.precision).narrow:
            each.looks.clear()
        else:
            each.looks.pop(0)

    def wanted(self) -> int | None:
        """See :class:`Plan`: up to the next look of each cell."""
        return sum(max(0, each.due - each.handed) for each in self._cells.values())


class Saturating:
    """For each cell (of all axes but the load), a search for its knee; the cells' searches go on side by side."""

    def __init__(
        self,
        groups: Sequence[Sequence[Cell]],
        asked: Saturation,
        make: Callable[[Cell, float], Cell],
    ) -> None:
        """Args:
        groups: for each search the cells with its first rates.
        asked: what is searched.
        make: a cell like this one, with another rate.
        """
        self.asked = asked
        self._make = make
        self._searches = [_Search(list(cells), asked) for cells in groups]
        self._of = {cell.index: search for search in self._searches for cell in search.cells.values()}

    def take(self) -> Item | None:
        """See :class:`Plan`. The searches take turns."""
        for search in sorted(self._searches, key=lambda each: each.handed):
            for rate in search.search.wanted():
                cell = search.cells.get(rate)
                if cell is None:
                    cell = search.cells[rate] = self._make(next(iter(search.cells.values())), rate)
                    self._of[cell.index] = search
                handed = search.seeds.setdefault(rate, 0)
                if handed < self.asked.seeds:
                    search.seeds[rate] = handed + 1
                    search.handed += 1
                    return cell, handed + 1
        return None

    def tell(self, cell: Cell, seed: int, result: Result) -> None:
        """See :class:`Plan`."""
        rate = float(cell.point[self.asked.axis])
        search = self._of[cell.index]
        if rate in search.search.loads:
            return  # it has been judged; its results need not be kept
        values = search.values.setdefault(rate, {})
        values[seed] = result
        if len(values) < self.asked.seeds:
            return
        results = [values[s] for s in sorted(values)]
        violated = sum(each.verdict == "invalid" for each in results)
        figures = [carried_value(each, self.asked.metric) for each in results]
        search.search.tell(judge(rate, figures, self.asked.at_most, violated))
        del search.values[rate]

    def wanted(self) -> int | None:
        """See :class:`Plan`: at the rates that are wanted now."""
        return sum(
            self.asked.seeds - search.seeds.get(rate, 0) for search in self._searches for rate in search.search.wanted()
        )


@dataclass
class _Search:
    """One search: its cells by rate, how many seeds of each were handed out, and their results."""

    first: list[Cell]
    asked: Saturation
    handed: int = 0
    cells: dict[float, Cell] = field(default_factory=dict)
    seeds: dict[float, int] = field(default_factory=dict)
    values: dict[float, dict[int, Result]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.cells = {float(cell.point[self.asked.axis]): cell for cell in self.first}
        self.search = KneeSearch(self.asked, sorted(self.cells))
