"""Whole trials on real processes. One Ray for all of them; together they take about a minute."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.errors import HarnessError
from bench.faults.spec import Crash, FullDisk, Nemesis, Partition, Pause, PowerLoss, SlowDisk
from bench.history import OK
from bench.history.history import READ
from bench.run import run_trial
from bench.runtime.ray import liverun as liverun_module
from bench.runtime.ray import supervisor
from bench.runtime.ray.session import RaySession
from bench.trial import Trial
from bench.workload.spec import Workload

pytestmark = pytest.mark.live

MS = 1_000_000


def trial(**fields: Any) -> Trial:
    defaults: dict[str, Any] = {
        "protocol": "raft",
        "runtime": "ray",
        "nodes": 3,
        "seed": 7,
        "duration": 1200 * MS,
        "workload": Workload(clients=4),
        "params": {"election_timeout_s": (0.1, 0.2)},
    }
    return Trial(**(defaults | fields))


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def gone(pid: int, within_s: float = 3) -> bool:
    deadline = time.monotonic() + within_s
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not alive(pid)


def acknowledged(record: Any, start: int, end: int) -> int:
    """Writes and compare-and-sets that were answered in [start, end) ns."""
    history = record.history
    inside = (history.completed >= start) & (history.completed < end)
    return int(np.count_nonzero((history.outcome == OK) & (history.function != READ) & inside))


def test_a_killed_leader_returns_as_a_new_process_with_its_state(ray_session: RaySession) -> None:
    result, record = run_trial(trial(faults=(Crash(at=400 * MS, target="leader", down=300 * MS),)), session=ray_session)
    assert result.verdict == "valid", result.checks
    assert result.trial == "complete", result.void_reason
    assert result.checks["linearizable"] == "valid"
    (fault,) = record.faults
    (victim,) = fault.targets
    first, second = ray_session.pids[victim]
    assert first != second
    assert gone(first), "SIGKILL"
    assert alive(second)
    assert ray_session.recovered[victim] > 0, "its log was read back from disk"
    assert fault.end is not None
    assert 300 * MS <= fault.end - fault.start < 400 * MS
    assert len({node for _, node in record.leaders}) >= 2, "another server took over"
    assert result.unavailable_s is not None and result.unavailable_s > 0.05
    assert result.recovery_s.detect is not None and result.recovery_s.elect is not None
    assert all(cost.fsyncs > 0 and cost.cpu_s > 0 for cost in record.costs.values())
    print(
        f"down {(fault.end - fault.start) / 1e6:.1f} ms where 300 were asked for; {result.throughput_ops_s:.0f} ops/s"
    )


def test_a_stopped_leader_and_a_cut_off_one_are_replaced(ray_session: RaySession) -> None:
    faults = (
        Pause(at=200 * MS, target="leader", length=400 * MS),
        Partition(at=1000 * MS, shape="isolate", target="leader", length=400 * MS),
    )
    result, record = run_trial(trial(faults=faults, duration=1700 * MS), session=ray_session)
    assert result.verdict == "valid", result.checks
    assert [fault.kind for fault in record.faults] == ["pause", "partition"]
    paused, cut = (fault.targets[0] for fault in record.faults)
    pause, partition = record.faults
    assert any(node != paused and pause.start < at < partition.start for at, node in record.leaders)
    assert any(node != cut and at > partition.start for at, node in record.leaders)
    assert len(ray_session.pids[paused]) == 1, "SIGSTOP kills nobody"


def test_the_general_nemesis_finds_nothing_wrong(ray_session: RaySession) -> None:
    result, record = run_trial(trial(nemesis=Nemesis(), duration=2500 * MS, seed=11), session=ray_session)
    assert result.checks["linearizable"] == "valid"
    assert result.checks["no_handler_crash"] == "valid"
    assert result.checks["liveness"] == "valid"
    assert record.faults


def test_processes_are_reused(ray_session: RaySession) -> None:
    """Five nodes from the end of one trial to the boot of the next; the bar is 0.5 s, printed, not asserted."""
    taken = []
    pids = []
    for seed in (1, 2, 3):
        run_trial(trial(nodes=5, seed=seed, duration=300 * MS), session=ray_session)
        pids.append({pid for lives in ray_session.pids.values() for pid in lives})
        taken.append(ray_session.turnaround_s)
    assert pids[0] == pids[1] == pids[2]
    print("from one trial to the next:", ", ".join(f"{each:.3f} s" for each in taken[1:] if each is not None))


def test_nodes_that_share_a_process_crash_one_by_one(ray_session: RaySession) -> None:
    faults = (
        Crash(at=200 * MS, target="leader", down=200 * MS),
        Crash(at=300 * MS, target="c1", down=100 * MS),
        Pause(at=700 * MS, target="leader", length=200 * MS),
    )
    result, record = run_trial(trial(actor_nodes=3, faults=faults), session=ray_session)
    assert result.verdict == "valid", result.checks
    assert len(record.faults) == 3
    servers = {tuple(ray_session.pids[name]) for name in ("n1", "n2", "n3")}
    assert len(servers) == 1 and len(servers.pop()) == 1
    assert ray_session.recovered[record.faults[0].targets[0]] > 0


# --- durability ----------------------------------------------------------------------------------------------------

BLOCKED = (
    SlowDisk(at=300 * MS, target="servers", extra=60_000 * MS, length=500 * MS),
    PowerLoss(at=700 * MS, down=150 * MS),
)
"""No sync ends from 0.3 s on; at 0.7 s all servers are killed, with whatever they held in memory."""


def test_nothing_is_acknowledged_while_no_sync_ends(ray_session: RaySession) -> None:
    result, record = run_trial(trial(faults=BLOCKED, duration=3000 * MS), session=ray_session)
    assert result.verdict == "valid", result.checks
    slow, loss = record.faults
    blocked = slow.start + 30 * MS  # syncs that were under way end, and their answers travel
    assert acknowledged(record, 0, slow.start) > 20
    assert acknowledged(record, blocked, loss.start) == 0
    assert acknowledged(record, loss.start + 150 * MS, record.load_end) > 0, "it lives again"


def test_a_runtime_that_sends_before_the_write_is_durable_catches_itself(ray_session: RaySession) -> None:
    with pytest.raises(HarnessError, match="broke its own guarantee"):
        ray_session.run(trial(duration=300 * MS), early=True)


def test_without_that_assertion_the_block_and_kill_test_catches_it(ray_session: RaySession) -> None:
    """The test of durability has power: a broken runtime does not pass it."""
    broken = ray_session.run(trial(faults=BLOCKED, duration=1600 * MS), early=True, unchecked=True)
    slow, loss = broken.faults
    assert acknowledged(broken, slow.start + 30 * MS, loss.start) > 0


def test_a_full_disk_crashes_nobodys_protocol(ray_session: RaySession) -> None:
    faults = (FullDisk(at=200 * MS, target="leader", length=300 * MS),)
    result, record = run_trial(trial(faults=faults), session=ray_session)
    assert result.verdict == "valid", result.checks
    assert record.faults[0].end is not None


# --- nothing hangs -------------------------------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "ANSWER_S", 1.5)
    monkeypatch.setattr(liverun_module, "ANSWER_S", 1.5)
    monkeypatch.setattr(liverun_module, "PROBE_MARGIN_S", 0.5)


def fails(ray_session: RaySession, number: int, name: str, match: str) -> float:
    """Send a process a signal behind the supervisor's back; the seconds until the trial gives up."""
    sent: list[float] = []

    def meddle(text: str) -> None:
        if text.startswith("load") and not sent:
            sent.append(time.monotonic())
            # processes are taken in the order of the hosts: servers first, the generator last
            os.kill(ray_session.pool._taken[-1 if name == "g1" else 0].pid, number)

    with pytest.raises(HarnessError, match=match):
        ray_session.run(trial(duration=500 * MS, liveness=500 * MS), meddle)
    assert ray_session.partial_history is not None
    return time.monotonic() - sent[0]


@pytest.mark.usefixtures("impatient")
def test_a_process_that_dies_unasked_ends_the_trial_with_a_sentence(ray_session: RaySession) -> None:
    assert fails(ray_session, signal.SIGKILL, "n1", "died, and no fault had killed it") < 5


@pytest.mark.usefixtures("impatient")
def test_a_generator_that_dies_leaves_its_history(ray_session: RaySession) -> None:
    def kill(text: str) -> None:
        if text.startswith("load, 1"):
            os.kill(ray_session.pool._taken[-1].pid, signal.SIGKILL)

    with pytest.raises(HarnessError, match="died, and no fault had killed it"):
        ray_session.run(trial(duration=2000 * MS), kill)
    history = ray_session.partial_history
    assert history is not None and len(history) > 50
    assert history.completed.max() > 700 * MS


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", ["n1", "g1"])
def test_a_process_that_stops_answering_is_given_up(ray_session: RaySession, name: str) -> None:
    assert fails(ray_session, signal.SIGSTOP, name, "did not answer within") < 10
    # and the session goes on with another process
    result, _ = run_trial(trial(duration=300 * MS), session=ray_session)
    assert result.checks["liveness"] == "valid"


def test_garbage_on_the_ports_disturbs_nobody(ray_session: RaySession) -> None:
    knocked: list[bytes] = []

    def knock(text: str) -> None:
        if text.startswith("load") and not knocked:
            for seat in ray_session.pool._taken:
                assert seat.greeting is not None
                with socket.create_connection((seat.greeting.ip, seat.greeting.port), timeout=2) as stranger:
                    stranger.sendall(b"\xff" * 4096)
                    try:
                        knocked.append(stranger.recv(16))
                    except ConnectionResetError:
                        knocked.append(b"")

    result, _ = run_trial(trial(duration=400 * MS), session=ray_session, progress=knock)
    assert result.verdict == "valid"
    assert knocked and set(knocked) == {b""}


# --- the rest ------------------------------------------------------------------------------------------------------


def test_the_floor_is_measured_once(ray_session: RaySession) -> None:
    began = time.monotonic()
    floor = ray_session.floor(8)
    took = time.monotonic() - began
    assert 0 < floor.link_rtt_s < 0.05
    assert min(floor.link_messages_s, floor.null_messages_s, floor.log_ops_s) > 100
    assert ray_session.floor(8) is floor
    print(f"{floor} in {took:.1f} s")


def test_an_open_loop_is_on_time_and_injected_delay_is_honest(ray_session: RaySession) -> None:
    from bench.network.latency import Constant
    from bench.network.spec import Network

    open_loop = trial(
        protocol="null",
        params={},
        nodes=1,
        duration=1000 * MS,
        workload=Workload(clients=4, rate=300),
        network=Network(latency=Constant(1_400_000)),
    )
    result, record = run_trial(open_loop, session=ray_session)
    assert result.verdict == "valid"
    assert record.bias is not None and record.bias.generator_lateness_p50_s < 0.005
    p50 = result.latency_s.p50
    assert p50 is not None
    assert 0.0028 <= p50 < 0.0060, "two delays of 1.4 ms, and little on top, loosely: the machine may be busy"
    late = record.bias.generator_lateness_p50_s
    print(f"round trip of 2 x 1.4 ms: p50 {p50 * 1e3:.2f} ms; sent late by {late * 1e6:.0f} us")
