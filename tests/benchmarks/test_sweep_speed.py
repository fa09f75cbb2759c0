"""What a sweep costs beside its trials: alone, and on all cores against bare multiprocessing of the same trials.

``python -m tests.benchmarks.test_sweep_speed`` prints the figures; the machine should do nothing else meanwhile.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pytest

from bench.sweep import Options, Sweep
from bench.sweep import runner as runner_module
from bench.sweep import worker as worker_module
from bench.sweep.pools import Processes, RayTasks
from bench.sweep.presets import open_loop
from bench.sweep.runner import Runner
from bench.sweep.store import Description
from bench.sweep.worker import run_encoded
from bench.trial import Trial

OVERHEAD = 0.05
SPEED_UP = 0.85


def trial(nodes: int, rate: float) -> Trial:
    """Half a second to two of CPU at 2,500 operations/s, by the machine."""
    return open_loop("raft", rate, nodes=nodes, load_s=2.4)


def make(seeds: int, rate: float = 2500.0) -> Sweep:
    grid = {"nodes": [3, 5], "rate": [rate]}
    return Sweep(name="speed", question="?", grid=grid, trial=trial, seeds=seeds, metric="p99_s")


def overhead(seeds: int) -> tuple[float, float]:
    """(share of the trials' own time that the sweep takes on top in one process, mean seconds of a trial).

    In CPU time, which others on the machine hardly change, with whatever the sweep imports.
    """
    own: list[float] = []

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            began = time.process_time()
            answer = function(*arguments)
            own.append(time.process_time() - began)
            return answer

        return call

    sweep = make(seeds)
    run_encoded(msgspec.json.encode(sweep.cells()[0].trial("sim", 99)))  # imports
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(runner_module, "run_one", timed(runner_module.run_one)),
        mock.patch.object(worker_module, "run_one", timed(worker_module.run_one)),
    ):
        began = time.process_time()
        result = sweep.run(Options(out=Path(folder) / "run", jobs=1, plain=True))
        took = time.process_time() - began
    assert len(own) == len(result.rows)
    return (took - sum(own)) / sum(own), sum(own) / len(own)


def parallel(seeds: int, rate: float = 2500.0, *, ray: bool = True) -> dict[str, float]:
    """Seconds for the same trials: bare multiprocessing, and a sweep over processes and over Ray tasks.

    Each on workers that have started and imported everything: what starting costs does not grow with the sweep.
    """
    sweep = make(seeds, rate)
    cells = sweep.cells()
    trials = [cell.trial("sim", seed) for seed in range(1, seeds + 1) for cell in cells]
    encoded = [msgspec.json.encode(each) for each in trials]
    cores = len(os.sched_getaffinity(0))
    warm = msgspec.json.encode(cells[0].trial("sim", 999))
    took = {}
    with multiprocessing.get_context("forkserver").Pool(cores) as pool:
        pool.map(run_encoded, [warm] * 2 * cores, chunksize=1)
        began = time.perf_counter()
        for _ in pool.imap_unordered(run_encoded, encoded):
            pass
        took["bare"] = time.perf_counter() - began
    kinds: dict[str, Callable[[], Any]] = {"processes": lambda: Processes(cores), "ray": RayTasks}
    for name in kinds if ray else ("processes",):
        pool_ = kinds[name]()
        for i in range(2 * cores):
            pool_.submit(f"warm {i}", warm)
        done = 0
        while done < 2 * cores:
            done += len(pool_.collect(1.0))
        took[name] = _swept(sweep, pool_, seeds)
        pool_.close()
    return took


def _swept(sweep: Sweep, pool: Any, seeds: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        description = Description(name="speed", question="?", seeds=seeds, metric="p99_s")
        options = Options(seeds=seeds, live=0, out=Path(folder) / "run", plain=True)
        runner = Runner(description, sweep.cells(), options)
        runner._pool = pool
        runner.workers = pool.workers
        runner._first_look = lambda: None  # type: ignore[method-assign]
        closing, pool.close = pool.close, lambda: None
        began = time.perf_counter()
        result = runner.run()
        took = time.perf_counter() - began
        pool.close = closing
        assert len(result.rows) == seeds * 2
        return took


def speed_ups(took: dict[str, float]) -> dict[str, float]:
    """Of each sweep, as a share of bare multiprocessing's: the same work in the same run."""
    return {name: took["bare"] / seconds for name, seconds in took.items() if name != "bare"}


@pytest.mark.slow
def test_a_sweep_costs_little_beside_trials_of_a_second() -> None:
    overhead(1)  # what is imported once does not grow with the sweep
    share, each = overhead(2)
    assert each > 0.4, "a trial of about a second"
    assert share < OVERHEAD, f"{share:.1%} on top of trials of {each:.2f} s"


@pytest.mark.slow
def test_all_cores_are_used_about_as_well_as_by_bare_multiprocessing() -> None:
    """A quick look, on a machine that others may use too; the bar is for :func:`main`, on one that is idle."""
    found = speed_ups(parallel(4, 1000.0, ray=False))
    assert found["processes"] > SPEED_UP - 0.35, found


def main(arguments: Sequence[str] = ()) -> None:
    """Print both figures."""
    share, each = overhead(10)
    print(f"overhead: {share:.2%} of trials of {each:.2f} s, of which at most {OVERHEAD:.0%} is allowed")
    took = parallel(10)
    print("seconds: " + ", ".join(f"{name} {seconds:.2f}" for name, seconds in took.items()))
    for name, ratio in speed_ups(took).items():
        print(f"{name}: {ratio:.3f} of the speed-up of bare multiprocessing; at least {SPEED_UP} is asked for")


if __name__ == "__main__":
    main()
