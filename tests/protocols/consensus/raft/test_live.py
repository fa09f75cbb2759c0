"""Raft's later chapters with real processes: servers that join and leave, snapshots on real disks, reads by lease."""

from __future__ import annotations

import pytest

from bench.faults.notation import parse_fault
from bench.run import run_trial
from bench.trial import Trial
from bench.workload.spec import Workload


@pytest.mark.live
def test_a_cluster_grows_loses_its_leader_and_shrinks_while_it_serves() -> None:
    faults = ("add n4 at 800ms", "add n5 at 1100ms", "crash leader at 1700ms for 800ms", "remove n1 at 3200ms")
    trial = Trial(
        protocol="raft",
        runtime="ray",
        nodes=5,
        duration=4_000_000_000,
        params={
            "initial_servers": 3,
            "snapshot_entries": 50,
            "snapshot_trailing": 5,
            "snapshot_chunk": 400,
            "reads": "lease",
        },
        workload=Workload(clients=6, rate=200.0, keys=8),
        faults=tuple(map(parse_fault, faults)),
    )
    result, record = run_trial(trial)
    assert (result.trial, result.verdict) == ("complete", "valid"), result.void_reason or result.violations
    seen = result.coverage
    assert seen.get("membership", 0) >= 2, "n4 and n5 joined at least; the last change is by whoever leads by then"
    assert seen.get("snapshot", 0) >= 4, "every server compacts its log"
    assert seen.get("installed", 0) >= 2, "n4 and n5 came with empty disks, to a log that begins later"
    assert seen.get("elected", 0) >= 2, "the leader was killed"
    assert {mark.node for mark in record.marks if mark.name == "snapshot"} >= {"n4", "n5"}
