"""A study goes on where it stopped, however it stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bench import make_trial
from bench.errors import UsageError
from bench.provenance import ROOT
from bench.tune import Objective, Real, Study, StudyResult, TuneOptions, tune
from bench.tune.log import Log
from bench.tune.measuring import Measuring, script_hash

from . import studies


def started(folder: Path, log: Path, jobs: int, slow: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.bench.tune.studies", str(folder), str(jobs)]
    env = {**os.environ, studies.LOG: str(log), studies.SLOW: str(slow)}
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def wait_for(path: Path, count: int, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 300
    while len(lines(path)) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "the study does not move"
        time.sleep(0.005)


@pytest.mark.parametrize(("jobs", "kills", "lost"), [(1, (15, 60), 1), (2, (40,), 10)])
def test_after_sigkill_no_trial_is_repeated_and_the_result_is_the_same(
    tmp_path: Path, jobs: int, kills: tuple[int, ...], lost: int
) -> None:
    log, folder = tmp_path / "calls", tmp_path / "study"
    for count in kills:
        process = started(folder, log, jobs, 0.005)
        wait_for(log, count, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        # Workers notice that their parent is gone and end: what they still call is over before the next sitting.
        size = -1
        while size != log.stat().st_size:
            size = log.stat().st_size
            time.sleep(0.1)
    kept = {f"{each.point['x']!r} {each.point['y']!r} {each.seed}" for each in Log(folder).kept.values()}
    before = lines(log)
    process = started(folder, log, jobs, 0.0)
    out, err = process.communicate(timeout=300)
    assert "finished" in out, err
    again = lines(log)[len(before) :]
    assert len(kept) >= 15
    assert not kept & set(again), "a trial that was kept is run again"
    assert len(again) == len(set(again))
    looked = 1  # the first call of all only shows that the function works
    lost_trials = len(before) - looked - len(kept)
    assert lost_trials <= lost * len(kills), "a kill loses no more than what was running or in a queue"

    whole, _ = tune(studies.study(candidates=24, confirm=6), TuneOptions(out=tmp_path / "whole", jobs=1, plain=True))
    resumed = StudyResult.load(folder)
    assert resumed.tried == whole.tried
    assert (resumed.answer, resumed.finalists, resumed.influences) == (whole.answer, whole.finalists, whole.influences)
    assert len(resumed.sittings) == len(kills) + 1


def test_a_finished_study_runs_nothing_again(tmp_path: Path) -> None:
    options = TuneOptions(out=tmp_path / "s", jobs=1, plain=True)
    first, _ = tune(studies.study(candidates=12), options)
    second, _ = tune(studies.study(candidates=12), options)
    assert first.ran > 0 and second.ran == 0 and second.looked_up == first.ran
    assert second.answer == first.answer


def test_more_fresh_seeds_build_on_those_there_are(tmp_path: Path) -> None:
    options = {"out": tmp_path / "s", "jobs": 1, "plain": True}
    first, _ = tune(studies.study(candidates=12), TuneOptions(**options))  # type: ignore[arg-type]
    more, _ = tune(studies.study(candidates=12), TuneOptions(confirm=25, **options))  # type: ignore[arg-type]
    assert more.ran == 5 * len(first.finalists)


def test_ctrl_c_keeps_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bench.tune.command import main

    calls = iter(range(1000))
    real = Measuring._run

    def interrupting(self: Measuring, todo: Any) -> None:
        if next(calls) == 2:
            raise KeyboardInterrupt
        real(self, todo)

    monkeypatch.setattr(Measuring, "_run", interrupting)
    out = tmp_path / "s"
    assert main(studies.study(), ["--out", str(out), "--jobs", "1", "--plain"]) == 130
    printed = capsys.readouterr().out
    kept = len(lines(out / "trials.jsonl"))
    assert f"stopped: {kept} trials are kept; to resume, run the same command with --out {out}" in printed
    assert not StudyResult.load(out).finished
    assert main(studies.study(), ["--out", str(out), "--jobs", "1", "--plain"]) == 0
    assert f"resuming {out}: {kept} trials are known" in capsys.readouterr().out


def test_a_torn_last_line_is_cut_off_and_a_broken_one_named(tmp_path: Path) -> None:
    tune(studies.study(candidates=12), TuneOptions(out=tmp_path, jobs=1, plain=True))
    path = tmp_path / "trials.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"key": "ab')
    count = len(Log(tmp_path).kept)
    assert path.read_bytes() == whole and count == whole.count(b"\n")
    path.write_bytes(b"what\n" + whole)
    with pytest.raises(UsageError, match="line 1 of"):
        Log(tmp_path)


def test_a_folder_keeps_the_settings_it_began_with(tmp_path: Path) -> None:
    out = {"out": tmp_path / "s", "jobs": 1, "plain": True}
    study = studies.study(candidates=12)
    tune(study, TuneOptions(settings=["noise=0.1"], seed=3, **out))  # type: ignore[arg-type]
    resumed, _ = tune(study, TuneOptions(**out))  # type: ignore[arg-type]
    assert resumed.ran == 0 and resumed.settings == {"noise": 0.1} and resumed.seed == 3
    with pytest.raises(UsageError, match="began with other settings"):
        tune(study, TuneOptions(settings=["noise=0.2"], **out))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="began with seed 3"):
        tune(study, TuneOptions(seed=4, **out))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="holds the study known"):
        tune(studies.discrete, TuneOptions(**out))  # type: ignore[arg-type]


def test_processes_and_one_process_find_the_same(tmp_path: Path) -> None:
    one, _ = tune(studies.study(candidates=24), TuneOptions(out=tmp_path / "a", jobs=1, plain=True))
    two, _ = tune(studies.study(candidates=24), TuneOptions(out=tmp_path / "b", jobs=2, plain=True))
    assert (one.tried, one.finalists) == (two.tried, two.finalists)


def test_measurements_of_another_figure_are_not_taken_for_this_one() -> None:
    """Also where the trial is made by another file than the one in which the figures are named."""

    def hashed(figure: str) -> str:
        objective = Objective("latency", figure)
        return script_hash(Study("s", "?", {"x": Real(0, 1)}, [objective], trial=make_trial))

    assert hashed("p50_s") == hashed("p50_s") != hashed("p99_s")
