"""How long the weaker models take. Run with ``pytest tests/benchmarks --benchmark-enable``; the bars hold without."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from time import process_time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.checkers.weak import MODELS, staleness
from tests.bench.checkers.histories import simulated

CASES = {
    # name: (model, operations, sessions, keys, bar in s of CPU)
    "causal": ("causal", 100_000, 50, 100, 5.0),
    "causal, one hot key": ("causal", 100_000, 50, 1, 5.0),
    "read atomic": ("read-atomic", 100_000, 50, 100, 2.0),
    "monotonic reads": ("monotonic-reads", 100_000, 50, 100, 2.0),
    "causal memory": ("causal-memory", 10_000, 16, 50, 5.0),
    "sequential": ("sequential", 10_000, 16, 50, 5.0),
    "sequential, 10^5": ("sequential", 100_000, 50, 100, 10.0),
}


@pytest.mark.parametrize("name", CASES)
def test_weak_models(benchmark: BenchmarkFixture, bar: Callable[[float, float], None], name: str) -> None:
    model, operations, clients, keys, bar_s = CASES[name]
    history = simulated(Random(1), operations, clients, keys, swaps=0.0, unanswered=0.0)
    began = process_time()
    verdict = benchmark.pedantic(MODELS[model], args=(history, 60.0), rounds=1, warmup_rounds=0)
    assert verdict.verdict == "valid"
    benchmark.extra_info["bar_s"] = bar_s
    bar(process_time() - began, bar_s)


def test_staleness(benchmark: BenchmarkFixture) -> None:
    history = simulated(Random(1), 100_000, 50, 100, swaps=0.0, stale=0.01)
    began = process_time()
    verdict = benchmark.pedantic(staleness.check, args=(history,), rounds=1, warmup_rounds=0)
    assert verdict.figures["stale_share"] > 0
    assert process_time() - began < 2
