"""The Python interface, and the document about it: its examples are run, in order, as a reader would."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bench
from bench.errors import UsageError
from bench.history.history import NEVER, HistoryBuilder
from bench.provenance import ROOT
from bench.sweep import Sweep

EXAMPLES = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text(), re.S | re.M)


@pytest.mark.live
def test_the_document_s_examples_run(tmp_path: Path) -> None:
    assert len(EXAMPLES) >= 7
    script = tmp_path / "examples.py"
    script.write_text("\n\n".join(EXAMPLES))
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "did you mean 'latency'?" in done.stdout
    assert "linearizable valid" in done.stdout


def test_options_are_those_of_the_command_line() -> None:
    trial = bench.make_trial(
        "raft",
        nodes=5,
        duration=2,
        warmup="500ms",
        fault=["crash n1 at 1s for 100ms", "pause n2 at 1s for 1ms"],
        param={"election_timeout_s": (0.2, 0.4), "pre_vote": False},
    )
    assert (trial.nodes, trial.duration, trial.warmup, len(trial.faults)) == (5, 2 * 10**9, 5 * 10**8, 2)
    assert trial.params == {"election_timeout_s": (0.2, 0.4), "pre_vote": False}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"latancy": "1ms"}, "did you mean 'latency'"),
        ({"latency": "fast"}, "fast"),
        ({"fault": "crash nobody at 1s"}, "nobody"),
        ({"param": {"election_timeout": 1}}, "election_timeout_s"),
    ],
)
def test_bad_input_is_one_sentence(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        bench.make_trial("raft", **options)


def test_options_beside_a_trial_are_refused() -> None:
    with pytest.raises(UsageError, match="nodes was given beside a trial"):
        bench.run_trial(bench.make_trial("null"), nodes=3)


def test_what_does_not_exist_says_so() -> None:
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        _ = bench.nothing_of_that_name


def test_importing_it_is_cheap() -> None:
    """The command line's help must not wait for pandas."""
    code = "import bench, sys; assert not {'pandas', 'ray', 'numpy'} & set(sys.modules), sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_kept_runs_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [bench.run_trial("raft", duration=0.3, seed=seed, keep=True) for seed in (1, 2)]
    frame = bench.load()
    assert sorted(frame["seed"]) == [1, 2]
    assert set(frame["run"]) == {run.folder.name for run in runs if run.folder is not None}
    folder = runs[0].folder
    assert folder is not None
    one = bench.load(folder)
    assert one["throughput_ops_s"].tolist() == [runs[0].result.throughput_ops_s]
    stored = bench.load_history(folder)
    assert np.array_equal(stored.invoked, runs[0].operations.invoked)
    assert [verdict.verdict for verdict in bench.check_history(folder)] == ["valid"]


def test_nothing_to_load_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        bench.load(tmp_path / "nowhere")
    with pytest.raises(UsageError, match="holds no results"):
        bench.load(tmp_path)
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(UsageError, match="not the result of a run"):
        bench.load(tmp_path)


def test_a_history_in_seconds_with_what_is_missing_missing() -> None:
    builder = HistoryBuilder()
    row = {"process": 1, "key": 0, "expected": -2, "client": 0, "intended": 500_000_000}
    builder.add(function=1, argument=7, result=-2, invoked=10**9, completed=NEVER, outcome=2, **row)
    builder.add(function=0, argument=-2, result=-1, invoked=2 * 10**9, completed=3 * 10**9, outcome=0, **row)
    frame = bench.history_frame(builder.build())
    assert frame["function"].tolist() == ["write", "read"]
    assert frame["outcome"].tolist() == ["info", "ok"]
    assert frame["argument"].isna().tolist() == [False, True]
    assert frame["completed_s"].isna().tolist() == [True, False]
    assert frame["latency_s"].tolist()[1] == 2.5


def test_a_sweep_refuses_an_axis_it_does_not_have(tmp_path: Path) -> None:
    sweep = Sweep(
        name="one",
        question="?",
        grid={"nodes": [3]},
        trial=lambda nodes: bench.make_trial("null", nodes=nodes, duration=0.2),
    )
    with pytest.raises(UsageError, match="did you mean 'nodes'"):
        bench.run_sweep(sweep, {"node": [3]}, out=tmp_path / "never")
    assert not (tmp_path / "never").exists()
