"""The live runtime beside its floor, printed: run with ``-s``. The bars are in docs/performance.md.

Short and at few clients; with ``--benchmark-enable`` as long, and at as many, as the figures there rest on.
"""

from __future__ import annotations

from typing import Any

import pytest

from bench.network.latency import Constant
from bench.network.spec import Network
from bench.run import run_trial
from bench.runtime.ray.session import RaySession
from bench.trial import Result, Trial
from bench.workload.spec import PRESETS, Workload

pytestmark = [pytest.mark.live, pytest.mark.slow]

SECOND = 1_000_000_000


@pytest.fixture(name="thorough")
def fixture_thorough(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("benchmark_enable"))


def run(session: RaySession, thorough: bool, **fields: Any) -> Result:
    duration = 2 * SECOND if thorough else SECOND // 2
    result, _ = run_trial(Trial(runtime="ray", duration=duration, **fields), session=session)
    assert result.verdict != "invalid", result.checks
    return result


@pytest.mark.parametrize("clients", [1, 16, 64, 256])
def test_raft_beside_a_bare_log(ray_session: RaySession, thorough: bool, clients: int) -> None:
    if clients not in (1, 64) and not thorough:
        pytest.skip("with --benchmark-enable")
    floor = ray_session.floor(clients)
    workload = Workload(clients=clients, mix=PRESETS["write-only"])
    raft = run(ray_session, thorough, protocol="raft", nodes=3, workload=workload)
    p50 = raft.latency_s.p50
    assert p50 is not None
    bare_p50 = clients / floor.log_ops_s
    print(
        f"\n{clients} clients: raft {raft.throughput_ops_s:.0f} of the bare log's {floor.log_ops_s:.0f} ops/s "
        f"({raft.throughput_ops_s / floor.log_ops_s:.0%}), p50 {p50 * 1e3:.2f} ms against {bare_p50 * 1e3:.2f} ms; "
        f"null {floor.null_messages_s:.0f} of the link's {floor.link_messages_s:.0f} messages/s "
        f"({floor.null_messages_s / floor.link_messages_s:.0%}), round trip {floor.link_rtt_s * 1e6:.0f} us"
    )


@pytest.mark.parametrize("delay_ms", [0.0, 0.3, 1.4, 2.5, 10.0, 100.0])
def test_injected_delay(ray_session: RaySession, thorough: bool, delay_ms: float) -> None:
    network = Network(latency=Constant(round(delay_ms * 1e6)))
    null = run(
        ray_session,
        thorough,
        protocol="null",
        nodes=1,
        workload=Workload(clients=1),
        network=network,
    )
    p50 = null.latency_s.p50
    assert p50 is not None
    print(f"\n{delay_ms} ms one way: half a round trip of the null protocol takes {p50 * 500:.3f} ms")
    assert p50 * 500 >= delay_ms
