"""A tuning study as a script declares it: what may vary, what is wanted, what must hold, and what others chose."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import UsageError, unknown_name
from ..sweep.grid import axis_title, show
from ..sweep.result import LATENCIES
from ..sweep.store import flat
from ..sweep.worker import ENTRY
from ..trial import Result, Trial

Point = dict[str, Any]
"""A value for each parameter: a candidate."""
Figure = str | Callable[[Result], float | None]
"""A column of :func:`bench.sweep.store.flat` (of a pure function: a key of what it returns), or a function of a result:
seconds, a count, a rate; 0 or 1 for whether something happened; infinite for longer than was observed; None for not
observed."""
Sampler = Literal["tpe", "nsga2", "random"]

FRESH = 1_000_000
"""Seeds above this one are for measuring again: the search never sees them."""


# --- what may vary --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Real:
    """A number between two bounds, both included. ``log``: its order of magnitude matters, not its size."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Whole:
    """A whole number between two bounds, both included."""

    low: int
    high: int
    log: bool = False


@dataclass(frozen=True)
class Choice:
    """One of some values: words, numbers or truth values, in no order."""

    values: tuple[Any, ...]


Range = Real | Whole | Choice


# --- what is wanted -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Objective:
    """A figure to make small (or large).

    Attributes:
        name: what it is, in the words of the report: ``outage after a crash``.
        figure: of one trial.
        quantile: of the figure over trials: 0.5 for the median, 0.9 for what nine trials in ten do not exceed.
        maximise: whether more is better.
        unit: ``s`` for times, shown as 20 ms; any other stands behind the number.
    """

    name: str
    figure: Figure
    quantile: float = 0.5
    maximise: bool = False
    unit: str = "s"

    @property
    def statistic(self) -> str:
        """The quantile in words."""
        return "median" if self.quantile == 0.5 else f"{self.quantile * 100:g}th percentile"


@dataclass(frozen=True)
class Constraint:
    """A bound that a trial keeps or breaks, and the share of trials that may break it.

    A violated safety property is a constraint of every study, and is tolerated nowhere.

    Attributes:
        name: what must not be, in the words of the report: ``an election without need``.
        figure: of one trial.
        at_most, at_least: bounds on the figure; None for none.
        tolerated: share of trials that may break them.
    """

    name: str
    figure: Figure
    at_most: float | None = None
    at_least: float | None = None
    tolerated: float = 0.0

    def broken(self, value: float) -> bool:
        """Whether a trial with that figure breaks it."""
        return (self.at_most is not None and value > self.at_most) or (
            self.at_least is not None and value < self.at_least
        )


@dataclass(frozen=True)
class Default:
    """What a system that users know is set to, as a point of the study.

    Attributes:
        name: of the system.
        point: a value for each parameter; may lie outside of their ranges.
        source: where it is documented.
    """

    name: str
    point: Mapping[str, Any]
    source: str = ""


@dataclass(frozen=True)
class Study:
    """A search for the best parameters, as a script declares it.

    Attributes:
        name: of the run's folder.
        question: what it asks, as one sentence.
        parameters: name -> range; names ending in ``_s`` hold seconds.
        objectives: one or more; with several the answer is a front of compromises.
        trial: called with the settings and one value of each parameter by name, returns the trial of that candidate;
            its runtime (the simulator) and seed are filled in. Either this or ``function``.
        function: called with the settings, the parameters and ``seed`` by name, returns figures by name: a formula or a
            Monte Carlo estimate, without a trial. Defined at the top level of its module or script.
        settings: name -> value, fixed in a study and changed on the command line: the network, the cluster's size.
        constraints: what must hold.
        defaults: named points to compare with.
        shown: called as ``trial``, returns what a user would set, by name, where that is not the parameters themselves.
        candidates: how many to try.
        looks: seeds after which a candidate is judged: one that has broken a constraint by then, or that is beaten
            whatever its further seeds bring, gets no more.
        generation: candidates chosen at a time, before any of them is measured.
        confirm: fresh seeds on which the best and the defaults are measured again.
        finalists: at most so many candidates are measured again.
        sampler: ``tpe`` (tree-structured Parzen estimator), ``nsga2`` (genetic) or ``random``. Where the parameters
            have no more combinations than there are candidates, all are tried instead.
        seed: of the search.
        biases: sentences on what could mislead, for the report.
        entry: the function that runs a trial, as ``module:function``.
    """

    name: str
    question: str
    parameters: Mapping[str, Range]
    objectives: Sequence[Objective]
    trial: Callable[..., Trial] | None = None
    function: Callable[..., Mapping[str, float | None]] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    constraints: Sequence[Constraint] = ()
    defaults: Sequence[Default] = ()
    shown: Callable[..., Mapping[str, Any]] | None = None
    candidates: int = 96
    looks: Sequence[int] = (4, 12, 24)
    generation: int = 12
    confirm: int = 60
    finalists: int = 8
    sampler: Sampler = "tpe"
    seed: int = 1
    biases: Sequence[str] = ()
    entry: str = ENTRY

    def validate(self) -> None:
        """Raise :class:`UsageError` for the first thing that cannot be, named as in the script."""
        if (self.trial is None) == (self.function is None):
            raise UsageError(f"the study {self.name} must declare either a trial or a function")
        if not self.parameters or not self.objectives:
            raise UsageError(f"the study {self.name} needs at least one parameter and one objective")
        for name, each in self.parameters.items():
            _check_range(name, each)
            if name in self.settings:
                raise UsageError(f"{name} is a parameter and a setting of the study: give it one name each")
        for objective in self.objectives:
            if not 0 < objective.quantile < 1:
                raise UsageError(f"the quantile {objective.quantile:g} of {objective.name} is out of range: in (0, 1)")
        for constraint in self.constraints:
            if constraint.at_most is None and constraint.at_least is None:
                raise UsageError(f"the constraint {constraint.name} has no bound: give at_most or at_least")
            if not 0 <= constraint.tolerated < 1:
                raise UsageError(f"tolerated {constraint.tolerated:g} of {constraint.name} is out of range: [0, 1)")
        figures = [*(each.name for each in self.objectives), *(each.name for each in self.constraints)]
        names = [*figures, *(each.name for each in self.defaults)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise UsageError(f"two things of the study {self.name} are called {twice!r}: name them apart")
        for default in self.defaults:
            for name in default.point:
                if name not in self.parameters:
                    raise unknown_name(f"parameter of {default.name}", name, self.parameters)
            missing = [name for name in self.parameters if name not in default.point]
            if missing:
                raise UsageError(f"the default of {default.name} gives no {missing[0]}")
        looks = list(self.looks)
        if not looks or looks[0] < 1 or looks != sorted(set(looks)):
            raise UsageError(f"looks {tuple(looks)} cannot be: numbers of seeds that increase, from 1")
        for name, least in (("candidates", 1), ("generation", 1), ("confirm", 2), ("finalists", 1)):
            value = getattr(self, name)
            if value < least:
                raise UsageError(f"{name} {value} is out of range: at least {least}")
        if self.sampler not in ("tpe", "nsga2", "random"):
            raise unknown_name("sampler", self.sampler, ("tpe", "nsga2", "random"))

    # --- of a candidate ----------------------------------------------------------------------------------------------

    def described(self, point: Mapping[str, Any]) -> str:
        """A candidate in words, by what a user would set."""
        values = {**self.settings, **point}
        shown = dict(point) if self.shown is None else dict(self.shown(**_accepted(self.shown, values)))
        return ", ".join(f"{axis_title(name)} {_told(name, value)}" for name, value in shown.items())

    def build(self, point: Mapping[str, Any], seed: int) -> Trial:
        """The trial of a candidate.

        Raises:
            UsageError: it cannot be; the candidate is named.
        """
        import msgspec

        if self.trial is None:
            raise UsageError(f"the study {self.name} has a function, no trial")
        try:
            built = self.trial(**self.settings, **point)
            trial = msgspec.structs.replace(built, runtime="sim", seed=seed)
            trial.validate()
        except UsageError as error:
            raise UsageError(f"candidate {self.described(point)}: {error}") from None
        return trial

    @property
    def figures(self) -> dict[str, Figure]:
        """Name of each objective and constraint -> its figure."""
        wanted = {each.name: each.figure for each in self.objectives}
        return wanted | {each.name: each.figure for each in self.constraints}

    @property
    def points(self) -> list[Point] | None:
        """Every candidate there is, where the parameters have few combinations; None where they have not."""
        import itertools

        listed: list[Sequence[Any]] = []
        for each in self.parameters.values():
            if isinstance(each, Choice):
                listed.append(each.values)
            elif isinstance(each, Whole) and each.high - each.low < self.candidates:
                listed.append(range(each.low, each.high + 1))
            else:
                return None
        if math.prod(len(values) for values in listed) > self.candidates:
            return None
        return [dict(zip(self.parameters, values, strict=True)) for values in itertools.product(*listed)]

    def inside(self, point: Mapping[str, Any]) -> bool:
        """Whether a point lies within the ranges."""
        for name, each in self.parameters.items():
            value = point[name]
            if isinstance(each, Choice):
                if value not in each.values:
                    return False
            elif not each.low <= value <= each.high:
                return False
        return True


def _check_range(name: str, each: Range) -> None:
    if isinstance(each, Choice):
        if not each.values:
            raise UsageError(f"the choice of {name} has no values")
        return
    if not each.low < each.high or not all(map(math.isfinite, (each.low, each.high))):
        raise UsageError(f"the range of {name}, {each.low:g} to {each.high:g}, is empty")
    if each.log and each.low <= 0:
        raise UsageError(f"the logarithmic range of {name} starts at {each.low:g}: above 0")


def _told(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return show(name, _rounded(value))


def _rounded(value: Any) -> Any:
    """Three digits: nobody sets 0.1437128 s."""
    if not isinstance(value, (float, tuple, list)):
        return value
    if isinstance(value, float):
        return float(f"{value:.3g}")
    return tuple(_rounded(each) for each in value)


def _accepted(function: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a function takes by name."""
    known = inspect.signature(function).parameters
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in known.values()):
        return dict(values)
    return {name: value for name, value in values.items() if name in known}


def figure_of(result: Result, figure: Figure) -> float:
    """A figure of a trial: infinite where it was longer than could be observed, NaN where it was not observed at all.

    Raises:
        UsageError: there is no such column.
    """
    if callable(figure):
        value = figure(result)
        return math.nan if value is None else float(value)
    columns = flat(result)
    if figure not in columns:
        raise unknown_name("figure", figure, columns)
    value = columns[figure]
    if figure == "unavailable_s" and result.unavailable_censored:
        return math.inf
    if value is None:
        return math.inf if figure in LATENCIES and result.latency_s.censored > 0 else math.nan
    return float(value)
