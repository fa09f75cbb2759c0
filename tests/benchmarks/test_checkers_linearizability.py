"""The bars for linearizability. Run with ``pytest tests/benchmarks --benchmark-enable``; they hold without it too.

The bars are held against CPU time, because the machine may have other work; without it the two are the same.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from time import process_time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.checkers import models
from bench.checkers.linearizability import check
from bench.history.history import NIL
from tests.bench.checkers.histories import columnar

from . import objects

Bar = Callable[[float, float], None]

BARS = {
    # name: (operations, keys, share of compare-and-sets, bar in s)
    "10^4 operations on 10 keys": (10_000, 10, 0.0, 0.025),
    "10^6 operations on 1,000 keys": (1_000_000, 1_000, 0.0, 1.0),
    "10^5 operations, 30% compare-and-set": (100_000, 100, 0.3, 0.25),
    "10^5 operations, 30% compare-and-set, on one key": (100_000, 1, 0.3, 0.25),
}


@pytest.mark.parametrize("name", BARS)
def test_registers(benchmark: BenchmarkFixture, bar: Bar, name: str) -> None:
    operations, keys, swaps, bar_s = BARS[name]
    history = columnar(operations, 100, keys, swaps=swaps)
    took: list[float] = []

    def judged() -> str:
        began = process_time()
        word = check(history).verdict
        took.append(process_time() - began)
        return word

    assert benchmark.pedantic(judged, rounds=3, warmup_rounds=1) == "valid"
    benchmark.extra_info["bar_s"] = bar_s
    bar(min(took), bar_s)


def test_memory_for_a_million_operations() -> None:
    tracemalloc.start()
    history = columnar(1_000_000, 100, 1_000, swaps=0.2)
    tracemalloc.reset_peak()
    assert check(history).verdict == "valid"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"\nmemory for 10^6 operations: {peak / 2**20:,.0f} MiB with the history, bar 1,024 MiB")
    assert peak < 2**30, "the history included"


def test_one_wrong_key_among_a_thousand_is_found_as_quickly() -> None:
    history = columnar(1_000_000, 100, 1_000, swaps=0.2)
    reads = (history.function == 0).nonzero()[0]
    history.result[reads[-1]] = NIL
    began = process_time()
    verdict = check(history)
    assert verdict.verdict == "invalid" and len(verdict.rows) <= 3
    assert process_time() - began < 2.0


OBJECTS = {
    # name: (model, ask, do, operations, bar in s)
    "queue, unique values": ("queue", objects.ask_queue, objects.do_queue, 100_000, 2.0),
    "add-only set": ("set", objects.ask_set, objects.do_set, 20_000, 2.0),
    "stack, unique values": ("stack", objects.ask_stack, objects.do_stack, 100_000, 3.0),
    "counter": ("counter", objects.ask_counter, objects.do_counter, 10_000, 2.0),
    "key-value store": ("kv", objects.ask_store, objects.do_store, 10_000, 2.0),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_objects(benchmark: BenchmarkFixture, bar: Bar, name: str) -> None:
    model, ask, do, operations, bar_s = OBJECTS[name]
    history = objects.history(ask, do, operations)
    began = process_time()
    verdict = benchmark.pedantic(models.check, args=(history, models.model(model)), rounds=1, warmup_rounds=0)
    assert verdict.verdict == "valid", verdict.reason
    benchmark.extra_info["bar_s"] = bar_s
    bar(process_time() - began, bar_s)
