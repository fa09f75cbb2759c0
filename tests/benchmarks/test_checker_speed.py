"""How long judging takes. Run with ``pytest tests/benchmarks --benchmark-enable``; the bars hold without it too."""

from __future__ import annotations

from random import Random
from time import perf_counter

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.checkers.linearizability import check
from tests.bench.checkers.histories import simulated

CASES = {
    # name: (operations, clients, keys, distinct values, bar in s)
    "small": (300, 8, 4, None, 0.05),
    "large": (20_000, 64, 16, None, 1.0),
    "one hot key": (20_000, 64, 1, None, 1.0),
    "large, repeated values": (20_000, 64, 16, 5, 4.0),
}


@pytest.mark.parametrize("name", CASES)
def test_linearizability(benchmark: BenchmarkFixture, name: str) -> None:
    operations, clients, keys, values, bar = CASES[name]
    history = simulated(Random(1), operations, clients, keys, values=values)
    began = perf_counter()
    verdict = benchmark.pedantic(check, args=(history,), rounds=3, warmup_rounds=0)
    assert verdict.verdict == "valid"
    assert perf_counter() - began < 4 * bar, "measured on 2 shared cores: a tenth to a third of the bar"


def test_a_violation_is_shrunk_quickly(benchmark: BenchmarkFixture) -> None:
    history = simulated(Random(1), 20_000, stale=0.001)
    began = perf_counter()
    verdict = benchmark.pedantic(check, args=(history,), rounds=3, warmup_rounds=0)
    assert verdict.verdict == "invalid"
    assert len(verdict.rows) <= 5
    assert perf_counter() - began < 8
