"""What a study found, measured again on fresh seeds: the candidates that did best owe part of it to their seeds, and
only seeds that the search has not seen show how much (the winner's curse).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from ..errors import UsageError
from ..stats.intervals import LEVEL, Interval, difference, interval, share
from .log import Measurement, Number, read, same_point, sample, written
from .measuring import Wanted
from .search import MOST_VOID, Candidate, Search, broken_flags, finalists, front
from .study import FRESH, Objective, Study

SCHEMA_VERSION = 1
FILE = "study.json"


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """An :class:`bench.stats.intervals.Interval` as JSON holds it; ``n`` trials."""

    value: Number
    low: Number
    high: Number
    n: int
    method: str

    @classmethod
    def of(cls, found: Interval) -> Estimate:
        """From an interval."""
        return cls(
            value=written(found.estimate),
            low=written(found.low),
            high=written(found.high),
            n=found.n,
            method=found.method,
        )

    @property
    def number(self) -> float:
        """The estimate; NaN for unknown, infinite for beyond what was observed."""
        return read(self.value)

    @property
    def bounds(self) -> tuple[float, float]:
        """Of the interval; NaN where there is none."""
        return read(self.low), read(self.high)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """How a constraint fared.

    Attributes:
        broken: trials that broke it, of ``trials`` in which it was observed.
        share: with Wilson's interval.
        tolerated: share.
        word: ``holds`` (the interval lies within what is tolerated), ``broken`` (beyond), else ``likely`` or
            ``unlikely``, by where the estimate lies. Where nothing is tolerated, no break in any trial ``holds``.
    """

    broken: int
    trials: int
    share: Estimate
    tolerated: float
    word: str


class Finalist(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate or a default, on fresh seeds.

    Attributes:
        name: of the default, or the candidate's number as ``#17``.
        point: its values.
        settings: the same in words, by what a user would set.
        default: whether it is one.
        source: where a default is documented.
        searched: value of each objective on the seeds of the search; None for a default outside of the ranges.
        objectives: the same on fresh seeds.
        constraints: name -> how it fared.
        violations, void, trials: counts on fresh seeds.
        feasible: whether it keeps every constraint, by the estimates.
        front: whether it is feasible and no other that is, is better.
        alike: names of feasible others that the trials cannot tell from it in any objective.
    """

    name: str
    point: dict[str, Any]
    settings: str
    default: bool = False
    source: str = ""
    searched: dict[str, Number] | None = None
    objectives: dict[str, Estimate]
    constraints: dict[str, Kept]
    violations: int
    void: int
    trials: int
    feasible: bool
    front: bool = False
    alike: tuple[str, ...] = ()


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate of the search, as it is kept; see :class:`bench.tune.search.Candidate`."""

    number: int
    point: dict[str, Any]
    values: dict[str, Number]
    excess: dict[str, float]
    seeds: int
    fate: str
    default: str | None = None


class Influence(msgspec.Struct, frozen=True, kw_only=True):
    """How much a parameter matters to a figure: its share (of all parameters), with an interval over candidates."""

    parameter: str
    figure: str
    share: float
    low: float
    high: float


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The recommended candidate beside a default.

    Attributes:
        default: its name.
        ratios: objective -> the default's value over the recommended one's; None where it cannot be formed.
        told_apart: objective -> whether the trials show a difference, corrected for the number of comparisons.
        text: in words.
    """

    default: str
    ratios: dict[str, float | None]
    told_apart: dict[str, bool]
    text: str


class ObjectiveNote(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader of ``study.json`` needs to know of an objective."""

    name: str
    statistic: str
    unit: str
    maximise: bool


class StudyResult(msgspec.Struct, frozen=True, kw_only=True):
    """A finished (or interrupted) study: ``study.json``.

    Attributes:
        answer: the recommendation, a sentence a line.
        details: what it rests on.
        candidates, confirm: asked for: candidates to try, and fresh seeds.
        recommended: name of a finalist; None where none keeps the constraints.
        undecided: the trials cannot tell the best candidates apart.
        optuna_s: CPU time spent in Optuna; ``took_s``: wall time of the latest sitting.
        ran, looked_up: trials run in the latest sitting, and found measured before.
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    question: str
    script: str = ""
    settings: dict[str, Any] = {}
    sampler: Literal["tpe", "nsga2", "random"] = "tpe"
    seed: int = 1
    candidates: int = 0
    confirm: int = 0
    parameters: tuple[str, ...] = ()
    objectives: tuple[ObjectiveNote, ...] = ()
    constraints: tuple[str, ...] = ()
    biases: tuple[str, ...] = ()
    finished: bool = False
    answer: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    recommended: str | None = None
    undecided: bool = False
    finalists: tuple[Finalist, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    influences: tuple[Influence, ...] = ()
    tried: tuple[Tried, ...] = ()
    trials: int = 0
    violations: int = 0
    failed: int = 0
    optuna_s: float = 0.0
    took_s: float = 0.0
    ran: int = 0
    looked_up: int = 0
    sittings: tuple[dict[str, Any], ...] = ()

    @classmethod
    def load(cls, folder: Path) -> StudyResult:
        """Read a study's folder.

        Raises:
            UsageError: it is not one.
        """
        file = folder / FILE
        try:
            return msgspec.json.decode(file.read_bytes(), type=cls)
        except OSError:
            raise UsageError(f"{folder} is not the folder of a study: it has no {FILE}") from None
        except msgspec.MsgspecError as error:
            raise UsageError(f"{file} is not the result of a study: {error}") from None


# --- measuring again ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Again:
    """A candidate or default with its measurements on fresh seeds."""

    name: str
    candidate: Candidate | None
    point: dict[str, Any]
    found: tuple[Measurement, ...]
    source: str = ""
    default: bool = False

    def values(self, objective: Objective) -> list[float]:
        """Of an objective, over its complete trials."""
        return sample(self.found, objective.name)


def fresh_seeds(study: Study) -> range:
    """Seeds that no search uses."""
    return range(FRESH + 1, FRESH + study.confirm + 1)


def again(
    study: Study,
    search: Search,
    measure: Callable[[Sequence[Wanted]], list[Measurement]],
    plan: Callable[[Sequence[Wanted]], None] = lambda _: None,
) -> list[Again]:
    """Measure the finalists and every default on fresh seeds, the same for all; ``plan`` is told before what."""
    rows: list[Again] = []
    for default in study.defaults:
        tried = next((each for each in search.candidates if same_point(each.point, default.point)), None)
        rows.append(Again(default.name, tried, dict(default.point), (), default.source, True))
    for candidate in finalists(search, study):
        if not any(same_point(candidate.point, row.point) for row in rows):
            rows.append(Again(f"#{candidate.number}", candidate, candidate.point, ()))
    seeds = fresh_seeds(study)
    wanted = [(row.point, seed) for seed in seeds for row in rows]
    plan(wanted)
    found = iter(measure(wanted))
    columns = [[next(found) for _ in rows] for _ in seeds]
    return [
        Again(row.name, row.candidate, row.point, tuple(column[i] for column in columns), row.source, row.default)
        for i, row in enumerate(rows)
    ]


def kept(found: Sequence[Measurement], study: Study) -> dict[str, Kept]:
    """How each constraint fared, violations first."""
    counts = {"violations": ([each.verdict == "invalid" for each in found], 0.0)}
    for constraint in study.constraints:
        counts[constraint.name] = (broken_flags(found, constraint), constraint.tolerated)
    return {name: _kept(flags, tolerated) for name, (flags, tolerated) in counts.items()}


def _kept(flags: Sequence[bool], tolerated: float) -> Kept:
    found = share(list(flags))
    broken, n = sum(flags), len(flags)
    if n == 0:
        word = "unknown"
    elif tolerated == 0:
        word = "broken" if broken else "holds"
    elif found.high <= tolerated:
        word = "holds"
    elif found.low > tolerated:
        word = "broken"
    else:
        word = "likely" if found.estimate <= tolerated else "unlikely"
    return Kept(broken=broken, trials=n, share=Estimate.of(found), tolerated=tolerated, word=word)


def estimate(row: Again, objective: Objective) -> Interval:
    """An objective over fresh seeds."""
    return interval(row.values(objective), objective.quantile)


def apart(a: Again, b: Again, objective: Objective, comparisons: int) -> bool:
    """Whether the trials show that two differ in an objective; Bonferroni over so many comparisons."""
    level = 1 - (1 - LEVEL) / max(1, comparisons)
    found = difference(a.values(objective), b.values(objective), objective.quantile, level=level)
    return found.known and not found.low <= 0 <= found.high


def summarise(rows: Sequence[Again], study: Study) -> list[Finalist]:
    """One finalist a row: intervals, constraints, the front of those that keep them, and who is like whom."""
    fields: list[dict[str, Any]] = []
    for row in rows:
        constraints = kept(row.found, study)
        found = {objective.name: estimate(row, objective) for objective in study.objectives}
        void = sum(each.trial != "complete" for each in row.found)
        feasible = (
            all(each.word in ("holds", "likely") for each in constraints.values())
            and all(math.isfinite(each.estimate) for each in found.values())
            and void <= MOST_VOID * len(row.found)
        )
        searched = None
        if row.candidate is not None:
            named = zip(study.objectives, row.candidate.values, strict=True)
            searched = {objective.name: written(number) for objective, number in named}
        fields.append(
            {
                "name": row.name,
                "point": row.point,
                "settings": study.described(row.point),
                "default": row.default,
                "source": row.source,
                "searched": searched,
                "objectives": {name: Estimate.of(each) for name, each in found.items()},
                "constraints": constraints,
                "violations": constraints["violations"].broken,
                "void": void,
                "trials": len(row.found),
                "feasible": feasible,
            }
        )
    good = [i for i, each in enumerate(fields) if each["feasible"]]
    values = [[fields[i]["objectives"][each.name].number for each in study.objectives] for i in good]
    best = {good[i] for i in front(values, study)}
    # Every pair of the feasible is compared in every objective: that many chances to see a difference by luck.
    comparisons = max(1, len(good) * (len(good) - 1) // 2 * len(study.objectives))
    for i, each in enumerate(fields):
        each["front"] = i in best
        others = [j for j in good if j != i] if each["feasible"] else []
        each["alike"] = tuple(
            rows[j].name
            for j in others
            if not any(apart(rows[i], rows[j], objective, comparisons) for objective in study.objectives)
        )
    return [Finalist(**each) for each in fields]


def tried(search: Search, study: Study) -> tuple[Tried, ...]:
    """The candidates of a search as they are kept."""
    names = ["violations", "void trials", *(each.name for each in study.constraints)]
    return tuple(
        Tried(
            number=each.number,
            point=each.point,
            values={o.name: written(v) for o, v in zip(study.objectives, each.values, strict=True)},
            excess=dict(zip(names, each.excess, strict=True)),
            seeds=len(each.found),
            fate=each.fate,
            default=each.default,
        )
        for each in search.candidates
    )


def point_of(result: StudyResult, name: str) -> Mapping[str, Any]:
    """The values of a finalist."""
    return next(each.point for each in result.finalists if each.name == name)
