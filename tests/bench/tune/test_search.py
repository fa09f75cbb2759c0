"""The search: what it finds, whom it gives up, and that it is a function of its seed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.errors import UsageError
from bench.tune import Constraint, Objective, Real, Study
from bench.tune.log import Log, Measurement
from bench.tune.measuring import Measuring, Wanted
from bench.tune.search import Candidate, Search, beaten, dominates, finalists, front, hopeless, run, value
from bench.tune.study import FRESH

from . import studies


def searched(study: Study, folder: Path) -> tuple[Search, Measuring]:
    measuring = Measuring(study, Log(folder), jobs=1)
    return run(study, measuring.measure), measuring


def found(*values: float | None, verdict: str = "valid", trial: str = "complete") -> list[Measurement]:
    return [
        Measurement(key=str(i), point={}, seed=i, figures={"cost": v, "delay": v}, verdict=verdict, trial=trial)
        for i, v in enumerate(values)
    ]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2"])
def test_the_front_is_found_better_than_by_chance(tmp_path: Path, sampler: Any) -> None:
    """y costs a little and brings nothing: on the true front it is 0."""

    def waste(which: str) -> float:
        total = 0.0
        for seed in range(3):
            study = studies.study(sampler=which, candidates=96, seed=seed, settings={"noise": 0.0}, looks=(2, 3))
            (tmp_path / f"{which}{seed}").mkdir()
            search, _ = searched(study, tmp_path / f"{which}{seed}")
            best = [search.candidates[i] for i in front([each.values for each in search.candidates], study)]
            total += sum(each.point["y"] for each in best) / len(best)
        return total

    assert waste(sampler) < waste("random")


def test_the_same_seed_finds_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, _ = searched(studies.study(), tmp_path / "a")
    second, _ = searched(studies.study(), tmp_path / "b")
    assert [each.point for each in first.candidates] == [each.point for each in second.candidates]
    (tmp_path / "c").mkdir()
    other, _ = searched(studies.study(seed=2), tmp_path / "c")
    assert [each.point for each in first.candidates] != [each.point for each in other.candidates]


def test_defaults_inside_the_ranges_are_tried_first(tmp_path: Path) -> None:
    search, _ = searched(studies.study(candidates=12), tmp_path)
    assert [each.default for each in search.candidates[:3]] == ["bold", "shy", None]


def test_a_candidate_that_breaks_a_constraint_gets_no_more_seeds(tmp_path: Path) -> None:
    search, measuring = searched(studies.study(), tmp_path)
    bold = search.candidates[0]
    assert bold.fate == "broken"
    assert len(bold.found) == 3 and not bold.feasible
    spent = Counter(len(each.found) for each in search.candidates)
    assert spent[3] > 0 and spent[8] > 0
    assert measuring.ran == 3 * spent[3] + 8 * spent[8] < 8 * 48


def test_a_candidate_that_is_beaten_in_everything_gets_no_more_seeds() -> None:
    study = studies.study()
    rival = Candidate(0, {}, (), (1.0, 1.0), (0.0, -0.5, 0.0), "measured")
    assert beaten(found(1.1, 1.2), study, [rival])
    assert not beaten(found(0.9, 1.2), study, [rival]), "its best trial is better"
    assert not beaten(found(1.1), study, [Candidate(0, {}, (), (1.0, 1.0), (0.1, -0.5, 0.0), "broken")])
    assert not beaten(found(None, None), study, [rival]), "nothing was observed"
    upwards = studies.study(objectives=[Objective("cost", "cost", maximise=True)])
    high = Candidate(0, {}, (), (5.0,), (0.0, -0.5, 0.0), "measured")
    assert beaten(found(4.0, 4.9), upwards, [high]) and not beaten(found(4.0, 5.1), upwards, [high])


def test_hopeless_means_broken_for_sure() -> None:
    study = studies.study(constraints=[Constraint("slow", "delay", at_most=1.0, tolerated=0.25)])

    def slow(*values: float) -> list[Measurement]:
        return [Measurement(key=str(i), point={}, seed=i, figures={"slow": each}) for i, each in enumerate(values)]

    assert not hopeless(slow(2.0, 0.5, 0.5), study), "one of three may be luck"
    assert hopeless(slow(2.0, 2.0, 2.0, 2.0), study)
    assert not hopeless(slow(*[0.5] * 9, 2.0), study)
    assert hopeless(found(1.0, verdict="invalid"), study), "a violation is never tolerated"
    assert hopeless(found(1.0, 1.0, trial="void"), study)


def test_few_combinations_are_all_tried(tmp_path: Path) -> None:
    search, _ = searched(studies.discrete, tmp_path)
    assert len({tuple(each.point.items()) for each in search.candidates}) == len(search.candidates) == 18


def test_the_value_is_one_that_was_observed_or_infinite() -> None:
    assert value(found(1.0, 2.0, 3.0, 4.0), "cost", 0.5) == 2.0
    assert value(found(1.0, 2.0, 3.0, 4.0), "cost", 0.9) == 4.0
    beyond = [*found(1.0, 2.0), Measurement(key="b", point={}, seed=9, figures={"cost": "beyond"})]
    assert math.isinf(value(beyond, "cost", 0.9)) and value(beyond, "cost", 0.5) == 2.0
    assert math.isnan(value(found(None, None), "cost", 0.5))


def test_fronts() -> None:
    study = studies.study()
    assert front([(1, 5), (2, 2), (3, 3), (5, 1), (1, 5)], study) == [0, 1, 3, 4]
    assert dominates((1, 1), (1, 2), study) and not dominates((1, 2), (1, 2), study)
    upwards = studies.study(objectives=[Objective("a", "cost", maximise=True), Objective("b", "delay")])
    assert front([(1, 1), (2, 1), (3, 2)], upwards) == [1, 2]


def test_finalists_are_spread_over_the_front_and_never_broken(tmp_path: Path) -> None:
    study = studies.study(finalists=4)
    search, _ = searched(study, tmp_path)
    chosen = finalists(search, study)
    assert 2 <= len(chosen) <= 4
    assert all(each.feasible and each.fate == "measured" for each in chosen)
    everyone = finalists(search, studies.study(finalists=100))
    assert chosen[0] == everyone[0] and chosen[-1] == everyone[-1], "both ends are among them"


def test_without_a_feasible_candidate_the_nearest_are_measured_again(tmp_path: Path) -> None:
    study = studies.study(constraints=[Constraint("too dear", "cost", at_most=0.5)], candidates=12)
    search, _ = searched(study, tmp_path)
    assert not any(each.feasible for each in search.candidates)
    assert len(finalists(search, study)) == 3


def test_search_and_fresh_seeds_never_meet(tmp_path: Path) -> None:
    seeds: set[int] = set()
    study = studies.study()
    measuring = Measuring(study, Log(tmp_path), jobs=1)

    def measure(wanted: Sequence[Wanted]) -> list[Measurement]:
        seeds.update(seed for _, seed in wanted)
        return measuring.measure(wanted)

    run(study, measure)
    assert seeds == set(range(1, 9)) and max(seeds) < FRESH


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"parameters": {"x": Real(1.0, 1.0)}}, "range of x, 1 to 1, is empty"),
        ({"parameters": {"x": Real(0.0, 1.0, log=True), "y": Real(0, 1)}}, "logarithmic range of x starts at 0"),
        ({"parameters": {}}, "at least one parameter"),
        ({"function": None}, "either a trial or a function"),
        ({"looks": (4, 4)}, "looks"),
        ({"sampler": "tpee"}, "did you mean 'tpe'"),
        ({"settings": {"x": 1, "noise": 0.0}}, "x is a parameter and a setting"),
        ({"constraints": [Constraint("c", "broke")]}, "no bound"),
        ({"objectives": [Objective("cost", "cost", quantile=1.0)]}, "out of range"),
        ({"objectives": [Objective("bold", "cost")]}, "two things"),
        ({"confirm": 1}, "confirm 1 is out of range"),
    ],
)
def test_a_study_that_cannot_be_says_why(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        studies.study(**changes).validate()


def test_a_figure_that_the_function_does_not_return_is_named(tmp_path: Path) -> None:
    study = studies.study(objectives=[Objective("cost", "csot")])
    with pytest.raises(UsageError, match="did you mean 'cost'"):
        searched(study, tmp_path)
