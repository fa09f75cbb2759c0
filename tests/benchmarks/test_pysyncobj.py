"""Raft live beside PySyncObj, a Raft library for Python: run with ``-m external -s``.

Both run three processes on this machine and write 16 bytes an operation. What favours PySyncObj: its commands start in
the leader's own process, so no client has to reach it; nobody records a history; and its journal is a memory-mapped
file that is flushed, but not synced for an entry, so an acknowledged entry may be lost with the power. Raft here syncs
a majority's disks before each answer, and its clients are on the other side of a socket.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from bench.run import run_trial
from bench.runtime.ray.session import RaySession
from bench.trial import Trial
from bench.workload.spec import PRESETS, Workload

from .pysyncobj_group import measure

# Not imported here: it replaces socket.inet_ntop by its own, which works on Windows only.
if importlib.util.find_spec("pysyncobj") is None:
    pytest.skip("PySyncObj is not installed: pip install pysyncobj", allow_module_level=True)

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.external]


def test_raft_beside_pysyncobj(tmp_path: Path, ray_session: RaySession) -> None:
    rows = measure(tmp_path)
    for row in rows:
        print(
            f"\nPySyncObj, {row['window']} under way: {row['ops_s']:.0f} ops/s, p50 {row['p50_s'] * 1e3:.1f} ms", end=""
        )
    best = max(rows, key=lambda row: row["ops_s"])
    print()
    for clients in (64, 256, 512, 1024):
        workload = Workload(clients=clients, mix=PRESETS["write-only"], value_bytes=16)
        trial = Trial(protocol="raft", runtime="ray", nodes=3, duration=5_000_000_000, workload=workload)
        result, _ = run_trial(trial, session=ray_session)
        assert result.verdict != "invalid", result.checks
        assert result.latency_s.p50 is not None
        print(
            f"Raft, {clients} clients: {result.throughput_ops_s:.0f} ops/s, p50 {result.latency_s.p50 * 1e3:.2f} ms: "
            f"{result.throughput_ops_s / best['ops_s']:.1f} times the throughput of PySyncObj at its best, "
            f"{result.latency_s.p50 / best['p50_s']:.2f} times its latency there"
        )
