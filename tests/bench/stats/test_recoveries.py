"""What became of each fault: several outages apart, and when the tail of latencies was back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import bench
from bench.faults.spec import FaultRecord
from bench.history.history import NEVER, OK, WRITE, History, HistoryBuilder
from bench.stats.recovery import recoveries, recovery

SECOND = 10**9
NAMES = ("suspect", "elected", "commit")


@dataclass(frozen=True)
class Mark:
    at: int
    name: str
    fields: dict[str, Any] = field(default_factory=dict)


def history(latency: Any, rate: int = 1000, end: int = 6, clients: int = 0) -> History:
    """An open loop, or a closed one of so many clients, whose operations take ``latency(intended)``."""
    builder = HistoryBuilder()
    if clients:
        starts: list[int] = []
        for client in range(clients):
            at = client * 100_000
            while at < end * SECOND:
                starts.append(at)
                at += latency(at)
        starts.sort()
    else:
        starts = [i * SECOND // rate for i in range(end * rate)]
    for i, at in enumerate(starts):
        row = {"process": i, "key": 0, "expected": -2, "client": 0, "intended": at, "invoked": at, "argument": i}
        builder.add(function=WRITE, result=-2, completed=at + latency(at), outcome=OK, **row)
    return builder.build()


def crash(at: float, target: str) -> FaultRecord:
    start = int(at * SECOND)
    return FaultRecord(
        kind="crash", targets=(target,), start=start, end=start + SECOND // 2, detail=f"crash leader at {at}s for 500ms"
    )


def outage(until: dict[float, float], usual: int = 2_000_000) -> Any:
    """Operations wait from each fault until that many seconds later."""

    def latency(at: int) -> int:
        took = usual + at % 7 * 10_000
        for fault, lasts in until.items():
            begins, ends = int(fault * SECOND), int((fault + lasts) * SECOND)
            if begins - took < at < ends:
                return ends - at + took
        return took

    return latency


def test_each_fault_has_its_own_parts() -> None:
    marks = [
        Mark(0, "elected", {"term": 1}),
        Mark(2_100_000_000, "suspect"),
        Mark(2_200_000_000, "elected", {"term": 2}),
        Mark(2_250_000_000, "commit", {"term": 2}),
        Mark(4_300_000_000, "suspect"),
        Mark(4_350_000_000, "elected", {"term": 3}),
        Mark(4_360_000_000, "commit", {"term": 3}),
    ]
    leaders = [(0, "n1"), (2_200_000_000, "n2"), (4_350_000_000, "n3")]
    faults = [crash(2.0, "n1"), crash(4.0, "n2")]
    seen = history(outage({2.0: 0.26, 4.0: 0.37}))
    found = recoveries(marks, faults, leaders, NAMES, seen, 0, 6 * SECOND)  # type: ignore[arg-type]
    assert [(each.detect, each.elect, each.commit) for each in found] == [(0.1, 0.1, 0.05), (0.3, 0.05, 0.01)]
    assert found[0].p99_back == pytest.approx(0.26, abs=0.004)
    assert found[1].p99_back == pytest.approx(0.37, abs=0.004)
    first = recovery(marks, faults, leaders, NAMES, seen)  # type: ignore[arg-type]
    assert (first.detect, first.elect, first.commit) == (0.1, 0.1, 0.05)


def test_a_fault_that_hits_a_follower_unseats_nobody() -> None:
    marks = [Mark(0, "elected", {"term": 1})]
    (found,) = recoveries(marks, [crash(2.0, "n2")], [(0, "n1")], NAMES, history(outage({})), 0, 6 * SECOND)  # type: ignore[arg-type]
    assert (found.detect, found.elect, found.commit) == (None, None, None)
    assert found.p99_back == pytest.approx(0.0, abs=0.002)


@pytest.mark.parametrize("clients", [1, 4])
def test_a_closed_loop_has_hardly_an_operation_in_an_outage_and_yet_it_lasts(clients: int) -> None:
    seen = history(outage({2.0: 0.4}), clients=clients)
    (found,) = recoveries([], [crash(2.0, "n1")], [(0, "n1")], NAMES, seen, 0, 6 * SECOND)
    assert found.p99_back == pytest.approx(0.4, abs=0.006)


def test_a_tail_that_stays_long_is_not_back() -> None:
    def latency(at: int) -> int:
        return 2_000_000 if at < 2 * SECOND or at % 20_000_000 else 9_000_000  # one in twenty

    (found,) = recoveries([], [crash(2.0, "n1")], [], NAMES, history(latency), 0, 6 * SECOND)
    assert found.p99_back is None


def test_without_enough_operations_before_the_fault_nothing_is_usual() -> None:
    (found,) = recoveries([], [crash(2.0, "n1")], [], NAMES, history(outage({}), rate=40), 0, 6 * SECOND)
    assert found.p99_back is None
    assert recoveries([], [], [], NAMES, history(outage({})), 0, 6 * SECOND) == ()


def test_an_operation_that_was_never_answered_does_not_wait_for_ever() -> None:
    seen = history(outage({2.0: 0.2}))
    lost = int(np.flatnonzero(seen.intended >= 2 * SECOND)[3])
    columns = {name: getattr(seen, name).copy() for name in ("completed", "outcome")}
    columns["completed"][lost], columns["outcome"][lost] = NEVER, 2
    import dataclasses

    seen = dataclasses.replace(seen, **columns)
    (found,) = recoveries([], [crash(2.0, "n1")], [], NAMES, seen, 0, 6 * SECOND)
    assert found.p99_back == pytest.approx(0.2, abs=0.004)


def test_a_real_run_recovers_from_two_crashes() -> None:
    result = bench.run_trial(
        "raft",
        nodes=3,
        duration=4,
        rate=500,
        network="lan",
        fault=["crash leader at 1s for 300ms", "crash leader at 2.5s for 300ms"],
    ).result
    assert len(result.recoveries) == 2
    for each in result.recoveries:
        assert each.detect is not None and each.elect is not None and each.commit is not None
        assert each.p99_back is not None
        assert each.detect + each.elect <= each.p99_back < 1
    assert result.recoveries[0].detect == result.recovery_s.detect
