"""The answer follows the data: capacities that are swapped swap the knees, and a violation is told first."""

from __future__ import annotations

import importlib.util
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.provenance import ROOT
from bench.sweep import Options, knees
from bench.trial import Latency, Result, Trial
from tests.bench.sweep import fake

SCRIPT = ROOT / "experiments" / "consensus-algorithms" / "saturation.py"


def module() -> Any:
    spec = importlib.util.spec_from_file_location("saturation_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules["saturation_script"] = loaded
    spec.loader.exec_module(loaded)
    return loaded


experiment = module()


def run(capacities: dict[int, float], out: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Any:
    """The script's own sweep over M/M/1 servers with these capacities."""

    def run_trial(trial: Trial, **_: Any) -> tuple[Result, None]:
        rate = trial.workload.rate or 0.0
        left = capacities[trial.nodes] - rate
        p99 = math.log(100) / left if left > 0 else math.inf
        if p99 > 1:
            found = Latency(p50=0.5, censored=0.5)
        else:
            found = Latency(p50=p99 / 6.6 * (1 + trial.seed / 1e4), p99=p99)
        return fake.result(trial, latency_s=found, throughput_ops_s=min(rate, capacities[trial.nodes]), **changes), None

    monkeypatch.setattr(fake, "run_trial", run_trial)
    sweep = replace(experiment.sweep, entry="tests.bench.sweep.fake:run_trial")
    return sweep.run(Options(out=out, jobs=1, plain=True))


def test_swapped_capacities_swap_the_knees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = run({3: 30_000, 5: 10_000}, tmp_path / "there", monkeypatch)
    back = run({3: 10_000, 5: 30_000}, tmp_path / "back", monkeypatch)
    rates = [{setting["nodes"]: found.rate for setting, found in knees(each)} for each in (there, back)]
    assert (rates[0][3], rates[0][5]) == (rates[1][5], rates[1][3])
    assert rates[0][3] == pytest.approx(30_000 - math.log(100) / 0.005, rel=0.05)
    first, second = (experiment.conclude(each).answer for each in (there, back))
    assert f"Raft carries {rates[0][3]:,.0f} and {rates[0][5]:,.0f} operations/s on 3 and 5 servers" in first
    assert f"Raft carries {rates[1][3]:,.0f} and {rates[1][5]:,.0f} operations/s on 3 and 5 servers" in second


def test_a_violation_is_told_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = run({3: 30_000, 5: 10_000}, tmp_path / "run", monkeypatch, verdict="invalid")
    answer = experiment.conclude(broken).answer
    assert answer.splitlines()[0].endswith("so trust no figure here yet.")
    assert "carries" not in answer


def test_the_models_end_where_they_saturate_and_agree_when_nothing_waits() -> None:
    slow = [float(np.median(model(3, 10.0))) for model in (experiment.alone, experiment.together)]
    assert slow[0] == pytest.approx(slow[1], rel=0.05)
    assert experiment.alone(3, 9_000.0) is None, "2 n messages of 15 us and two wake-ups each"
    assert experiment.together(3, 9_000.0) is not None
    assert experiment.together(3, 70_000.0) is None


def test_a_message_costs_what_the_model_says_at_low_load() -> None:
    """One real trial: without queues the model has to be right."""
    from bench import run_trial

    result = run_trial(experiment.trial(3, 500.0)).result
    assert result.verdict == "valid"
    assert result.latency_s.p50 == pytest.approx(float(np.median(experiment.together(3, 500.0))), rel=0.05)
