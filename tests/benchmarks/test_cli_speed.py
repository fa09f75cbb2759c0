"""How fast the command line and the load generator are. Timed with ``--benchmark-enable`` only."""

import subprocess
import sys

import pytest

from bench.workload.generator import Load
from bench.workload.spec import Workload
from protocols.node import Ok


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"]])
def test_help_comes_at_once(benchmark, arguments):
    def show():
        subprocess.run([sys.executable, "-m", "bench", *arguments], capture_output=True, check=True)

    benchmark.pedantic(show, rounds=5, warmup_rounds=1)
    if benchmark.enabled:
        assert benchmark.stats.stats.median < 0.3


@pytest.mark.parametrize("distribution", ["uniform", "zipfian", "latest"])
def test_an_operation_costs_little(benchmark, distribution):
    load = Load(Workload(keys=1000, distribution=distribution), 1, 10**9)
    done = Ok(None)

    def operations():
        for step in range(1000):
            begun = load.start(step & 7, step, step)
            assert begun is not None
            load.finish(begun[0], done, step)

    benchmark(operations)
    if benchmark.enabled:
        assert benchmark.stats.stats.median < 1000 * 8e-6, "8 us an operation, against an aim of about 3"
