"""What a study concludes: on fresh seeds, with intervals, in words, beside the defaults; and its page."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.errors import UsageError
from bench.trial import Trial
from bench.tune import Choice, Constraint, Default, Objective, Real, Study, StudyResult, TuneOptions, advice, tune
from bench.tune.advice import choose, spanned, text_of
from bench.tune.api import exit_code
from bench.tune.log import Measurement
from bench.tune.outcome import Again, Estimate, Finalist, kept, summarise
from bench.tune.page import render

from . import studies


def done(study: Any, out: Path, **options: Any) -> StudyResult:
    return tune(study, TuneOptions(**({"out": out, "jobs": 1, "plain": True} | options)))[0]


@pytest.fixture(name="result", scope="module")
def fixture_result(tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    return done(studies.study(), tmp_path_factory.mktemp("study"))


def of(result: StudyResult, name: str) -> Finalist:
    return next(each for each in result.finalists if each.name == name)


def test_the_front_is_measured_again_with_intervals(result: StudyResult) -> None:
    best = [each for each in result.finalists if each.front]
    assert len(best) >= 3
    for each in result.finalists:
        assert each.trials == 20
        for found in each.objectives.values():
            low, high = found.bounds
            assert low <= found.number <= high
    ordered = sorted(best, key=lambda each: each.objectives["cost"].number)
    delays = [each.objectives["delay"].number for each in ordered]
    assert delays == sorted(delays, reverse=True), "less of one is more of the other"
    assert not any(each.front for each in result.finalists if not each.feasible)


def test_the_parameter_that_matters_is_ranked_first(result: StudyResult) -> None:
    for figure in ("cost", "delay"):
        ranked = [each for each in result.influences if each.figure == figure]
        assert [each.parameter for each in ranked] == ["x", "y"]
        assert sum(each.share for each in ranked) == pytest.approx(1.0)
        assert ranked[0].low > ranked[1].high, "by more than the candidates' luck"


def test_the_recommendation_lies_on_the_front_and_names_what_to_set(result: StudyResult) -> None:
    assert result.recommended is not None
    best = of(result, result.recommended)
    assert best.front and best.settings in result.answer[0]
    assert result.answer[0].startswith("Choose x ")
    assert any(line.startswith("Where cost alone counts: ") for line in result.answer)


def test_defaults_are_compared_and_a_broken_one_is_no_choice(result: StudyResult) -> None:
    assert {each.default for each in result.comparisons} >= {"bold"}
    bold = next(each for each in result.comparisons if each.default == "bold")
    assert "a breakage in " in bold.text and "so it is no choice here" in bold.text
    assert of(result, "bold").constraints["a breakage"].word == "broken"
    shy = next(each for each in result.comparisons if each.default == "shy")
    assert shy.told_apart["cost"] and shy.ratios["cost"] is not None and shy.ratios["cost"] > 1


def test_the_winner_is_less_lucky_on_fresh_seeds(tmp_path: Path) -> None:
    """Nothing but noise: the best of many is best by luck alone, and the fresh seeds show it."""
    noise = studies.study(
        parameters={"x": Real(0.5, 0.500001), "y": Real(0.0, 1e-6)},
        objectives=[Objective("cost", "cost", unit="")],
        settings={"noise": 1.0},
        defaults=[],
        constraints=[],
        looks=(3, 4),
        candidates=60,
        finalists=5,
        confirm=60,
    )
    found = done(noise, tmp_path)
    assert found.undecided
    assert found.answer[0].startswith("These trials cannot tell the candidates apart: ")
    for each in found.finalists:
        assert each.searched is not None and isinstance(each.searched["cost"], float)
        assert each.objectives["cost"].number > each.searched["cost"]
    assert re.search(r"was 1\.\d+ times what the search had seen", "\n".join(found.details))


def test_where_nothing_keeps_the_constraints_it_says_so(tmp_path: Path) -> None:
    study = studies.study(constraints=[Constraint("too dear", "cost", at_most=0.5)], candidates=12)
    found = done(study, tmp_path)
    assert found.recommended is None and exit_code(found) == 4
    assert found.answer[0] == "No candidate keeps the constraints."
    assert "too dear in 20 of 20 trials" in "\n".join(found.answer)


def test_few_combinations_with_one_objective(tmp_path: Path) -> None:
    found = done(studies.discrete, tmp_path)
    assert found.recommended is not None
    assert of(found, found.recommended).point == {"read": 1, "write": 1, "strong": True}
    page = render(found, tmp_path, tmp_path / "r.html").read_text()
    assert "Latency, on fresh seeds" in page


def test_a_default_outside_of_the_ranges_is_compared_but_not_searched_from(tmp_path: Path) -> None:
    far = Default("far", {"x": 7.0, "y": 0.5})
    found = done(studies.study(candidates=24, defaults=[far]), tmp_path)
    assert of(found, "far").searched is None
    assert all(each.default is None for each in found.tried)
    assert found.comparisons[0].default == "far"


def test_what_is_tolerated_is_settled_by_intervals() -> None:
    study = studies.study(
        constraints=[Constraint("c", "broke", at_most=0.0, tolerated=0.1), Constraint("d", "broke", 0.0)]
    )

    def word(broken: int, trials: int, name: str = "c") -> str:
        found = [Measurement(key=str(i), point={}, seed=i, figures={name: float(i < broken)}) for i in range(trials)]
        return kept(found, study)[name].word

    assert word(0, 60) == "holds" and word(2, 30) == "likely" and word(5, 30) == "unlikely" and word(15, 30) == "broken"
    assert word(0, 5, "d") == "holds" and word(1, 500, "d") == "broken", "nothing is tolerated"
    assert word(0, 0) == "unknown"


# --- studies of trials ----------------------------------------------------------------------------------------------


def test_violations_are_never_recommended_and_are_kept_to_replay(tmp_path: Path) -> None:
    found = done(studies.trials(candidates=24), tmp_path)
    assert found.recommended is not None and of(found, found.recommended).point["speed"] <= 0.8
    assert found.violations > 0 and exit_code(found) == 1
    kept_files = list((tmp_path / "violations").glob("*.json"))
    assert len(kept_files) == found.violations
    assert any(each.excess["violations"] > 0 for each in found.tried)
    page = render(found, tmp_path, tmp_path / "r.html").read_text()
    assert f"{found.violations} violated a safety property" in page


def test_p99_and_availability_are_constraints_by_their_columns(tmp_path: Path) -> None:
    """The stand-in's p99 is 10 ms, and its outage 1 - speed of a second: an availability of 50% asks for speed 0.5."""
    study = studies.trials(
        parameters={"speed": Real(0.2, 0.8)},
        objectives=[Objective("speed", lambda result: result.params["speed"], unit="")],
        constraints=[
            Constraint("p99 above 20 ms", "p99_s", at_most=0.02, tolerated=0.05),
            Constraint("availability below 50%", lambda r: 1 - (r.unavailable_s or 0.0), at_least=0.5, tolerated=0.05),
        ],
        candidates=24,
        looks=(2, 4),
    )
    found = done(study, tmp_path)
    assert found.recommended is not None
    assert 0.5 <= of(found, found.recommended).point["speed"] < 0.6, "the lowest that keeps it available"
    strict = studies.trials(constraints=[Constraint("p99 above 5 ms", "p99_s", at_most=0.005)])
    assert done(strict, tmp_path / "strict").recommended is None


def test_a_choice_of_ranges_comes_back_as_it_was(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    def trial(nodes: int, timeout: tuple[float, float]) -> Trial:
        return Trial(protocol="raft", nodes=nodes, params={"speed": timeout[0]})

    choice = Choice(((0.15, 0.3), (0.5, 1.0)))
    found = done(studies.trials(trial=trial, parameters={"timeout": choice}), tmp_path)
    assert found.recommended is not None and list(of(found, found.recommended).point["timeout"]) == [0.5, 1.0]
    assert not [each for each in recwarn if "categorical" in str(each.message)]


def test_a_void_or_failed_candidate_is_not_chosen(tmp_path: Path) -> None:
    study = studies.trials(parameters={"speed": Choice((0.05, 0.105, 0.5))}, candidates=3, confirm=4)
    found = done(study, tmp_path)
    assert found.recommended is not None and of(found, found.recommended).point == {"speed": 0.5}
    assert found.failed > 0 and exit_code(found) == 70, "the harness failed in some trials"
    by_speed = {each.point["speed"]: each for each in found.tried}
    assert by_speed[0.05].fate == "broken" and by_speed[0.05].seeds == 2


def test_a_trial_that_cannot_be_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    study = studies.trials(settings={"nodes": 0})
    with pytest.raises(UsageError, match="candidate speed 0: nodes 0 is out of range"):
        done(study, tmp_path / "s")
    assert not (tmp_path / "s").exists()


# --- words and pages ------------------------------------------------------------------------------------------------


def test_figures_are_written_for_people() -> None:
    assert text_of(0.142, "s") == "142 ms" and text_of(310.0, "messages/s") == "310 messages/s"
    assert text_of(math.inf, "s") == "beyond" and text_of(math.nan, "") == "–"

    def estimate(low: float | None, high: float | str | None) -> Estimate:
        return Estimate(value=0.142, low=low, high=high, n=9, method="bca")

    assert spanned(estimate(0.135, 0.15), "s") == "142 ms (135 to 150 ms)"
    assert spanned(estimate(0.135, 1.5), "s") == "142 ms (135 ms to 1.50 s)"
    assert spanned(estimate(None, None), "s") == "142 ms"


def test_the_page_is_complete_and_made_of_study_json_alone(result: StudyResult, tmp_path: Path) -> None:
    page = render(result, tmp_path, tmp_path / "r.html").read_text()
    assert result.answer[0].split(":")[0] in page
    assert page.count("<svg") == 2 and "could not be drawn" not in page
    assert "http://" not in page.replace("http://www.w3.org", "") and '<link rel="stylesheet' not in page
    assert "made up" in page and "What was tried" in page


def test_study_json_is_read_back_as_it_was(tmp_path: Path) -> None:
    found = done(studies.study(candidates=12), tmp_path)
    assert StudyResult.load(tmp_path) == found
    with pytest.raises(UsageError, match=r"has no study\.json"):
        StudyResult.load(tmp_path / "elsewhere")


def _measured_again(rng: np.random.Generator, name: str, void: int = 0, center: float = 1.0) -> Again:
    found = [
        Measurement(
            key=f"{name}-{seed}",
            point={},
            seed=seed,
            figures={"outage": center * float(np.exp(0.3 * rng.normal()))},
            trial="void" if seed < void else "complete",
        )
        for seed in range(40)
    ]
    return Again(name, None, {"x": 0.5}, tuple(found), "", name == "default")


def _study_of_outages() -> Study:
    return Study("s", "?", {"x": Real(0, 1)}, [Objective("outage", "outage")], function=lambda x, seed: {"outage": x})


def test_the_best_of_several_is_compared_as_one_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of eight equal candidates the luckiest is beside the default; corrected for one, it seems better too often."""
    rng = np.random.default_rng(1)
    study = _study_of_outages()
    rows = [_measured_again(rng, name) for name in ("default", *(f"#{number}" for number in range(8)))]
    found = summarise(rows, study)
    best = choose(found, study)
    assert best is not None and not best.default
    corrected: list[int] = []
    monkeypatch.setattr(advice, "apart", lambda a, b, objective, comparisons: corrected.append(comparisons))
    advice.compare(rows, found, best, study)
    assert corrected == [9]


def test_void_trials_of_the_recommended_are_told() -> None:
    rng = np.random.default_rng(1)
    study = _study_of_outages()
    lines, best, _ = advice.answer(summarise([_measured_again(rng, "#1", void=15)], study), study)
    assert best is not None and any("15 of its 40 fresh trials were void" in line for line in lines)
    lines, _, _ = advice.answer(summarise([_measured_again(rng, "#1")], study), study)
    assert not any("void" in line for line in lines)
