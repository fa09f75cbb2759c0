"""Fences go on while it is asked whether the system lives, and whoever is fenced then comes back, in both worlds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bench.faults.spec import Crash
from bench.network import Constant, Network
from bench.run import run_trial
from bench.runtime.ray import actors
from bench.runtime.ray.pool import Pool
from bench.runtime.ray.session import RaySession
from bench.trial import Trial
from bench.workload.spec import Workload
from protocols.registry import MODULES
from tests.toys import fencer

MS = 1_000_000


def trial(**fields: Any) -> Trial:
    """n3 crashes, and stays down until all is healed."""
    given: dict[str, Any] = {
        "protocol": fencer.NAME,
        "nodes": 3,
        "duration": 600 * MS,
        "workload": Workload(clients=1, rate=50.0, mix=(("write", 1.0),)),
        "faults": (Crash(at=200 * MS, target="n3", down=3_600_000 * MS),),
        "liveness": 10_000 * MS,
    }
    return Trial(**given | fields)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODULES, fencer.NAME, fencer.__name__)


@pytest.fixture
def fencing(ray_session: RaySession, monkeypatch: pytest.MonkeyPatch) -> Iterator[RaySession]:
    """A session whose processes know the toy; they are its own, and gone at the end."""
    monkeypatch.setattr(actors, "Host", fencer.FencerHost)
    pool = Pool(ray_session.cluster)
    monkeypatch.setattr(ray_session, "pool", pool)
    yield ray_session
    pool.close()


def judged(wanted: Trial, session: RaySession | None = None) -> None:
    result, record = run_trial(wanted, session=session)
    assert result.checks["liveness"] == "valid", [each.reason for each in result.violations]
    (fence,) = (mark for mark in record.marks if mark.name == "fences")
    assert fence.at > record.load_end - 50 * MS, "before the heal nobody was to be fenced"


def test_who_is_fenced_after_the_heal_comes_back_in_the_simulator() -> None:
    judged(trial(network=Network(latency=Constant(MS))))


@pytest.mark.live
def test_who_is_fenced_after_the_heal_comes_back_live(fencing: RaySession) -> None:
    judged(trial(runtime="ray"), fencing)
