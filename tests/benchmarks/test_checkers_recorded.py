"""How long judging the recorded etcd logs takes, all together: check time, the logs being in memory."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.checkers.judging import judge
from bench.history import readers
from bench.history.operations import Operation
from tests.bench.checkers.recorded import folder, register_logs


@pytest.mark.skipif(
    folder() is None, reason="recorded histories: neither ../shared/histories nor QUORUMBENCH_HISTORIES"
)
def test_etcd_logs(benchmark: BenchmarkFixture) -> None:
    root = folder()
    assert root is not None
    logs: list[tuple[list[Operation], bool]] = []
    for name, linearizable in register_logs():
        history = readers.read(root / "porcupine" / name).history
        assert isinstance(history, list)
        logs.append((history, linearizable))
    assert len(logs) == 50

    def check() -> list[bool]:
        return [judge(log, "cas-register", format="jepsen-log")[0].verdict == "valid" for log, _ in logs]

    assert benchmark.pedantic(check, rounds=5, warmup_rounds=1) == [linearizable for _, linearizable in logs]
    benchmark.extra_info["bar_s"] = 0.1
