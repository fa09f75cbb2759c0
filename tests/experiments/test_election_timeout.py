"""The advice follows the data: reversed data reverse it, and data that say nothing are said to say nothing."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.provenance import ROOT
from bench.sweep import SweepResult

SCRIPT = ROOT / "experiments" / "consensus-algorithms" / "election_timeout.py"
SHORT, MIDDLE, LONG = (0.05, 0.1), (0.15, 0.3), (0.5, 1.0)


def module() -> Any:
    spec = importlib.util.spec_from_file_location("election_timeout", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules["election_timeout"] = loaded
    spec.loader.exec_module(loaded)
    return loaded


experiment = module()


def trials(
    means: dict[Any, float], n: int = 60, runtime: str = "sim", spread: float = 0.15, **changes: Any
) -> pd.DataFrame:
    """Outages around each timeout's mean, in every setting."""
    rng = np.random.default_rng(5)
    rows = []
    for cell, (nodes, rtt, timeout) in enumerate((n_, r, t) for n_ in (3, 5) for r in (0.001, 0.02) for t in means):
        rows += [
            {
                "cell": cell,
                "nodes": nodes,
                "rtt_s": rtt,
                "election_timeout_s": timeout,
                "runtime": runtime,
                "trial": "complete",
                "verdict": "valid",
                "leader_hit": True,
                "leader_changes": 1,
                "unavailable_s": float(value),
                "unavailable_censored": False,
            }
            | changes
            for value in means[timeout] * rng.lognormal(0.0, spread, n)
        ]
    return pd.DataFrame(rows)


FORWARD = {SHORT: 0.08, MIDDLE: 0.2, LONG: 0.7}
REVERSED = {SHORT: 0.7, MIDDLE: 0.2, LONG: 0.08}


def test_reversed_data_reverse_the_advice() -> None:
    forward, backward = experiment.advise(trials(FORWARD)), experiment.advise(trials(REVERSED))
    assert {choice.timeout for choice in forward.choices} == {SHORT}
    assert {choice.timeout for choice in backward.choices} == {LONG}
    assert len(forward.choices) == 4
    assert forward.text.startswith("Choose an election timeout of 50-100 ms, at every round trip")
    assert backward.text.startswith("Choose an election timeout of 500-1000 ms, at every round trip")
    assert "the next best took 2." in forward.text


def test_of_one_setting_nothing_is_said_of_every_setting() -> None:
    df = trials(FORWARD)
    text = experiment.advise(df[(df["nodes"] == 3) & (df["rtt_s"] == 0.001)]).text
    assert text.startswith("Round trip 1 ms, 3 nodes: choose 50-100 ms.") and "every" not in text


def test_cells_that_cannot_be_told_apart_are_not_chosen_between() -> None:
    advice = experiment.advise(trials({SHORT: 0.2, MIDDLE: 0.2, LONG: 0.7}))
    assert {choice.timeout for choice in advice.choices} == {None}
    assert set(advice.choices[0].tied) == {SHORT, MIDDLE}
    assert advice.text.startswith("These trials cannot tell which election timeout is best.")
    assert "cannot be told apart; 500-1000 ms took longer" in advice.text


def test_too_few_trials_choose_nothing() -> None:
    advice = experiment.advise(trials(FORWARD, n=4))
    assert {choice.timeout for choice in advice.choices} == {None}
    assert "Round trip 1 ms: too few trials to choose." in advice.text


def test_a_timeout_that_disturbs_the_cluster_is_ruled_out_however_fast() -> None:
    calm = trials(FORWARD)
    restless = calm.copy()
    slow_link = (restless["rtt_s"] == 0.02) & (restless["election_timeout_s"] == SHORT)
    restless.loc[restless[slow_link].index[::3], "leader_changes"] = 2
    advice = experiment.advise(restless)
    chosen = {(choice.nodes, choice.rtt_s): choice.timeout for choice in advice.choices}
    assert chosen == {(3, 0.001): SHORT, (5, 0.001): SHORT, (3, 0.02): MIDDLE, (5, 0.02): MIDDLE}
    assert "Round trip 20 ms: choose 150-300 ms." in advice.text
    assert "50-100 ms held elections that no crash asked for." in advice.text


def test_live_and_void_trials_and_crashes_that_hit_nobody_do_not_advise() -> None:
    simulated = trials(FORWARD)
    others = [
        trials(REVERSED, n=200, runtime="ray"),
        trials(REVERSED, n=200, trial="void"),
        trials(REVERSED, n=200, leader_hit=False),
    ]
    advice = experiment.advise(pd.concat([simulated, *others]))
    assert [choice.tail for choice in advice.choices] == [c.tail for c in experiment.advise(simulated).choices]
    assert {choice.timeout for choice in advice.choices} == {SHORT}
    told = "; ".join(f"{name} ms: of 460 trials 200 are void" for name in ("50-100", "150-300", "500-1000"))
    assert f"Round trip 1 ms, 3 nodes, {told}." in advice.text, "they are told of"
    assert "nothing to advise" in experiment.advise(others[0]).text
    assert "of 200 trials 200 are void" in experiment.advise(others[1]).text
    assert "the crash hit a leader in none of 200 trials" in experiment.advise(others[2]).text


def silenced(df: pd.DataFrame, timeout: Any, every: int) -> pd.DataFrame:
    """The same, but one trial in so many of that timeout did not serve again: what is known of its outage is short."""
    df = df.copy()
    rows = df[df["election_timeout_s"] == timeout].index[::every]
    df.loc[rows, "unavailable_censored"] = True
    df.loc[rows, "unavailable_s"] = 0.01
    df.loc[rows, "leader_hit"] = False  # perhaps nobody ever led
    return df


@pytest.mark.parametrize("every", [1, 2, 12])
def test_a_timeout_with_which_the_system_does_not_always_serve_again_is_not_advised_however_fast(every: int) -> None:
    """Its trials that ended are the fastest of all, and those that did not look short."""
    advice = experiment.advise(silenced(trials(FORWARD), SHORT, every))
    assert {choice.timeout for choice in advice.choices} == {MIDDLE}
    assert all(choice.silent == (SHORT,) for choice in advice.choices)
    assert "50-100 ms did not serve again too often." in advice.text
    assert f"3 nodes, 50-100 ms: of 60 trials {60 // every} did not serve again." in advice.text
    assert all(np.isinf(c.tail[SHORT].estimate) == (every < 10) for c in advice.choices)


def test_one_trial_that_did_not_serve_again_rules_nothing_out_but_is_told() -> None:
    advice = experiment.advise(silenced(trials(FORWARD), SHORT, 60))
    assert {choice.timeout for choice in advice.choices} == {SHORT}
    assert "Round trip 1 ms, 3 nodes, 50-100 ms: of 60 trials 1 did not serve again." in advice.text


def test_where_no_timeout_always_serves_again_none_is_advised() -> None:
    df = trials(FORWARD)
    for timeout in FORWARD:
        df = silenced(df, timeout, 2)
    advice = experiment.advise(df)
    assert {choice.timeout for choice in advice.choices} == {None}
    assert "with every timeout there are trials that did not serve again: none is advised." in advice.text


def test_a_timeout_of_which_every_trial_is_void_is_not_forgotten() -> None:
    df = trials(FORWARD)
    df.loc[df["election_timeout_s"] == SHORT, "trial"] = "void"
    advice = experiment.advise(df)
    assert {choice.timeout for choice in advice.choices} == {MIDDLE}
    assert "50-100 ms: of 60 trials 60 are void." in advice.text


def test_the_share_of_live_trials_inside_the_simulated_band_is_counted() -> None:
    simulated = trials(FORWARD)
    inside, total = experiment.inside_band(pd.concat([simulated, trials(FORWARD, n=50, runtime="ray")]))
    assert total == 12 * 50
    assert 0.8 < inside / total < 0.97
    inside, _ = experiment.inside_band(pd.concat([simulated, trials(REVERSED, n=50, runtime="ray")]))
    assert inside / total < 0.5
    assert experiment.inside_band(simulated) == (0, 0)


def test_every_cell_can_be_run() -> None:
    cells = experiment.sweep.cells()
    assert len(cells) == 12
    crash = cells[0].template.faults[0]
    assert crash.target == "leader"
    # The slowest timeout has run out, and its election is over, before the load is.
    assert cells[0].template.duration > crash.at + 1_500_000_000


@pytest.mark.slow
def test_the_script_answers_and_reports(tmp_path: Path) -> None:
    """The whole way on a small grid, simulated only."""
    out = tmp_path / "run"
    command = [sys.executable, str(SCRIPT), "nodes=3", "rtt_s=0.001", "--no-live", "--seeds", "10", "--jobs", "2"]
    done = subprocess.run(
        [*command, "--budget", "20", "--out", str(out)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.strip().splitlines()
    assert lines[-1] == "now break it: bench run raft --runtime sim --mutant vote-not-persisted"
    assert lines[-2] == f"report: {out / 'report.html'}"
    assert "Round trip 1 ms" in lines[-3]
    result = SweepResult.load(out)
    frame = result.frame()
    assert len(frame) >= 24
    assert (frame["verdict"] == "valid").all()
    assert frame["leader_hit"].all()
    assert frame["detect_s"].notna().all()
    assert lines[-3] in (out / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.live
def test_the_demo_with_a_small_budget(tmp_path: Path) -> None:
    """What ``make demo`` does, on two cells: an embedded Ray, the leader killed in live trials, simulation, report."""
    out = tmp_path / "run"
    command = [sys.executable, str(SCRIPT), "nodes=3", "rtt_s=0.001", "election_timeout_s=0.05..0.1,0.15..0.3"]
    done = subprocess.run(
        [*command, "--live", "1", "--seeds", "4", "--budget", "60", "--out", str(out)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode in (0, 3), done.stdout + done.stderr  # a noisy machine may void a live trial
    assert "raylet" not in done.stdout + done.stderr, "Ray's own lines are not for the user"
    frame = SweepResult.load(out).frame()
    live = frame[frame["runtime"] == "ray"]
    assert len(live) >= 1, "a slow machine may not fit both into the budget"
    assert live["error"].isna().all(), list(live["error"])
    assert (live["verdict"] != "invalid").all()
    assert live["leader_hit"].all(), "the leader was killed"
    assert (out / "report.html").stat().st_size < 5_000_000


def test_the_distance_to_the_model_is_told_where_it_is_largest() -> None:
    script = module()
    rows = []
    for timeout, factor in (((0.05, 0.1), 1.0), ((0.5, 1.0), 1.5)):
        outages = script.model(3, 0.001, timeout)[:200] * factor
        rows += [
            {"runtime": "sim", "trial": "complete", "nodes": 3, "rtt_s": 0.001, "election_timeout_s": timeout}
            | {"unavailable_s": value, "unavailable_censored": False}
            for value in outages
        ]
    (sentence,) = script._against_model(pd.DataFrame(rows))
    assert "closest at 3 nodes, 1 ms, 50-100 ms" in sentence
    assert "farthest at 3 nodes, 1 ms, 500-1000 ms, 5" in sentence
    assert "above the model" in sentence
    assert script._against_model(pd.DataFrame(rows).iloc[:0]) == []
