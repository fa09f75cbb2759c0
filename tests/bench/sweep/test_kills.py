"""What is killed while a sweep runs: the driver, a worker, Ray itself. Every trial is kept once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.provenance import ROOT
from bench.sweep import SweepResult

from . import fake
from .killed import SEEDS
from .killed_live import LIVE

pytestmark = [pytest.mark.live, pytest.mark.slow]

WANTED = sorted((nodes, seed) for nodes in (1, 2, 3) for seed in range(1, SEEDS + 1))


class Driver:
    """A sweep on Ray in a process of its own."""

    def __init__(self, out: Path, log: Path, module: str = "killed", jobs: str = "ray") -> None:
        self.out, self.log = out, log
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"tests.bench.sweep.{module}", str(out), jobs],
            cwd=ROOT,
            env=os.environ | {fake.LOG: str(log)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ran(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def until(self, trials: int) -> None:
        """Wait until so many trials have been run to their end, those of the first look included."""
        deadline = time.monotonic() + 90
        while len(self.ran()) < trials:
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < deadline, self.ran()
            time.sleep(0.02)

    def children(self, name: str) -> list[psutil.Process]:
        """Its descendants whose command line holds that name."""
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if any(name in part for part in child.cmdline()):
                    found.append(child)
            except psutil.Error:
                continue
        return found

    def finish(self) -> str:
        return self.process.communicate(timeout=120)[0]

    def end(self) -> None:
        """Leave nothing behind, whatever became of the test."""
        every: list[Any] = []
        if psutil.pid_exists(self.process.pid):
            every = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        for child in every:
            try:
                child.kill()
            except psutil.Error:
                continue
        self.process.wait(10)


@pytest.fixture(name="driver")
def fixture_driver(tmp_path: Path) -> Any:
    made: list[Driver] = []

    def make(module: str = "killed", jobs: str = "ray") -> Driver:
        made.append(Driver(tmp_path / "run", tmp_path / "log", module, jobs))
        return made[-1]

    yield make
    for each in made:
        each.end()


def check(out: Path) -> SweepResult:
    result = SweepResult.load(out)
    assert sorted((row.result.nodes, row.result.seed) for row in result.rows) == WANTED
    assert [row.result.error for row in result.rows] == [None] * len(WANTED)
    return result


def test_a_worker_that_is_killed_loses_no_trial(driver: Any) -> None:
    running = driver()
    running.until(10)
    workers = [each for each in running.children("ray::run_encoded") if each.is_running()]
    assert workers, "a worker of Ray runs trials"
    workers[0].send_signal(signal.SIGKILL)
    printed = running.finish()
    assert f"done {len(WANTED)}" in printed, printed
    check(running.out)
    again = Counter(running.ran())
    assert sum(count - 1 for count in again.values()) <= 1, "but for the one it was running, none ran twice"


def test_a_ray_that_is_killed_loses_no_trial(driver: Any) -> None:
    running = driver()
    running.until(10)
    victims = [each for each in running.children("raylet") if Path(each.cmdline()[0]).name == "raylet"]
    assert len(victims) == 1
    began = time.monotonic()
    victims[0].send_signal(signal.SIGKILL)
    printed = running.finish()
    assert f"done {len(WANTED)}" in printed, printed
    result = check(running.out)
    assert "Ray died under the simulation" in printed
    assert any("Ray died" in note for note in result.description.notes)
    assert time.monotonic() - began < 60, "it does not wait for Ray's own detection"
    assert sum(count - 1 for count in Counter(running.ran()).values()) <= 6, "only those under way run again"


def test_a_driver_that_is_killed_is_resumed(driver: Any) -> None:
    first = driver()
    first.until(12)
    first.end()
    before = first.ran()
    kept = {(row.result.nodes, row.result.seed) for row in SweepResult.load(first.out).rows}
    assert len(kept) >= 6
    second = driver(jobs="2")  # whatever runs the rest
    printed = second.finish()
    assert f"done {len(WANTED)}" in printed, printed
    check(second.out)
    after = second.ran()[len(before) :]
    assert not kept & {(int(line.split()[1]), int(line.split()[2])) for line in after}, "what was kept is not run again"


def test_live_trials_go_on_with_another_ray(driver: Any) -> None:
    running = driver("killed_live")
    deadline = time.monotonic() + 90
    kept = 0
    while kept < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
        assert running.process.poll() is None, running.process.communicate()[0]
        if (running.out / "sweep.json").exists():
            kept = len(SweepResult.load(running.out).rows)
    victims = [each for each in running.children("raylet") if Path(each.cmdline()[0]).name == "raylet"]
    assert len(victims) == 1
    victims[0].send_signal(signal.SIGKILL)
    printed = running.finish()
    assert f"done {2 * LIVE}" in printed, printed
    rows = SweepResult.load(running.out).rows
    assert sorted((row.point["clients"], row.result.seed) for row in rows) == [
        (clients, seed) for clients in (1, 2) for seed in range(1, LIVE + 1)
    ]
    assert [row.result.error for row in rows] == [None] * len(rows), printed
    assert {row.result.trial for row in rows} == {"complete"}
