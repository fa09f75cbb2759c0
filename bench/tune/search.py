"""The search: Optuna proposes candidates, a generation at a time, and each gets seeds for as long as it is worth them.

Everything here is a function of the study, its seed and the measurements: candidates of a generation are all proposed
before any of them is measured, by a sampler seeded with the generation's number, and told in order. So the search
finds the same on one core and on a hundred, and running it again after a kill goes through the same candidates.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..stats.intervals import share
from .log import Measurement, same_point, sample
from .measuring import Wanted
from .study import Choice, Constraint, Point, Study, Whole

if TYPE_CHECKING:
    import optuna

WORST = 1e9
"""Told to the sampler in place of infinity, and of what was never observed."""
MOST_VOID = 0.5
"""A candidate with a larger share of void trials than this has no figures worth comparing."""
SURE = 0.95
"""Level of the interval that has to lie beyond what is tolerated before a candidate is given up early."""

Fate = Literal["measured", "broken", "beaten"]


@dataclass(frozen=True)
class Candidate:
    """A point that was tried.

    Attributes:
        number: in the order of proposal, from 0.
        point: its values.
        found: its measurements, on the seeds of the search.
        values: of each objective, over its seeds; infinite or NaN where it was not observed.
        excess: of each constraint, the share of trials that broke it less what is tolerated; positive: it is broken.
        fate: ``measured`` on every seed; ``broken``: given up for a constraint; ``beaten``: given up because another
            candidate is better in every objective than the best single trial of this one.
        default: name of the default it is, if it is one.
    """

    number: int
    point: Point
    found: tuple[Measurement, ...]
    values: tuple[float, ...]
    excess: tuple[float, ...]
    fate: Fate
    default: str | None = None

    @property
    def feasible(self) -> bool:
        """Whether it keeps every constraint, as far as its seeds show, and has a value for every objective."""
        return all(each <= 0 for each in self.excess) and all(map(math.isfinite, self.values))


@dataclass
class Search:
    """What a search came to.

    Attributes:
        candidates: all of them, in order.
        optuna_s: CPU seconds spent in Optuna, proposing and being told.
    """

    candidates: list[Candidate] = field(default_factory=list)
    optuna_s: float = 0.0


# --- judging a candidate --------------------------------------------------------------------------------------------


def value(found: Sequence[Measurement], name: str, quantile: float) -> float:
    """A quantile over trials (an observed value: infinities stay what they are); NaN without any."""
    values = sorted(sample(found, name))
    if not values:
        return math.nan
    return values[min(len(values) - 1, math.ceil(quantile * len(values)) - 1)]


def broken_flags(found: Sequence[Measurement], constraint: Constraint) -> list[bool]:
    """For each complete trial in which the figure was observed, whether it broke the constraint."""
    return [constraint.broken(each) for each in sample(found, constraint.name)]


def excesses(found: Sequence[Measurement], study: Study) -> tuple[float, ...]:
    """Share of trials beyond what is tolerated: of violations, of void trials, then of each constraint."""
    n = len(found)
    violated = sum(each.verdict == "invalid" for each in found) / n if n else 0.0
    void = sum(each.trial != "complete" for each in found) / n if n else 1.0
    listed = [violated, void - MOST_VOID]
    for constraint in study.constraints:
        flags = broken_flags(found, constraint)
        listed.append(sum(flags) / len(flags) - constraint.tolerated if flags else 0.0)
    return tuple(listed)


def hopeless(found: Sequence[Measurement], study: Study) -> bool:
    """Whether a constraint is broken for sure: a violation, or an interval of the share beyond what is tolerated."""
    if any(each.verdict == "invalid" for each in found):
        return True
    for constraint in study.constraints:
        flags = broken_flags(found, constraint)
        if flags and share(flags, level=SURE).low > constraint.tolerated:
            return True
    return bool(found) and all(each.trial != "complete" for each in found)


def beaten(found: Sequence[Measurement], study: Study, rivals: Sequence[Candidate]) -> bool:
    """Whether a rival measured to the end is better in every objective than the best single trial here."""
    best = []
    for objective in study.objectives:
        values = sample(found, objective.name)
        if not values:
            return False
        best.append(-max(values) if objective.maximise else min(values))
    return any(
        all(
            (-theirs if objective.maximise else theirs) < ours
            for theirs, ours, objective in zip(rival.values, best, study.objectives, strict=True)
        )
        for rival in rivals
        if rival.fate == "measured" and rival.feasible
    )


# --- Optuna ---------------------------------------------------------------------------------------------------------


def distributions(study: Study) -> dict[str, Any]:
    """The parameters' ranges for Optuna."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {}
    for name, each in study.parameters.items():
        if isinstance(each, Choice):
            found[name] = CategoricalDistribution(each.values)
        elif isinstance(each, Whole):
            found[name] = IntDistribution(each.low, each.high, log=each.log)
        else:
            found[name] = FloatDistribution(each.low, each.high, log=each.log)
    return found


def make_sampler(study: Study, generation: int) -> Any:
    """The sampler of a generation, seeded with its number."""
    import optuna

    seed = int(np.random.SeedSequence((study.seed, generation)).generate_state(1)[0])
    if study.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if study.sampler == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed, population_size=max(2, study.generation))
    # All parameters at once (multivariate): they work together, and it is half the work. Candidates of one generation
    # are told apart from each other as if those proposed so far had failed (constant_liar).
    startup = max(10, study.generation)
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=startup, multivariate=True, constant_liar=True)


def quiet() -> None:
    """No word from Optuna: what it has to say is shown as this study's progress."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    # Ranges are values too; no storage of Optuna's has to hold them.
    warnings.filterwarnings("ignore", message="Choices for a categorical distribution")


def run(
    study: Study,
    measure: Callable[[Sequence[Wanted]], list[Measurement]],
    told: Callable[[Search], None] = lambda _: None,
) -> Search:
    """Try candidates until there are as many as the study asks for.

    Args:
        study: with its settings.
        measure: a measurement for each (candidate, seed).
        told: called after each generation.
    """
    import optuna

    quiet()
    search = Search()
    ways = optuna.study.StudyDirection
    directions = [ways.MAXIMIZE if each.maximise else ways.MINIMIZE for each in study.objectives]
    optimiser = optuna.create_study(directions=directions, sampler=make_sampler(study, 0))
    ranges = distributions(study)
    points = study.points
    known = [dict(each.point) for each in study.defaults if study.inside(each.point)]
    for point in known if points is None else points:
        optimiser.enqueue_trial(point)
    total = study.candidates if points is None else len(points)
    generation = 0
    while len(search.candidates) < total:
        began = time.thread_time()
        optimiser.sampler = make_sampler(study, generation)
        asked = [optimiser.ask(ranges) for _ in range(min(study.generation, total - len(search.candidates)))]
        search.optuna_s += time.thread_time() - began
        measured = _looks(study, [dict(each.params) for each in asked], measure, search.candidates)
        began = time.thread_time()
        for trial, candidate in zip(asked, measured, strict=True):
            _tell(optimiser, trial, candidate, study)
        search.optuna_s += time.thread_time() - began
        search.candidates += measured
        generation += 1
        told(search)
    return search


def _tell(optimiser: optuna.Study, trial: optuna.Trial, candidate: Candidate, study: Study) -> None:
    names = ["violations", "void trials", *(each.name for each in study.constraints)]
    for name, excess in zip(names, candidate.excess, strict=True):
        trial.set_constraint(name, excess)
    values = []
    for found, objective in zip(candidate.values, study.objectives, strict=True):
        values.append(found if math.isfinite(found) else -WORST if objective.maximise else WORST)
    optimiser.tell(trial, values)


def _looks(
    study: Study,
    points: Sequence[Point],
    measure: Callable[[Sequence[Wanted]], list[Measurement]],
    before: Sequence[Candidate],
) -> list[Candidate]:
    """Measure the points of a generation, look by look, each as long as it is worth it."""
    found: list[list[Measurement]] = [[] for _ in points]
    fates: list[Fate] = ["measured" for _ in points]
    alive = list(range(len(points)))
    seeds = 0
    for number, look in enumerate(study.looks):
        wanted = [(i, seed) for seed in range(seeds + 1, look + 1) for i in alive]
        for (i, _), one in zip(wanted, measure([(points[i], seed) for i, seed in wanted]), strict=True):
            found[i].append(one)
        seeds = look
        if number == len(study.looks) - 1:
            break
        for i in list(alive):
            if hopeless(found[i], study):
                fates[i] = "broken"
            elif beaten(found[i], study, before):
                fates[i] = "beaten"
            else:
                continue
            alive.remove(i)
    return [
        Candidate(
            number=len(before) + i,
            point=point,
            found=tuple(found[i]),
            values=tuple(value(found[i], each.name, each.quantile) for each in study.objectives),
            excess=excesses(found[i], study),
            fate=fates[i],
            default=next((each.name for each in study.defaults if same_point(each.point, point)), None),
        )
        for i, point in enumerate(points)
    ]


# --- the front ------------------------------------------------------------------------------------------------------


def dominates(a: Sequence[float], b: Sequence[float], study: Study) -> bool:
    """Whether values ``a`` are no worse in any objective and better in one."""
    signed = [
        (-x, -y) if objective.maximise else (x, y) for x, y, objective in zip(a, b, study.objectives, strict=True)
    ]
    return all(x <= y for x, y in signed) and any(x < y for x, y in signed)


def front(values: Sequence[Sequence[float]], study: Study) -> list[int]:
    """Indices of those that no other dominates."""
    return [i for i, mine in enumerate(values) if not any(dominates(theirs, mine, study) for theirs in values)]


def finalists(search: Search, study: Study) -> list[Candidate]:
    """Candidates worth measuring again: the front of those that keep the constraints, thinned evenly.

    Where none keeps them: those that come closest, so that it can be said by how much they fail.
    """
    pool = [each for each in search.candidates if each.feasible and each.fate == "measured"]
    if not pool:
        ranked = sorted(search.candidates, key=lambda each: (sum(max(0.0, x) for x in each.excess), each.number))
        return _distinct(ranked)[: min(3, study.finalists)]
    best = _distinct([pool[i] for i in front([each.values for each in pool], study)])
    if len(study.objectives) == 1:
        # One value is best, by luck if by nothing else: those that come next may be better on other seeds.
        sign = -1 if study.objectives[0].maximise else 1
        return _distinct(sorted(pool, key=lambda each: (sign * each.values[0], each.number)))[: study.finalists]
    best.sort(key=lambda each: each.values)
    if len(best) <= study.finalists:
        return best
    places = np.linspace(0, len(best) - 1, study.finalists).round().astype(int)
    return [best[i] for i in dict.fromkeys(places.tolist())]


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Each point once."""
    kept: list[Candidate] = []
    for each in candidates:
        if not any(same_point(each.point, other.point) for other in kept):
            kept.append(each)
    return kept
