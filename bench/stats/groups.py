"""Which cells of a grid differ, and the sentence for those that do not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .effects import Effect, effect
from .intervals import FEW, LEVEL, Interval, _clean, difference, interval


@dataclass(frozen=True)
class Ranking:
    """Cells in the order of a quantile of a metric, the best first.

    Attributes:
        metric: its name, for people.
        cells: label -> the quantile over its trials with its interval, from the best to the worst.
        tied: labels that the trials cannot tell from the best, the best included.
        effects: label -> how it differs from the best, of all others.
        p_value: of the Kruskal-Wallis test that all cells' trials come from one distribution; NaN if it was not made.
        few: labels with too few trials to be told from anything.
        level: of confidence, over all comparisons together.
    """

    metric: str
    cells: Mapping[str, Interval]
    tied: tuple[str, ...]
    effects: Mapping[str, Effect]
    p_value: float
    few: tuple[str, ...] = ()
    level: float = LEVEL

    @property
    def best(self) -> str | None:
        """The first label; None without a cell."""
        return next(iter(self.cells), None)

    @property
    def clear(self) -> bool:
        """Whether one cell is better than every other."""
        return len(self.tied) == 1 and len(self.cells) > 1

    @property
    def indistinguishable(self) -> bool:
        """Whether the trials tell no cell from the best, and give no other sign of a difference."""
        return len(self.tied) == len(self.cells) and not self.p_value < 1 - self.level

    def sentence(self) -> str:
        """What can be said, in one sentence."""
        if len(self.cells) < 2:
            return f"There are no two cells to compare by {self.metric}."
        trials = [found.n for found in self.cells.values()]
        span = f"{min(trials)}" if min(trials) == max(trials) else f"{min(trials)} to {max(trials)}"
        if self.indistinguishable:
            few = f", and with fewer than {FEW} nothing is told apart" if min(trials) < FEW else ""
            return f"This grid cannot tell these cells apart by {self.metric}: {span} trials a cell{few}."
        best = str(self.best)
        if self.clear:
            second = list(self.cells)[1]
            how = self.effects[second]
            known = not math.isnan(how.ratio.estimate)
            ahead = f"; the next, {second}, is at {how.ratio.estimate:.3g} of it" if known else ""
            return f"{best} is the best by {self.metric}{ahead} ({how.size} effect)."
        others = [label for label in self.tied if label != best]
        if len(others) == len(self.cells) - 1:
            return f"The cells differ by {self.metric}, but none can be told from {best}, the best: add trials."
        named = ", ".join(others) if len(others) <= 3 else f"{len(others)} others"
        return f"{best} is the best by {self.metric}, and cannot be told from {named}; the rest are worse."


def rank(
    samples: Mapping[str, ArrayLike],
    metric: str = "the metric",
    *,
    q: float = 0.5,
    highest: bool = False,
    level: float = LEVEL,
    seed: int = 1,
) -> Ranking:
    """Order cells by the ``q`` quantile of their trials, and say which of them the trials cannot tell from the best.

    Each is compared with the best, at a level corrected for the number of comparisons (Bonferroni). Over all, the test
    of Kruskal and Wallis asks whether there is any difference at all, where each cell has at least eight trials.

    Args:
        samples: label -> a value a trial. NaNs are left out, infinite values count as longer than all others. Cells
            without a value are left out.
        metric: its name.
        q: which quantile.
        highest: whether high values are good.
        level: of confidence.
        seed: of the bootstraps.
    """
    from scipy import stats

    cleaned = {label: _clean(values) for label, values in samples.items()}
    known = {label: values for label, values in cleaned.items() if len(values)}
    found = {label: interval(values, q, seed=seed) for label, values in known.items()}

    def place(label: str) -> float:
        return -found[label].estimate if highest else found[label].estimate

    ordered = sorted(found, key=place)
    few = tuple(label for label in ordered if found[label].few)
    if not ordered:
        return Ranking(metric, {}, (), {}, math.nan, few, level)
    best = ordered[0]
    each = 1 - (1 - level) / max(1, len(ordered) - 1)
    tied, effects = [best], {}
    for label in ordered[1:]:
        effects[label] = effect(known[label], known[best], level=each, seed=seed)
        gap = difference(known[label], known[best], q, level=each, seed=seed)
        worse = gap.high < 0 if highest else gap.low > 0
        if found[label].few or found[best].few or not (gap.known and worse):
            tied.append(label)
    p = math.nan
    if len(known) > 1 and not few:
        together = np.concatenate(list(known.values()))
        p = 1.0 if (together == together[0]).all() else float(stats.kruskal(*known.values()).pvalue)
    return Ranking(metric, {label: found[label] for label in ordered}, tuple(tied), effects, p, few, level)


def warnings_of(cells: Sequence[Interval]) -> list[str]:
    """What a reader of these intervals has to be told."""
    few = [found for found in cells if found.few]
    if not few:
        return []
    least = min(found.n for found in few)
    return [
        f"{len(few)} of {len(cells)} cells have fewer than {FEW} trials (the least: {least}): their intervals are t "
        "intervals around means, which take it for granted that trials are normally distributed."
    ]
