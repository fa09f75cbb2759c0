"""How long judging the recorded etcd logs takes, all together: check time, the logs being in memory."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.checkers.judging import judge
from bench.history import readers
from bench.history.operations import Operation
from tests.bench.checkers.recorded import folder, register_logs


@pytest.mark.skipif(
    folder() is None, reason="recorded histories: neither ../shared/histories nor QUORUMBENCH_HISTORIES"
)
def test_etcd_logs(benchmark: BenchmarkFixture, bar: Callable[[float, float], None]) -> None:
    root = folder()
    assert root is not None
    logs: list[tuple[list[Operation], bool]] = []
    for name, linearizable in register_logs():
        history = readers.read(root / "porcupine" / name).history
        assert isinstance(history, list)
        logs.append((history, linearizable))
    assert len(logs) == 50

    took: list[float] = []

    def check() -> list[bool]:
        began = process_time()
        words = [judge(log, "cas-register", format="jepsen-log")[0].verdict == "valid" for log, _ in logs]
        took.append(process_time() - began)
        return words

    assert benchmark.pedantic(check, rounds=10, warmup_rounds=1) == [linearizable for _, linearizable in logs]
    benchmark.extra_info["bar_s"] = 0.1
    bar(min(took), 0.1)
