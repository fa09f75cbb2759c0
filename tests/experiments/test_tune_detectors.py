"""The studies of failure detectors: their defaults are the systems', their figures follow the data."""

from __future__ import annotations

import csv
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.provenance import ROOT
from bench.run import run_trial
from bench.sweep.scripts import declared
from bench.theory.mistakes import NETWORKS
from bench.tune import StudyResult, TuneOptions, tune
from bench.tune.api import check
from bench.tune.scripts import load
from bench.tune.study import figure_of
from tests.experiments.test_failure_detection import script

FOLDER = ROOT / "experiments" / "failure-detection"
HEARTBEATS, SWIM = FOLDER / "tune_detectors.py", FOLDER / "tune_detectors_swim.py"


@pytest.mark.parametrize("path", [HEARTBEATS, SWIM], ids=lambda path: path.stem)
def test_it_can_be(path: Path) -> None:
    study = load(path)
    check(study)
    assert all(each.source for each in study.defaults)


def test_defaults_are_what_the_systems_are_set_to() -> None:
    heartbeats, swim = load(HEARTBEATS), load(SWIM)
    texts = {each.name: heartbeats.described(each.point) for each in heartbeats.defaults}
    assert texts["Akka"] == "detector phi-akka, threshold 8, acceptable pause 3 s, window 1000, period 1 s"
    assert texts["Cassandra, cloud"] == "detector phi-exponential, threshold 12, window 1000, period 1 s"
    texts = {each.name: swim.described(each.point) for each in swim.defaults}
    assert texts["memberlist, LAN"] == (
        "probe interval 1 s, probe timeout 500 ms, suspicion mult 4, suspicion max mult 6"
    )
    assert texts["memberlist, WAN"] == "probe interval 5 s, probe timeout 3 s, suspicion mult 6, suspicion max mult 6"


def test_a_month_of_akka_is_quicker_and_more_often_wrong_than_one_of_cassandra() -> None:
    study = load(HEARTBEATS)
    assert study.function is not None
    often = {**study.settings, "pauses_a_day": 200.0}
    found = {each.name: study.function(**often, **each.point, seed=1) for each in study.defaults}
    akka, cassandra = found["Akka"], found["Cassandra"]
    assert akka["p99_s"] == pytest.approx(1 + 3 + 5.226 * 0.1, abs=0.05), "a period, the pause, the floor's deviations"
    assert cassandra["p99_s"] == pytest.approx(18.42, abs=0.05)
    wrong, less = akka["mistakes_month"], cassandra["mistakes_month"]
    assert wrong is not None and less is not None
    assert 2 <= wrong <= 20, "6000 pauses, of which 0.14% last for 4 s (20 times the median)"
    assert less < wrong
    assert study.function(**often, **study.defaults[0].point, seed=1) == akka, "a seed is a month"


@pytest.mark.slow
def test_in_small_the_study_finds_a_shorter_margin_than_cassandras(tmp_path: Path) -> None:
    small = replace(load(HEARTBEATS), looks=(2, 4), candidates=8, confirm=10, finalists=2)
    found, _ = tune(small, TuneOptions(out=tmp_path, jobs=1, plain=True))
    assert isinstance(found, StudyResult) and found.recommended is not None
    best = next(each for each in found.finalists if each.name == found.recommended)
    assert best.objectives["crash noticed, 99 of 100"].number < 10.0


def test_the_table_words_one_margin_for_three_detectors(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = script("tune_detectors_table")
    monkeypatch.setattr(sys, "argv", ["table", "--months", "1", "--network", "jittery", "--out", str(tmp_path)])
    assert table.main() == 0
    with (tmp_path / "networks.csv").open() as file:
        found = list(csv.DictReader(file))
    assert {each["network"] for each in found} == {"jittery"}
    budget = [float(each["detection_p99_s"]) for each in found if each["purpose"] == "1 a month, a pair"]
    assert len(budget) == 3 and max(budget) - min(budget) < 0.05
    assert [each["months"] for each in found if "nodes" in each["purpose"]] == ["3", "3", "3"]
    assert (tmp_path / "networks.png").stat().st_size > 20_000
    with (tmp_path / "pauses.csv").open() as file:
        margins = {
            (each["network"], each["median_s"], each["budget"]): each["margin_s"] for each in csv.DictReader(file)
        }
    assert {network for network, _, _ in margins} == set(NETWORKS)
    assert float(margins["jittery", "1.0", "1.0"]) > float(margins["jittery", "0.2", "1.0"])


def test_figures_of_a_swim_trial() -> None:
    study = load(SWIM)
    result, _ = run_trial(study.build(study.defaults[0].point, seed=1))
    figures = {name: figure_of(result, figure) for name, figure in study.figures.items()}
    assert (result.trial, result.verdict) == ("complete", "valid")
    assert 5.5 < figures["crash known to all"] < 20 and 2 < figures["traffic of a member"] < 20
    hasty = {"probe_interval_s": 0.2, "timeout_share": 0.5, "suspicion_mult": 2, "suspicion_max_mult": 2}
    result, _ = run_trial(study.build(hasty, seed=1))
    assert figure_of(result, study.figures["a healthy member declared dead"]) > 50


def test_a_crash_that_some_never_noticed_took_longer_than_was_seen() -> None:
    study = load(SWIM)
    known: Any = declared(SWIM, "known_s")
    result, _ = run_trial(study.build(study.defaults[0].point, seed=1))
    assert result.detection is not None and math.isfinite(known(result))
    unseen = msgspec.structs.replace(result.detection, undetected=1)
    assert math.isinf(known(msgspec.structs.replace(result, detection=unseen)))
    assert known(msgspec.structs.replace(result, detection=None)) is None
