"""A study whose trials run as Ray tasks, killed and resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.provenance import ROOT
from bench.tune import StudyResult, TuneOptions, tune
from bench.tune.log import Log
from tests.bench.sweep import fake

from . import studies

pytestmark = [pytest.mark.live, pytest.mark.slow]

SCRIPT = """
import sys
from pathlib import Path
from bench.tune import TuneOptions, tune
from tests.bench.tune import studies
tune(studies.trials(candidates=36), TuneOptions(out=Path(sys.argv[1]), plain=True))
"""


def started(folder: Path, log: Path) -> subprocess.Popen[str]:
    env = {**os.environ, fake.LOG: str(log)}
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_ray_tasks_find_what_one_process_finds_also_after_sigkill(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    process = started(folder, tmp_path / "log")
    until = time.monotonic() + 300
    while not (folder / "trials.jsonl").exists() or len((folder / "trials.jsonl").read_bytes().splitlines()) < 30:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = dict(Log(folder).kept)
    process = started(folder, tmp_path / "again")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert f"{len(kept)} trials are known" in out
    resumed = StudyResult.load(folder)
    assert resumed.ran == len(Log(folder).kept) - len(kept), "what was kept is not run again"
    alone, _ = tune(studies.trials(candidates=36), TuneOptions(out=tmp_path / "alone", jobs=1, plain=True))
    assert (resumed.tried, resumed.finalists) == (alone.tried, alone.finalists)
