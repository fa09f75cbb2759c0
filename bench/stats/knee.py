"""Saturation: the highest load that a system carries within a bound, found by bisection on the offered load.

The latency of a system under an open load is flat, then bends upwards, and past saturation it grows as long as the
load lasts. The *knee* is the highest rate at which, in the median over trials, a bound on the latency holds, every
verdict is valid, and the system served what it was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from ..errors import UsageError
from .intervals import Interval, interval

DOUBLINGS = 6
"""How far beyond the rates that were given the search goes, either way: 64 times."""


class Saturation(msgspec.Struct, frozen=True, kw_only=True):
    """What to search.

    Attributes:
        at_most: the bound on ``metric``, in its unit (seconds).
        metric: a column of a sweep's frame; its median over trials must keep the bound.
        axis: of the grid: the offered load, operations/s. Its values are where the search begins.
        seeds: trials a rate.
        resolution: it ends when the lowest rate that fails is above the highest that passes by no more than this share.
    """

    at_most: float
    metric: str = "p99_s"
    axis: str = "rate"
    seeds: int = 5
    resolution: float = 0.05

    def validate(self) -> None:
        """Raise :class:`UsageError` for the first field that cannot be."""
        if not 0 < self.at_most < math.inf:
            raise UsageError(f"at_most {self.at_most:g} is out of range: above 0")
        if self.seeds < 1:
            raise UsageError(f"seeds {self.seeds} is out of range: at least 1")
        if not 0.001 <= self.resolution <= 1:
            raise UsageError(f"resolution {self.resolution:g} is out of range: from 0.001 to 1")


@dataclass(frozen=True)
class Load:
    """What happened at one rate.

    Attributes:
        rate: offered, operations/s.
        found: the median of the metric over its trials with its interval; infinite where the system did not keep up.
        passed: whether it kept the bound with every verdict valid.
        sure: the interval lies on one side of the bound; a violation is sure in any case.
        violated: trials with a violation.
        unfit: trials that say nothing of the system: the load generator was the bottleneck, or the harness failed.
    """

    rate: float
    found: Interval
    passed: bool
    sure: bool
    violated: int = 0
    unfit: int = 0


def judge(rate: float, values: ArrayLike, at_most: float, violated: int = 0) -> Load:
    """Whether a rate passes.

    Args:
        rate: offered.
        values: of the metric, one a trial: infinite where the system did not keep up or was not seen to serve, NaN
            where the trial says nothing.
        at_most: the bound.
        violated: trials with a violation.
    """
    data = np.asarray(values, dtype=float)
    unfit = int(np.isnan(data).sum())
    known = data[~np.isnan(data)]
    found = interval(known)
    # of few trials the interval is around the mean; what decides is the median
    middle = float(np.quantile(np.minimum(known, 1e300), 0.5)) if len(known) else math.nan
    passed = not violated and middle <= at_most
    sure = bool(violated) or (found.known and not found.low <= at_most < found.high)
    if len(known) and not found.known:
        sure = bool((known <= at_most).all() or (known > at_most).all())
    return Load(rate, found, passed, sure, violated, unfit)


@dataclass(frozen=True)
class Knee:
    """Where a system saturates.

    Attributes:
        at_most: the bound.
        rate: the highest rate that passed below all that failed; None if none did.
        above: the lowest rate that failed; None if none did.
        loads: every rate that was tried, in order.
    """

    at_most: float
    rate: float | None
    above: float | None
    loads: tuple[Load, ...]

    @property
    def violated(self) -> int:
        """Trials with a violation, at any rate."""
        return sum(load.violated for load in self.loads)

    @property
    def sure(self) -> tuple[float | None, float | None]:
        """The highest rate that passes, and the lowest that fails, beyond doubt: between them lies the knee."""
        fails = min((load.rate for load in self.loads if load.sure and not load.passed), default=None)
        passes = [load.rate for load in self.loads if load.sure and load.passed]
        return max((rate for rate in passes if fails is None or rate < fails), default=None), fails

    def sentence(self, what: str = "p99") -> str:
        """What can be said, in one sentence without the cell."""
        bound = f"{what} within {_seconds(self.at_most)}"
        unfit = sum(load.unfit for load in self.loads)
        if not self.loads or all(math.isnan(load.found.estimate) for load in self.loads):
            return "no trial says anything of the system" if unfit else "nothing was tried"
        if self.rate is None:
            return f"{bound} holds at no rate tried, the lowest being {self.loads[0].rate:,.0f}/s"
        if self.above is None:
            return f"{bound} holds up to {self.rate:,.0f}/s, the highest rate tried: it is not saturated there"
        low, high = self.sure
        doubt = ""
        if (low, high) != (self.rate, self.above):
            below = "at no rate" if low is None else f"up to {low:,.0f}/s"
            doubt = f"; beyond doubt {below}" + ("" if high is None else f", and not at {high:,.0f}/s")
        broken = any(load.violated for load in self.loads if load.rate == self.above)
        why = " (there a property broke)" if broken else ""
        return f"{bound} holds up to {self.rate:,.0f}/s and no longer at {self.above:,.0f}/s{why}{doubt}"


def _seconds(value: float) -> str:
    return f"{value * 1e3:.4g} ms" if value < 1 else f"{value:.4g} s"


def knee(loads: Sequence[Load], at_most: float) -> Knee:
    """The knee among rates that were tried; the trials are believed in the order of the rates: below the lowest rate
    that fails, all pass."""
    ordered = tuple(sorted(loads, key=lambda load: load.rate))
    above = next((load.rate for load in ordered if not load.passed), None)
    below = [load.rate for load in ordered if load.passed and (above is None or load.rate < above)]
    return Knee(at_most, max(below, default=None), above, ordered)


@dataclass
class KneeSearch:
    """The search at work: ask :meth:`wanted` for rates, tell what they showed, until nothing is wanted.

    Attributes:
        asked: what is searched.
        rates: to begin with.
        loads: rate -> what it showed.
    """

    asked: Saturation
    rates: Sequence[float]
    loads: dict[float, Load] = field(default_factory=dict)

    def wanted(self) -> list[float]:
        """Rates to try next: all of the first ones, then one at a time."""
        first = [rate for rate in self.rates if rate not in self.loads]
        if first:
            return first
        found = self.found()
        lowest, highest = min(self.rates), max(self.rates)
        if found.above is None:
            top = max(self.loads)
            return [2 * top] if 2 * top <= highest * 2**DOUBLINGS else []
        if found.rate is None:
            return [rounded(found.above / 2)] if found.above / 2 >= 0.99 * lowest / 2**DOUBLINGS else []
        if found.above <= found.rate * (1 + self.asked.resolution):
            return []
        middle = rounded(math.sqrt(found.rate * found.above))
        return [middle] if found.rate < middle < found.above else []

    def tell(self, load: Load) -> None:
        """What a rate showed."""
        self.loads[load.rate] = load

    def found(self) -> Knee:
        """The knee as far as is known."""
        return knee(list(self.loads.values()), self.asked.at_most)


def rounded(rate: float) -> float:
    """To three digits: a rate that people can read and type."""
    return float(f"{rate:.3g}")


# --- throughput against latency -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CurvePoint:
    """One load of a throughput-latency curve.

    Attributes:
        load: offered operations/s, or clients of a closed loop.
        throughput: acknowledged operations/s.
        latency: by column (``p50_s``, ``p99_s``); infinite where the system did not keep up.
        trials: complete ones.
        saturated: trials in which the system did not serve what it was asked for.
    """

    load: float
    throughput: Interval
    latency: Mapping[str, Interval]
    trials: int
    saturated: int
