"""The partitioned store: moves step by step, every crash on their way, and whole trials in both worlds."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from bench.faults.spec import Crash
from bench.network import Constant, Network
from bench.run import run_trial
from bench.torture import torture
from bench.trial import Result, ServiceTimes, Trial
from bench.workload.spec import Workload
from protocols.partitioning.store.placing import entries_at_first, plan

MS = 1_000_000
MOVING = {"move_every_s": 0.02, "catch_up": 0, "chunk": 2}


def trial(**fields: Any) -> Trial:
    given: dict[str, Any] = {
        "protocol": "partitioned",
        "duration": 600 * MS,
        "network": Network(latency=Constant(MS)),
        "workload": Workload(clients=4, keys=40, rate=400.0),
        "service": ServiceTimes(fsync=MS),
        "params": MOVING,
    }
    return Trial(**given | fields)


def judged(wanted: Trial) -> Result:
    result, _ = run_trial(wanted)
    assert result.verdict == "valid", [each.reason for each in result.violations] or result.reason
    return result


def test_newcomers_get_their_due_and_nobody_else_moves() -> None:
    owners = [(entry.partition, entry.server) for entry in entries_at_first(("n1", "n2"), 0, 64)]
    moves = plan(owners, ("n1", "n2"), ("n3", "n4"))
    assert len(moves) == 32 and {to for _, to in moves} == {"n3", "n4"}
    after = dict(owners) | dict(moves)
    assert set(Counter(after.values()).values()) == {16}


def test_it_serves_while_everything_moves() -> None:
    result = judged(trial())
    assert result.coverage["moved"] >= 20
    assert result.operations.fail == result.operations.info == 0
    assert result.latency_s.max is not None and result.latency_s.max < 0.1


@pytest.mark.parametrize("routing", ["client", "any", "proxy"])
def test_idle_servers_join_and_leave_nobody_without(routing: str) -> None:
    params = {"initial": 2, "join_at_s": 0.1, "routing": routing}
    result = judged(trial(nodes=4, params=params, duration=1500 * MS))
    assert result.coverage["moved"] == 32  # of 64 partitions on two servers, half go to the other two
    assert ("passed_on" in result.coverage) == (routing != "client")


@pytest.mark.parametrize("victim", ["n1", "n2", "n3"])
@pytest.mark.parametrize("step", range(12))
def test_a_crash_at_any_time_of_a_move_loses_and_duplicates_nothing(victim: str, step: int) -> None:
    """Moves begin every 20 ms and take about 10 ms; each server is source and target, and the first coordinates too."""
    faults = (Crash(at=120 * MS + step * MS * 7 // 4, target=victim, down=60 * MS),)
    result = judged(trial(faults=faults, workload=Workload(clients=4, keys=40, rate=200.0), duration=500 * MS))
    assert result.coverage["moved"] >= 5


def test_a_move_to_a_dead_server_ends_when_it_is_back() -> None:
    crash = Crash(at=50 * MS, target="n2", down=400 * MS)
    result = judged(trial(nodes=2, faults=(crash,), duration=1200 * MS))
    assert result.coverage["moved"] >= 10


def test_a_move_ends_although_more_changes_than_can_be_copied() -> None:
    """A saturated server: while a part is under way, more keys change than the fence leaves for the last one."""
    load = Workload(clients=64, keys=200, distribution="uniform", mix=(("write", 0.9), ("read", 0.1)))
    service = ServiceTimes(message=2 * MS, wakeup=0, fsync=MS)
    params = {"partitions": 2, "move_every_s": 0.5, "catch_up": 2, "chunk": 8, "retry_s": 1.0}
    result = judged(trial(nodes=2, workload=load, service=service, params=params, duration=6000 * MS))
    assert result.coverage["moved"] >= 2, "it never fences, and the first move does not end"


@pytest.mark.parametrize("seed", range(1, 9))
def test_survives_the_full_nemesis(seed: int) -> None:
    result, _ = run_trial(torture("partitioned", seed))
    assert result.violations == (), f"seed {seed}: {result.violations}"


@pytest.mark.live
def test_partitions_move_live(ray_session: Any) -> None:
    crash = Crash(at=500 * MS, target="n2", down=300 * MS)
    wanted = trial(runtime="ray", duration=1500 * MS, network=Network(), faults=(crash,), liveness=10_000 * MS)
    result, _ = run_trial(msgspec.structs.replace(wanted, workload=Workload(clients=4, keys=40)), session=ray_session)
    assert result.verdict == "valid", result.violations
    assert result.coverage["moved"] >= 10
