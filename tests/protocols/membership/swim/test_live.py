"""SWIM with real processes: many members on few cores must not take each other's waiting for death.

Twenty seconds of quiet, three times what it takes to declare somebody dead; with ``--benchmark-enable`` the minute of
docs/performance.md.
"""

from __future__ import annotations

import pytest

from bench.faults.spec import Crash
from bench.opinions import DEEMED_DOWN
from bench.run import run_trial
from bench.runtime.ray.session import RaySession
from bench.trial import Trial
from bench.workload.spec import Workload

SECOND = 1_000_000_000
MEMBERS = 20
VICTIM = "n13"


@pytest.mark.live
@pytest.mark.alone
@pytest.mark.slow
def test_twenty_members_on_two_cores_bury_nobody_and_then_the_one_that_is_killed(
    ray_session: RaySession, request: pytest.FixtureRequest
) -> None:
    quiet_s = 60 if request.config.getoption("benchmark_enable") else 20
    trial = Trial(
        protocol="swim",
        runtime="ray",
        nodes=MEMBERS,
        actor_nodes=1,  # a process each, so that a crash is a SIGKILL
        duration=(quiet_s + 25) * SECOND,
        workload=Workload(clients=1, rate=2.0),
        faults=(Crash(at=quiet_s * SECOND, target=VICTIM, down=None),),
    )
    result, record = run_trial(trial, session=ray_session)
    assert result.trial == "complete", result.void_reason
    assert result.verdict == "valid", result.violations
    (kill,) = record.faults
    assert (kill.how, kill.targets) == ("process", (VICTIM,))
    assert kill.start >= quiet_s * SECOND
    assert len({pid for pids in ray_session.pids.values() for pid in pids}) >= MEMBERS

    declared = [mark for mark in record.marks if mark.name == DEEMED_DOWN]
    early = [mark for mark in declared if mark.at < kill.start]
    assert not early, f"{early[0].node} declared {early[0].fields['subject']} dead, which it was not"
    assert {mark.fields["subject"] for mark in declared} == {VICTIM}
    found = result.detection
    assert found is not None and found.undetected == 0
    assert len({mark.node for mark in declared}) == MEMBERS - 1, "everybody knows"
    missed = [mark for mark in record.marks if mark.name == "accused" and mark.at < kill.start]
    print(
        f"{MEMBERS} members, {quiet_s} s: {len(missed)} probes missed, nobody declared dead; the killed one declared "
        f"after {found.detection_first[0]:.2f} s, by all after {found.spread[0]:.2f} s"
    )
    # the first probe within a round, the rest of its period, then the suspicion: 4 log10 20 s
    assert 2.0 < found.detection_first[0] < 20.0
