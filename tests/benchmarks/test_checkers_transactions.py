"""How long judging transactions takes. Run with ``pytest tests/benchmarks --benchmark-enable``; bars always hold."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.checkers.transactions import check
from bench.checkers.verdict import Verdict
from bench.history.transactions import Transactions
from tests.bench.checkers.transactions.large import large

CASES = {
    # name: (transactions, kind, share of stale reads, bar in seconds of CPU)
    "10^3 list-append": (1_000, "list-append", 0.0, 0.5),
    "10^4 list-append": (10_000, "list-append", 0.0, 1.0),
    "10^5 list-append": (100_000, "list-append", 0.0, 5.0),
    "10^5 list-append with violations": (100_000, "list-append", 0.01, 20.0),
    "10^4 rw-register": (10_000, "rw-register", 0.0, 5.0),
}


@pytest.mark.parametrize("name", CASES)
def test_transactions(benchmark: BenchmarkFixture, bar: Callable[[float, float], None], name: str) -> None:
    count, kind, stale, bar_s = CASES[name]
    history: Transactions = large(count, kind, stale=stale)
    began = process_time()
    verdict: Verdict = benchmark.pedantic(check, args=(history,), kwargs={"kind": kind}, rounds=1, warmup_rounds=0)
    benchmark.extra_info["bar_s"] = bar_s
    bar(process_time() - began, bar_s)
    assert verdict.verdict == ("invalid" if stale else "valid"), verdict.reason
