"""Raft live beside PySyncObj, a Raft library for Python: run with ``-m external -s``.

Both run three processes on this machine and write 16 bytes an operation. What favours PySyncObj: its commands start in
the leader's own process, so no client has to reach it; nobody records a history; and its journal is a memory-mapped
file that is flushed, but not synced for an entry, so an acknowledged entry may be lost with the power. Raft here syncs
a majority's disks before each answer, and its clients are on the other side of a socket.
"""

from __future__ import annotations

import json
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.run import run_trial
from bench.runtime.ray.session import RaySession
from bench.trial import Trial
from bench.workload.spec import PRESETS, Workload

pytest.importorskip("pysyncobj", reason="PySyncObj is not installed: pip install pysyncobj")

pytestmark = [pytest.mark.live, pytest.mark.slow, pytest.mark.external]

WINDOWS = (64, 256, 1000, 4000, 10_000)
SECONDS = 3.0
PEER = Path(__file__).with_name("pysyncobj_peer.py")


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
def peers(tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    ports = free_ports(3)
    started = []
    for place in range(3):
        mine_first = [ports[place], *ports[:place], *ports[place + 1 :]]
        command = [sys.executable, str(PEER), ",".join(map(str, mine_first)), str(tmp_path), str(SECONDS)]
        started.append(
            subprocess.Popen(
                [*command, *map(str, WINDOWS)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        )
    yield started
    for each in started:
        each.kill()
        each.wait()


def rows_of(peers: list[subprocess.Popen[str]], limit_s: float) -> list[dict[str, Any]]:
    """What the peer that leads prints, up to its last window."""
    selector = selectors.DefaultSelector()
    for peer in peers:
        assert peer.stdout is not None
        selector.register(peer.stdout, selectors.EVENT_READ)
    rows: list[dict[str, Any]] = []
    deadline = time.monotonic() + limit_s
    while (left := deadline - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            line = key.fileobj.readline()  # type: ignore[union-attr]
            if line == "done\n":
                return rows
            if line:
                rows.append(json.loads(line))
            else:
                selector.unregister(key.fileobj)
    pytest.fail(f"PySyncObj did not finish within {limit_s:g} s; it measured {rows}")


def test_raft_beside_pysyncobj(peers: list[subprocess.Popen[str]], ray_session: RaySession) -> None:
    rows = rows_of(peers, 60 + 3 * SECONDS * len(WINDOWS))
    for peer in peers:
        peer.kill()
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
