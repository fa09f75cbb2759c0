"""The study of election timeouts: its defaults, its figures, and that it finds what is known."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.provenance import ROOT
from bench.run import run_trial
from bench.sweep.scripts import declared
from bench.trial import Recovery, Trial
from bench.tune import Study, StudyResult, TuneOptions, tune
from bench.tune.api import check
from bench.tune.known import ELECTIONS
from bench.tune.scripts import discover, load
from bench.tune.study import figure_of
from tests.bench.sweep import fake

SCRIPT = ROOT / "experiments" / "consensus-algorithms" / "tune_election.py"


@pytest.fixture(name="study", scope="module")
def fixture_study() -> Study:
    return load(SCRIPT)


def test_it_is_found_and_can_be(study: Study) -> None:
    assert "consensus-algorithms/tune_election" in [script.name for script in discover()]
    check(study)


def test_defaults_are_what_the_systems_are_set_to(study: Study) -> None:
    texts = {each.name: study.described(each.point) for each in study.defaults}
    assert texts["etcd"] == "election timeout 1-2 s, heartbeat 100 ms"
    assert texts["Consul"] == "election timeout 5-10 s, heartbeat 750 ms"
    assert texts["Raft paper"] == "election timeout 150-300 ms, heartbeat 75 ms"
    assert all(each.source for each in study.defaults) and set(texts) == set(ELECTIONS)


def test_figures_of_a_trial(study: Study) -> None:
    """etcd's default through a stall of 100 ms and a crash: one election, after one to two seconds."""
    trial = study.build(next(each.point for each in study.defaults if each.name == "etcd"), seed=3)
    result, _ = run_trial(trial)
    figures = {name: figure_of(result, figure) for name, figure in study.figures.items()}
    assert 0.9 < figures["time without a leader"] < 2.3
    assert figures["an election without need"] == 0 and figures["not serving again"] == 0
    # 20 operations a second, each to four followers and back, and ten heartbeats a second to four and back
    assert 150 < figures["traffic between servers"] < 300
    assert result.verdict == "valid"


def test_a_timeout_below_the_stall_deposes_a_leader_without_need(study: Study) -> None:
    result, _ = run_trial(study.build({"timeout_s": 0.05, "spread": 1.5, "beats": 3.0}, seed=1))
    assert figure_of(result, study.figures["an election without need"]) >= 1


def test_the_time_without_a_leader_is_unknown_or_beyond_where_it_was_not_seen() -> None:
    leaderless: Any = declared(SCRIPT, "leaderless_s")
    result = fake.result(Trial(protocol="raft"))
    assert leaderless(result) == pytest.approx(result.unavailable_s)
    unseen = msgspec.structs.replace(result, recovery_s=Recovery(detect=0.1))
    assert leaderless(unseen) is None
    assert math.isinf(leaderless(msgspec.structs.replace(unseen, unavailable_censored=True)))


@pytest.mark.slow
def test_in_small_it_prefers_what_is_faster_than_etcd_and_above_the_stall(study: Study, tmp_path: Path) -> None:
    small = replace(study, looks=(2, 4), candidates=12, confirm=8, finalists=3)
    found, _ = tune(small, TuneOptions(out=tmp_path, jobs=2, plain=True))
    assert isinstance(found, StudyResult) and found.recommended is not None
    best = next(each for each in found.finalists if each.name == found.recommended)
    etcd = next(each for each in found.finalists if each.name == "etcd")
    assert best.objectives["time without a leader"].number < etcd.objectives["time without a leader"].number
    assert best.point["timeout_s"] > 0.08, "below the stall of 100 ms it would depose leaders"
    assert found.violations == 0
