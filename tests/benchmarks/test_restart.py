"""From SIGKILL until the nodes have booted again: by the supervisor, and by Ray. Run with ``-s``.

A kill each way; with ``--benchmark-enable`` as many as the medians in docs/performance.md rest on.
"""

from __future__ import annotations

from statistics import median
from typing import Any, Literal, NamedTuple

import pytest

from bench.faults.spec import Crash, FaultRecord
from bench.runtime.ray import liverun as liverun_module
from bench.runtime.ray.session import RaySession
from bench.trial import Trial
from bench.workload.spec import Workload

pytestmark = [pytest.mark.live, pytest.mark.slow]

MS = 1_000_000
ROUNDS = 4
AT_ONCE = 1
"""ns of scheduled down time: the node is to be back as soon as it can be."""


class Way(NamedTuple):
    """Who restarts, how many processes stand ready, and the ms between two kills."""

    name: str
    restart: Literal["supervisor", "ray"]
    spares: int
    gap: int


WAYS = (
    Way("supervisor, a process stands ready", "supervisor", 6, 1000),
    Way("supervisor, none is ready", "supervisor", 0, 3000),
    Way("Ray", "ray", 0, 3000),
)


def kill_each(session: RaySession, way: Way, seed: int, kills: int) -> list[FaultRecord]:
    """So many servers are killed, one after the other."""
    for seat in [seat for seat in session.pool._free if not way.spares and not seat.restarts]:
        session.pool.kill(seat)  # of an earlier trial: else it would stand ready
    faults = tuple(
        Crash(at=(500 + place * way.gap) * MS, target=f"n{place + 1}", down=AT_ONCE) for place in range(kills)
    )
    trial = Trial(
        protocol="raft",
        runtime="ray",
        restart=way.restart,
        seed=seed,
        duration=(500 + kills * way.gap) * MS,
        workload=Workload(clients=1, rate=50),
        faults=faults,
    )
    record = session.run(trial)
    assert all(session.recovered[name] > 0 for name in ("n1", "n2", "n3")[:kills]), "their disks were read"
    assert [fault.how for fault in record.faults] == ["process"] * kills
    return record.faults


def test_restart_by_ray_beside_the_supervisor(
    ray_session: RaySession, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    rounds, kills = (ROUNDS, 3) if request.config.getoption("benchmark_enable") else (1, 1)
    took: dict[str, list[float]] = {way.name: [] for way in WAYS}
    started: list[float] = []
    for seed in range(1, rounds + 1):
        for way in WAYS:
            monkeypatch.setattr(liverun_module, "MOST_SPARES", way.spares)
            for fault in kill_each(ray_session, way, seed, kills):
                assert fault.end is not None
                took[way.name].append((fault.end - fault.start) / 1e9)
                if fault.respawned is not None:
                    started.append((fault.respawned - fault.start) / 1e9)
    medians = {name: median(each) for name, each in took.items()}
    first = medians[WAYS[0].name]
    print()
    for name, each in took.items():
        print(_row(name, each, medians[name] / first))
    print(_row("Ray: until the process is there", started, median(started) / first))
    assert len(started) == len(took["Ray"]), "Ray restarted each of them"
    assert medians["Ray"] > first, "a process that stands ready is faster than any that has to start"


def _row(name: str, took: list[Any], ratio: float) -> str:
    shown = " ".join(f"{each:.3f}" for each in took)
    return f"{name:36} median {median(took):7.3f} s, {ratio:6.1f} times the first; {shown}"
