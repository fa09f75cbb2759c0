"""Live trials of a sweep side by side, each on machines of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bench.provenance import ROOT
from bench.sweep import SweepResult
from bench.sweep.lanes import divide, processes, survey
from bench.trial import Trial

from .raylets import Raylets

SCRIPT = """
from bench.sweep import Sweep
from bench.sweep.presets import closed_loop

sweep = Sweep(
    name="lanes",
    question="Do two trials run at once?",
    grid={"clients": [1, 2]},
    trial=lambda clients: closed_loop("null", clients, nodes=1, load_s=1.5, warmup_s=0.0),
    seeds=0,
    live=4,
    metric="p50_s",
)
if __name__ == "__main__":
    raise SystemExit(sweep.main())
"""


def test_machines_are_divided_whole() -> None:
    assert divide("abcd", 2) == [["a", "b"], ["c", "d"]]
    assert divide("abcde", 2) == [["a", "b"], ["c", "d", "e"]]
    assert divide("abc", 1) == [["a"], ["b"], ["c"]]
    assert divide("abcd", 3) == [], "three machines for one trial, and one that is left"
    assert divide("", 1) == []


def test_a_trial_asks_for_a_machine_a_process() -> None:
    assert processes(Trial(protocol="raft", nodes=5)) == 6
    assert processes(Trial(protocol="raft", nodes=30)) == 4
    assert processes(Trial(protocol="raft", nodes=4, actor_nodes=2, generators=3)) == 5
    assert survey(None, [Trial(protocol="raft")]) == [], "an embedded Ray has one machine"


@pytest.mark.live
@pytest.mark.slow
def test_four_machines_run_two_trials_of_two_processes_at_once() -> None:
    folder = Path(tempfile.mkdtemp(prefix="qbt", dir="/tmp"))  # Ray's sockets need short paths
    cluster = Raylets(Path(sys.executable), folder, TMPDIR=str(folder))
    try:
        for ip in ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"):
            cluster.start(ip)
        (folder / "script.py").write_text(SCRIPT)
        command = [sys.executable, folder / "script.py", "--address", cluster.address, "--out", folder / "run"]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**cluster.environment, "PYTHONPATH": str(ROOT), "HOME": os.environ.get("HOME", "/")},
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )
        assert "2 live trials at once" in done.stdout, done.stdout + done.stderr
        rows = SweepResult.load(folder / "run").rows
        assert [row.result.error for row in rows] == [None] * 8, done.stdout
        assert all(row.result.trial == "complete" and row.result.floor is not None for row in rows)
        spans = sorted((row.finished - row.result.took_s, row.finished) for row in rows)
        overlaps = sum(spans[i + 1][0] < spans[i][1] for i in range(len(spans) - 1))
        assert overlaps >= 3, spans
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)
        assert not cluster.left()
