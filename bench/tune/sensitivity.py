"""Which parameters matter, and to what: PED-ANOVA (Watanabe, Bansal and Hutter 2023) over the candidates of a search.

It asks how differently a parameter is distributed among the best candidates than among all of them: a parameter whose
best values are anywhere does not matter. It needs no model of the figure, so a search that looked mostly where things
are good does not mislead it as it does a regression. Intervals come from resampling the candidates.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .outcome import Influence
from .search import WORST, Candidate, Search, distributions, quiet
from .study import Study

if TYPE_CHECKING:
    import optuna

RESAMPLES = 24
FEWEST = 20
"""With fewer candidates than this nothing is said."""
BEST = 0.25
"""Share of the candidates that counts as the best."""


def sensitivity(search: Search, study: Study) -> tuple[Influence, ...]:
    """The share of each parameter in each objective and each constraint that anybody broke, most important first."""
    if len(search.candidates) < FEWEST or len(study.parameters) < 2:
        return ()
    quiet()
    found: list[Influence] = []
    for i, objective in enumerate(study.objectives):
        sign = -1 if objective.maximise else 1
        numbers = [sign * each.values[i] for each in search.candidates]
        found += _ranking(search.candidates, numbers, objective.name, study)
    for i, constraint in enumerate(study.constraints):
        numbers = [each.excess[i + 2] for each in search.candidates]
        found += _ranking(search.candidates, numbers, constraint.name, study)
    return tuple(found)


def _ranking(candidates: Sequence[Candidate], numbers: Sequence[float], figure: str, study: Study) -> list[Influence]:
    """Shares for one figure of which less is better; nothing where it hardly varies."""
    finite = [number if math.isfinite(number) else WORST for number in numbers]
    worst = max(finite)
    if sum(number < worst for number in finite) < 5 or len(set(finite)) < 3:
        return []
    whole = _shares(candidates, finite, study)
    if whole is None:
        return []
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(RESAMPLES):
        chosen = rng.integers(0, len(candidates), len(candidates))
        each = _shares([candidates[i] for i in chosen], [finite[i] for i in chosen], study)
        if each is not None:
            drawn.append(each)
    listed = []
    for name, found in whole.items():
        low, high = np.quantile([each[name] for each in drawn], [0.05, 0.95]) if drawn else (math.nan, math.nan)
        listed.append(Influence(parameter=name, figure=figure, share=found, low=float(low), high=float(high)))
    return sorted(listed, key=lambda each: -each.share)


def _shares(candidates: Sequence[Candidate], numbers: Sequence[float], study: Study) -> dict[str, float] | None:
    """Parameter -> share, summing to 1; None where the candidates do not allow an answer."""
    import optuna
    from optuna.importance import PedAnovaImportanceEvaluator

    ranges = distributions(study)
    trials = [_trial(each, number, ranges) for each, number in zip(candidates, numbers, strict=True)]
    one = optuna.create_study()
    one.add_trials([each for each in trials if each is not None])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            evaluator = PedAnovaImportanceEvaluator(target_quantile=BEST)
            found = evaluator.evaluate(one, target=lambda trial: float(trial.value or 0.0))
    except (ValueError, RuntimeError):
        return None
    total = sum(found.values())
    if not total > 0 or not math.isfinite(total):
        return None
    return {name: found.get(name, 0.0) / total for name in study.parameters}


def _trial(candidate: Candidate, number: float, ranges: dict[str, Any]) -> optuna.trial.FrozenTrial | None:
    import optuna

    try:
        return optuna.trial.create_trial(params=dict(candidate.point), distributions=ranges, value=number)
    except ValueError:  # a default outside of the ranges
        return None
