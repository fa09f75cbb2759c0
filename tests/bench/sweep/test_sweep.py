"""Running sweeps: order, resuming, failures, budgets, interruption."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bench.calibration import keep
from bench.errors import EXIT_HARNESS, EXIT_THRESHOLD, EXIT_UNKNOWN, HarnessError, UsageError
from bench.provenance import ROOT
from bench.sweep import Options, Sweep, SweepResult, Threshold, pools
from bench.sweep import live as live_module
from bench.sweep.progress import Tally
from bench.sweep.store import alone
from bench.sweep.worker import run_one
from bench.trial import Floor, Result, ServiceTimes, Trial

from . import fake
from .killed import SEEDS

FAKE = "tests.bench.sweep.fake:run_trial"


def sweep(**changes: Any) -> Sweep:
    def trial(nodes: int, fault: str = "") -> Trial:
        return Trial(protocol="raft", nodes=nodes, params={fault: True} if fault else {})

    fields: dict[str, Any] = {"name": "t", "question": "?", "grid": {"nodes": [1, 2]}, "trial": trial, "seeds": 3}
    return Sweep(**(fields | {"entry": FAKE} | changes))


@pytest.fixture(name="log")
def fixture_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    path = tmp_path / "log"
    monkeypatch.setenv(fake.LOG, str(path))
    return lambda: path.read_text().splitlines() if path.exists() else []


@pytest.fixture(name="fake_live")
def fixture_fake_live(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def session(address: str | None) -> Iterator[Callable[[Trial], Result]]:
        yield lambda trial: run_one(trial, FAKE)

    monkeypatch.setattr(live_module, "live_session", session)


def run(which: Sweep, out: Path, **options: Any) -> SweepResult:
    return which.run(Options(**({"out": out, "jobs": 1, "plain": True} | options)))


def test_seeds_go_round_the_cells_and_every_trial_is_a_row(tmp_path: Path, log: Callable[[], list[str]]) -> None:
    result = run(sweep(), tmp_path / "run")
    assert log() == ["sim 1 1", "sim 2 1", "sim 1 2", "sim 2 2", "sim 1 3", "sim 2 3"]
    assert len(result.rows) == 6
    assert result.description.finished
    assert result.frame().groupby("cell").size().to_dict() == {0: 3, 1: 3}


@pytest.fixture(name="measured")
def fixture_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Keeps a floor of this machine, with this many messages/s of the null protocol, where sweeps look for it."""
    monkeypatch.chdir(tmp_path)
    return lambda rate: keep(
        Floor(link_rtt_s=1e-4, link_messages_s=1e6, null_messages_s=rate, log_ops_s=1.0, fsync_p50_s=3e-4)
    )


def test_a_sweep_can_be_calibrated_and_keeps_what_it_began_with(
    tmp_path: Path, measured: Callable[[float], None]
) -> None:
    with pytest.raises(UsageError, match="no floor of this machine is kept"):
        run(sweep(), tmp_path / "run", service="calibrated")
    measured(20_000)
    first = run(sweep(), tmp_path / "run", service="calibrated")
    assert {row.result.spec.service.message for row in first.rows} == {50_000}
    assert first.description.calibration is not None and first.description.calibration.fsync == 300_000
    measured(40_000)
    resumed = run(sweep(seeds=4), tmp_path / "run")
    assert {row.result.spec.service.message for row in resumed.rows} == {50_000}
    assert len(resumed.rows) == 8, "what was done stays done"
    another = run(sweep(service="calibrated"), tmp_path / "another")
    assert {row.result.spec.service.message for row in another.rows} == {25_000}
    with pytest.raises(UsageError, match="began with calibrated service times: give another folder"):
        run(sweep(), tmp_path / "run", service="default")


def test_the_default_is_the_same_on_every_machine(tmp_path: Path, measured: Callable[[float], None]) -> None:
    measured(20_000)
    found = run(sweep(), tmp_path / "run")
    assert {row.result.spec.service for row in found.rows} == {ServiceTimes()}
    assert found.description.calibration is None
    with pytest.raises(UsageError, match="began with default service times"):
        run(sweep(), tmp_path / "run", service="calibrated")
    with pytest.raises(UsageError, match="unknown service 'x'"):
        run(sweep(), tmp_path / "run", service="x")


def test_a_second_start_runs_only_what_is_missing(tmp_path: Path, log: Callable[[], list[str]]) -> None:
    run(sweep(), tmp_path / "run")
    result = run(sweep(seeds=4), tmp_path / "run")
    assert Counter(log()).most_common(1)[0][1] == 1
    assert len(log()) == len(result.rows) == 8
    assert len(result.description.sittings) == 2


def test_live_trials_come_one_by_one_forwards_then_backwards(
    tmp_path: Path, log: Callable[[], list[str]], fake_live: None
) -> None:
    run(sweep(seeds=1, live=2), tmp_path / "run")
    assert log() == ["sim 1 1", "sim 2 1", "ray 1 1", "ray 2 1", "ray 2 2", "ray 1 2"]


def test_runtime_limits_a_sweep_to_one_world(tmp_path: Path, log: Callable[[], list[str]], fake_live: None) -> None:
    run(sweep(live=2), tmp_path / "sim", runtime="sim")
    assert {line.split()[0] for line in log()} == {"sim"}
    result = run(sweep(live=2), tmp_path / "ray", runtime="ray")
    assert [row.result.runtime for row in result.rows] == ["ray"] * 4


def test_a_failed_trial_is_a_row_with_its_error_and_the_rest_goes_on(tmp_path: Path) -> None:
    result = run(sweep(grid={"nodes": [1], "fault": ["", "fail"]}), tmp_path / "run")
    errors = [row.result.error for row in result.rows]
    assert errors.count("ValueError: the disk is on fire") == 3
    assert errors.count(None) == 3
    frame = result.frame()
    assert frame[frame["error"].notna()]["unavailable_s"].isna().all()


def test_a_live_cluster_that_does_not_start_leaves_the_simulation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def session(address: str | None) -> Iterator[Callable[[Trial], Result]]:
        raise RuntimeError("no room")
        yield

    monkeypatch.setattr(live_module, "live_session", session)
    result = run(sweep(live=1), tmp_path / "run")
    assert len(result.rows) == 6
    assert result.description.notes == ("Live trials ended early: RuntimeError: no room",)


@pytest.mark.alone
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_budget_adds_seeds_round_robin_until_it_is_spent(tmp_path: Path, jobs: int) -> None:
    def slow(nodes: int) -> Trial:
        return Trial(protocol="raft", nodes=nodes, params={"slow": 0.02})

    began = time.monotonic()
    result = run(sweep(trial=slow, seeds=2), tmp_path / "run", budget_s=4.0, jobs=jobs)
    assert 3.0 < time.monotonic() - began < 6.0
    counts = result.frame().groupby("cell").size()
    assert counts.min() > 5
    assert counts.max() - counts.min() <= 4


@pytest.mark.alone
def test_a_spent_budget_ends_before_all_seeds_are_done(tmp_path: Path, fake_live: None) -> None:
    def slow(nodes: int) -> Trial:
        return Trial(protocol="raft", nodes=nodes, duration=1, params={"slow": 0.2})

    began = time.monotonic()
    result = run(sweep(trial=slow, seeds=500, live=50), tmp_path / "run", budget_s=3.0)
    assert time.monotonic() - began < 4.5
    assert any("The budget left no time for" in note for note in result.description.notes)
    assert {row.result.runtime for row in result.rows} == {"sim", "ray"}


def test_a_worker_that_dies_is_replaced_and_its_trial_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag = tmp_path / "died"

    def trial(nodes: int) -> Trial:
        return Trial(protocol="raft", nodes=nodes, params={"die_unless": str(flag)})

    monkeypatch.setattr("bench.sweep.runner.FIRST_LOOK_S", -1.0)  # it would run in this very process
    result = run(sweep(trial=trial, seeds=6), tmp_path / "run", jobs=2)
    assert flag.exists()
    assert [row.result.error for row in result.rows] == [None] * 12


def test_a_trial_that_always_kills_its_worker_becomes_a_failed_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.sweep.runner.FIRST_LOOK_S", -1.0)
    result = run(sweep(grid={"nodes": [1], "fault": ["die"]}, seeds=3), tmp_path / "run", jobs=2)
    assert [bool(row.result.error) for row in result.rows] == [True] * 3
    assert "died" in (result.rows[0].result.error or ""), "in a process pool or as a Ray task"


def test_ctrl_c_keeps_what_is_done_and_says_how_to_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = iter(range(100))

    def interrupting(*arguments: Any, **keywords: Any) -> Any:
        if next(calls) == 4:
            raise KeyboardInterrupt
        return fake.result(arguments[0]), None

    monkeypatch.setattr(fake, "run_trial", interrupting)
    out = tmp_path / "run"
    code = sweep().main(["--out", str(out), "--jobs", "1", "--plain"])
    assert code == 130
    assert f"stopped: 4 trials are kept; to resume, run the same command with --out {out}" in capsys.readouterr().out
    assert SweepResult.load(out).interrupted
    assert len(run(sweep(), out).rows) == 6


def test_thresholds_and_failures_decide_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bound = [Threshold("unavailable_s", at_most=0.15)]
    assert sweep(thresholds=bound).main(["--out", str(tmp_path / "a"), "--jobs", "1"]) == EXIT_THRESHOLD
    printed = capsys.readouterr().out
    assert "threshold: nodes 2 (simulated): median unavailable_s 0.202 is above 0.15" in printed
    assert "nodes 1 (sim" not in printed
    assert sweep().main(["--out", str(tmp_path / "b"), "--jobs", "1"]) == 0
    failing = sweep(grid={"nodes": [1], "fault": ["fail"]}, thresholds=bound)
    assert failing.main(["--out", str(tmp_path / "c"), "--jobs", "1"]) == EXIT_HARNESS


def test_a_system_that_did_not_serve_again_keeps_no_bound_and_is_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was seen of its outage is below the bound; how long it was is not known."""

    def silent(trial: Trial, **_: Any) -> tuple[Result, None]:
        return fake.result(trial, 0.1, unavailable_censored=trial.nodes == 2 and trial.seed > 1), None

    monkeypatch.setattr(fake, "run_trial", silent)
    bound = [Threshold("unavailable_s", at_most=0.15)]
    assert sweep(thresholds=bound).main(["--out", str(tmp_path / "a"), "--jobs", "1", "--plain"]) == EXIT_THRESHOLD
    printed = capsys.readouterr().out
    told = "nodes 2 (simulated), of 3 trials 2 did not serve again: median unavailable_s inf is above 0.15"
    assert f"threshold: {told}" in printed
    assert "trials: nodes 2 (simulated): of 3 trials 2 did not serve again" in printed
    assert "nodes 1 (sim" not in printed


def test_a_tally_counts_trials_that_did_not_serve_again(tmp_path: Path) -> None:
    tally = Tally()
    for seed in range(3):
        tally.add(fake.result(Trial(protocol="raft", seed=seed), 0.1, unavailable_censored=seed > 0), "unavailable_s")
    tally.add(fake.result(Trial(protocol="raft"), 0.1, trial="void", unavailable_censored=True), "unavailable_s")
    assert (tally.silent, tally.void, tally.verdict) == (2, 1, "1 void, 2 silent")
    assert math.isinf(tally.median("sim"))


def test_dry_run_prints_the_cells_and_runs_nothing_into_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert sweep(live=1).main(["nodes=7,9,11", "--dry-run", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "11" in printed
    assert "3 cells, 9 simulated trials" in printed
    assert "3 live trials" in printed
    assert not out.exists()


def test_a_budget_too_small_for_a_trial_says_so_and_is_not_valid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert sweep().main(["--budget", "0.000001", "--jobs", "1", "--plain", "--out", str(out)]) == EXIT_UNKNOWN
    assert "No trial finished." in capsys.readouterr().out
    assert "No trial finished." in (out / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nods=3"], "did you mean 'nodes'"),
        (["--seeds", "-1"], "seeds -1 is out of range"),
        (["--seeds", "0"], "nothing to run"),
        (["--budget", "0"], "budget 0 is out of range"),
        (["--jobs", "0"], "jobs 0 is out of range"),
        (["nodes=0"], "nodes 0 is out of range"),
        (["--sedes", "3"], "no such option '--sedes'"),
        (["--address", "127.0.0.1:1"], "no cluster answers at 127.0.0.1:1"),
        (["--live", "2", "--no-live"], "give --live or --no-live, not both"),
        (["--precision", "0"], "precision 0 is out of range"),
        (["--precision", "0.1", "--seeds", "3"], "give either seeds or a precision"),
    ],
)
def test_bad_input_ends_in_one_sentence(
    arguments: list[str], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: Any = sweep().main([*arguments, "--out", str(tmp_path / "run")])
    except SystemExit as exit_:
        code = exit_.code
    assert code == 2
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_parameters_a_protocol_refuses_are_found_before_anything_runs() -> None:
    def trial(nodes: int) -> Trial:
        return Trial(protocol="raft", nodes=nodes, params={"heartbeat_s": 10.0})

    with pytest.raises(UsageError, match=r"cell nodes 1: .*heartbeat_s 10 is out of range"):
        sweep(trial=trial, entry="bench.run:run_trial").cells()


def test_two_cells_that_are_one_trial_are_refused() -> None:
    """A key is a trial's, so the second would find its trials done, or take the first's answers for its own."""
    which = sweep(
        grid={"nodes": [1, 2], "unused": [1, 2]}, trial=lambda nodes, unused: Trial(protocol="raft", nodes=nodes)
    )
    with pytest.raises(UsageError, match="the same trial"):
        which.cells()


def test_a_folder_in_which_another_sitting_runs_is_left_alone(tmp_path: Path) -> None:
    """Both would number their parts alike, and the later one of a name replaces the earlier one's trials."""
    with alone(tmp_path / "out"), pytest.raises(UsageError, match="is in use"):
        run(sweep(), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert len(run(sweep(), tmp_path / "out").rows) == 6


def test_a_folder_of_another_sweep_is_not_touched(tmp_path: Path) -> None:
    run(sweep(), tmp_path / "run")
    with pytest.raises(UsageError, match="holds the sweep t"):
        run(sweep(name="other"), tmp_path / "run")


@pytest.mark.parametrize("jobs", [1, 2])
def test_after_sigkill_no_trial_is_lost_and_none_is_run_twice(tmp_path: Path, jobs: int) -> None:
    out, log = tmp_path / "run", tmp_path / "log"
    command = [sys.executable, "-m", "tests.bench.sweep.killed", str(out), str(jobs)]
    environment = os.environ | {fake.LOG: str(log)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while (not log.exists() or len(log.read_text().splitlines()) < 15) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    time.sleep(0.5)  # workers notice that their parent is gone
    ran_before = log.read_text().splitlines()
    kept = {(row.result.nodes, row.result.seed) for row in SweepResult.load(out).rows}
    assert 10 <= len(kept) < 3 * SEEDS
    # What had finished is kept, but for the trials whose result was still on its way when the driver died.
    assert len(ran_before) - len(kept) <= 4 * jobs
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=True)
    assert f"done {3 * SEEDS}" in done.stdout
    rows = SweepResult.load(out).rows
    assert sorted((row.result.nodes, row.result.seed) for row in rows) == [
        (nodes, seed) for nodes in (1, 2, 3) for seed in range(1, SEEDS + 1)
    ]
    ran_after = log.read_text().splitlines()[len(ran_before) :]
    assert not kept & {(int(line.split()[1]), int(line.split()[2])) for line in ran_after}


def test_it_is_readable_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    out = tmp_path / "run"
    real = fake.run_trial

    def looking(trial: Trial, **keywords: Any) -> Any:
        seen.append(len(SweepResult.load(out).rows))
        return real(trial, **keywords)

    monkeypatch.setattr(fake, "run_trial", looking)
    run(sweep(), out)
    assert seen == [0, 1, 2, 3, 4, 5]


def test_where_ray_does_not_start_processes_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def init(*arguments: Any, **keywords: Any) -> Any:
        raise Exception("The current node timed out during startup.\nThis could happen because")

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(HarnessError, match=r"Ray does not start: The current node timed out during startup\.$"):
        pools.connect(None)
    pool = pools.choose(None, address=None, jobs=None, entry=FAKE)
    assert isinstance(pool, pools.Processes)
    pool.close()
