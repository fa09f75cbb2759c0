"""Ray, instead of the supervisor, restarts processes that a fault has killed."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from bench.cli.build import RunOptions, build_trial
from bench.cli.command import command_of
from bench.errors import HarnessError, UsageError
from bench.faults.spec import Crash, PowerLoss
from bench.run import run_trial
from bench.runtime.ray import supervisor
from bench.runtime.ray.faults import BY_RAY
from bench.runtime.ray.seat import Seat
from bench.runtime.ray.session import RaySession
from bench.trial import Trial
from bench.workload.spec import Workload
from tests.bench.runtime_ray.test_live import alive, gone

MS = 1_000_000


def trial(**fields: Any) -> Trial:
    defaults: dict[str, Any] = {
        "protocol": "raft",
        "runtime": "ray",
        "restart": "ray",
        "seed": 7,
        "duration": 4000 * MS,
        "workload": Workload(clients=4),
        "params": {"election_timeout_s": (0.1, 0.2)},
    }
    return Trial(**(defaults | fields))


def seats(session: RaySession) -> list[Seat]:
    return [*session.pool._free, *session.pool._taken]


@pytest.mark.live
def test_a_killed_leader_is_restarted_by_ray_and_reads_its_disk(ray_session: RaySession) -> None:
    """Where it was: its actor has a bundle, or a node, and no other place."""
    faults = (Crash(at=500 * MS, target="leader", down=50 * MS),)
    places: dict[int, str] = {}

    def look(text: str) -> None:
        places.update({seat.pid: seat.greeting.ray_node for seat in seats(ray_session) if seat.greeting is not None})

    # a process takes a second or two to start, or many where others keep the machine busy
    result, record = run_trial(trial(faults=faults, duration=8000 * MS), session=ray_session, progress=look)
    look("")
    assert result.trial == "complete", result.void_reason
    assert result.verdict == "valid", result.checks
    (fault,) = record.faults
    (victim,) = fault.targets
    first, second = ray_session.pids[victim]
    assert first != second and gone(first) and alive(second)
    assert places[first] == places[second] != ""
    assert ray_session.recovered[victim] > 0, "its log was read back from disk"
    assert (fault.how, fault.note) == ("process", BY_RAY)
    assert fault.end is not None and fault.respawned is not None
    assert fault.start < fault.respawned < fault.end, "the process first, then its nodes"
    assert fault.end - fault.start > 200 * MS, "a process does not start within the 50 ms that were scheduled"
    assert record.load_end > fault.end, "it came back while the load went on"
    assert len({node for _, node in record.leaders}) >= 2
    print(
        f"back after {(fault.respawned - fault.start) / MS:.0f} ms, booted after {(fault.end - fault.start) / MS:.0f}"
    )


@pytest.mark.live
def test_both_kinds_of_processes_live_in_one_session_and_none_is_left(ray_session: RaySession) -> None:
    """Processes that Ray restarts are reused like others, and dead for good when they are killed for good."""
    run_trial(trial(duration=300 * MS), session=ray_session)
    before = {pid for name in ("n1", "n2", "n3") for pid in ray_session.pids[name]}
    run_trial(trial(duration=300 * MS, restart="supervisor"), session=ray_session)
    assert before.isdisjoint({pid for lives in ray_session.pids.values() for pid in lives})
    run_trial(trial(duration=300 * MS), session=ray_session)
    assert before == {pid for name in ("n1", "n2", "n3") for pid in ray_session.pids[name]}

    restarting = [seat for seat in ray_session.pool._free if seat.restarts]
    assert len(restarting) >= 3
    for seat in restarting:
        ray_session.pool.kill(seat)
    assert all(gone(seat.pid) for seat in restarting)
    import ray

    with pytest.raises(ray.exceptions.ActorDiedError):  # and no other comes in its place
        ray.get(restarting[0].actor.hello.options(max_task_retries=-1).remote(False), timeout=10)


@pytest.mark.live
def test_a_load_that_ends_before_ray_is_done_waits_for_it(ray_session: RaySession) -> None:
    """All servers die a moment before the end; the liveness phase finds them back."""
    faults = (PowerLoss(at=600 * MS, down=10 * MS),)
    result, record = run_trial(trial(faults=faults, duration=650 * MS), session=ray_session)
    assert result.checks["liveness"] == "valid", result.checks
    (fault,) = record.faults
    assert fault.how == "process" and fault.end is not None and fault.note == BY_RAY
    assert all(len(ray_session.pids[name]) == 2 and ray_session.recovered[name] > 0 for name in ("n1", "n2", "n3"))


@pytest.mark.live
def test_nodes_that_share_a_process_keep_the_schedule_unless_it_dies(ray_session: RaySession) -> None:
    faults = (
        Crash(at=300 * MS, target="n2", down=200 * MS),
        Crash(at=800 * MS, target="host:n1", down=10 * MS),
    )
    shared = trial(nodes=5, actor_nodes=2, faults=faults)
    result, record = run_trial(shared, session=ray_session)
    assert result.verdict == "valid", result.checks
    logical, process = record.faults
    assert (logical.how, logical.note, logical.respawned) == ("logical", "", None)
    assert logical.end is not None and 200 * MS <= logical.end - logical.start < 400 * MS
    assert (process.how, process.targets, process.note) == ("process", ("n1", "n2"), BY_RAY)


@pytest.mark.live
def test_a_death_that_no_fault_asked_for_ends_the_trial_though_ray_restarts(
    ray_session: RaySession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "ANSWER_S", 1.5)

    def kill(text: str) -> None:
        if text.startswith("load, 0"):
            seat = next(seat for seat in ray_session.pool._taken if seat.restarts)
            os.kill(seat.pid, signal.SIGKILL)

    with pytest.raises(HarnessError, match="died, and no fault had killed it"):
        run_trial(trial(), session=ray_session, progress=kill)
    result, _ = run_trial(trial(duration=300 * MS), session=ray_session)
    assert result.checks["liveness"] == "valid"


# --- the option ----------------------------------------------------------------------------------------------------


def test_the_option_makes_the_trial_and_is_part_of_its_command() -> None:
    made = build_trial(RunOptions(protocol="raft", runtime="ray", restart="ray"))
    assert made.restart == "ray" and "--restart ray" in command_of(made)
    plain = build_trial(RunOptions(protocol="raft", runtime="ray"))
    assert plain.restart == "supervisor" and "--restart" not in command_of(plain)


@pytest.mark.parametrize(
    ("runtime", "restart", "sentence"),
    [
        ("ray", "supervisr", r"unknown restart 'supervisr': did you mean 'supervisor'\?"),
        ("ray", "", "unknown restart ''"),
        ("sim", "ray", "--restart is of live trials: give --runtime ray too"),
    ],
)
def test_what_the_option_cannot_be(runtime: str, restart: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        build_trial(RunOptions(protocol="raft", runtime=runtime, restart=restart))


def test_a_trial_made_by_hand_is_checked_too() -> None:
    with pytest.raises(UsageError, match="restart 'nobody' is unknown: supervisor or ray"):
        trial(restart="nobody").validate()


@pytest.mark.parametrize("target", ["host:n9", "host:c1", "host:minority", "host:"])
def test_a_process_is_named_by_one_server(target: str) -> None:
    with pytest.raises(UsageError, match="after host: comes one server"):
        build_trial(RunOptions(protocol="raft", runtime="ray", fault=(f"crash {target} at 1s",)))
