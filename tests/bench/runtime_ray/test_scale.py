"""Many nodes on one machine: several share a process, which can lose one of them or die with all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.faults.spec import Crash, Pause, PowerLoss
from bench.network.latency import Constant
from bench.run import run_trial
from bench.runtime.ray import actors
from bench.runtime.ray.host import Host
from bench.runtime.ray.orders import Conditions, LinkTrouble, NodeTrouble
from bench.runtime.ray.pool import Pool
from bench.runtime.ray.session import RaySession
from bench.runtime.record import RunRecord
from bench.trial import Trial
from bench.workload.spec import Workload
from protocols.registry import MODULES
from tests.bench.runtime_ray.test_live import alive, gone
from tests.bench.runtime_ray.test_stage import Count, Pair, run, toy, until
from tests.toys import gossip

__all__ = ["toy"]

MS = 1_000_000
WITHIN_MS = 2000
"""In which a rumour has to be everywhere. Five rounds of 100 ms do it on an idle machine; this one may be busy."""


# --- fifty nodes ---------------------------------------------------------------------------------------------------


@pytest.fixture
def gossiping(ray_session: RaySession, monkeypatch: pytest.MonkeyPatch) -> Iterator[RaySession]:
    """A session whose processes know the toy; they are its own, and gone at the end."""
    monkeypatch.setitem(MODULES, gossip.NAME, gossip.__name__)
    monkeypatch.setattr(actors, "Host", gossip.GossipHost)
    pool = Pool(ray_session.cluster)
    monkeypatch.setattr(ray_session, "pool", pool)
    yield ray_session
    pool.close()


def spread(record: RunRecord, names: list[str], until_ns: int) -> dict[str, int]:
    """For each rumour that was first heard before ``until_ns``: ns from then, or from the boot of whoever was down
    then, until it was known to all of ``names``; those that never knew it count as a day."""
    first: dict[str, int] = {}
    heard: dict[tuple[str, str], int] = {}
    boots: dict[str, list[int]] = {name: [] for name in names}
    for mark in record.marks:
        if mark.name == "heard":
            first.setdefault(mark.fields["rumour"], mark.at)
            heard.setdefault((mark.node, mark.fields["rumour"]), mark.at)
        elif mark.name == "booted":
            boots[mark.node].append(mark.at)
            for rumour in mark.fields["rumours"]:  # heard in an earlier life: the mark may have died with the process
                heard.setdefault((mark.node, rumour), mark.at)
    down = {name: fault for fault in record.faults for name in fault.targets}
    taken: dict[str, int] = {}
    for rumour, at in first.items():
        if at >= until_ns:
            continue
        for name in names:
            fault = down.get(name)
            since = at
            if fault is not None and fault.end is not None and at < fault.end:
                since = max(at, fault.end)  # down, or about to be
            late = heard.get((name, rumour), 86_400_000 * MS) - since
            taken[rumour] = max(taken.get(rumour, 0), late)
    return taken


@pytest.mark.live
@pytest.mark.slow
def test_fifty_nodes_gossip_through_a_logical_crash_and_a_killed_process(gossiping: RaySession) -> None:
    names = [f"n{number + 1}" for number in range(50)]
    trial = Trial(
        protocol=gossip.NAME,
        runtime="ray",
        nodes=50,
        duration=5000 * MS,
        workload=Workload(clients=4, rate=15, mix=(("write", 1.0),)),
        faults=(Crash(at=1000 * MS, target="n7", down=800 * MS), Crash(at=1500 * MS, target="host:n23", down=800 * MS)),
    )
    began = time.monotonic()
    result, record = run_trial(trial, session=gossiping)
    assert result.trial == "complete", result.void_reason
    assert set(result.checks.values()) == {"valid"}, result.checks

    one, process = record.faults
    assert (one.how, one.targets) == ("logical", ("n7",))
    assert process.how == "process" and set(process.targets) == set(names[20:30])
    for fault in record.faults:
        assert fault.end is not None and 800 * MS <= fault.end - fault.start < 1500 * MS
    pids = gossiping.pids
    assert len({pid for name in names for pid in pids[name]}) == 6, "five processes, one of which was replaced"
    assert [len(pids[name]) for name in ("n7", "n23", "n30", "n31")] == [1, 2, 2, 1]
    assert not alive(pids["n23"][0]) and alive(pids["n7"][0])
    assert all(gossiping.recovered[name] > 0 for name in (*one.targets, *process.targets)), "their disks were read"
    assert {node for node, count in lives(record).items() if count > 1} == {*one.targets, *process.targets}

    taken = spread(record, names, 3000 * MS)
    assert len(taken) >= 20
    assert max(taken.values()) < WITHIN_MS * MS, max(taken.items(), key=lambda pair: pair[1])
    median = sorted(taken.values())[len(taken) // 2]
    print(
        f"{len(taken)} rumours everywhere within {max(taken.values()) / MS:.0f} ms (median {median / MS:.0f}); "
        f"{time.monotonic() - began:.1f} s in all"
    )
    lived = {pid for each in pids.values() for pid in each}  # the load's process among them
    own = [seat.pid for seat in (*gossiping.pool._free, *gossiping.pool._taken)]
    gossiping.pool.close()
    assert lived <= {*own, pids["n23"][0]}, "the pool knows every process that is left"
    assert all(gone(pid) for pid in {*own, *lived}), "no orphans"


def lives(record: RunRecord) -> dict[str, int]:
    """How often each node booted."""
    found: dict[str, int] = {}
    for mark in record.marks:
        if mark.name == "booted":
            found[mark.node] = found.get(mark.node, 0) + 1
    return found


# --- a logical crash -----------------------------------------------------------------------------------------------
# Without Ray: n1 and n3 share a host, n2 has one of its own. See test_stage.


def host_of(both: Pair, name: str) -> Host:
    """The orders of a host, for the stage that this node lives on."""
    host = Host("127.0.0.1")
    host._alarm, host._stage = both.alarm, both.stage_of(name)
    return host


def test_a_logical_crash_ends_one_node_and_what_it_had_in_memory(tmp_path: Path) -> None:
    async def scenario(both: Pair) -> None:
        host = host_of(both, "n1")
        both.say("n2", "n3", Count(2), child=True)
        await until(lambda: both.local("n3").wal.durable_turn)
        both.local("n3").wal.extra = 60_000 * MS
        both.say("n2", "n3", Count(4), child=True)  # written, never synced
        both.say("n2", "n1", Count(6))
        await until(lambda: both.local("n3").engine.unsynced_turn and both.node("n1").heard)
        both.local("n3").engine.set_timer("tick", 5 * MS, 1)
        other = both.local("n1").engine
        await host.crash(["n3"])
        assert both.local("n3").engine is None and both.local("n1").engine is other
        await until(lambda: both.node("n1").gone == ["n3"] and both.node("n2").gone == ["n3"])
        await host.revive(["n3"])
        engine = both.local("n3").engine
        assert engine.incarnation == 2
        assert engine.node.tally.seen == [2], "what was synced, and nothing else"
        assert engine.node.heard == [] and not both.local("n3").waiting
        await asyncio.sleep(0.02)
        assert engine.node.fired == [], "the timer of the last life is gone"
        assert both.node("n1").heard == [("n2", 6)] and both.local("n1").engine is other
        both.say("n2", "n3", Count(8))
        await until(lambda: both.node("n3").heard == [("n2", 8)])

    run(scenario, tmp_path)


def test_what_was_under_way_to_the_last_life_does_not_reach_the_next(tmp_path: Path) -> None:
    """A message that waits out an injected delay, one that has arrived and was not handled, a held one, a fence."""

    async def scenario(both: Pair) -> None:
        host, stage, node = host_of(both, "n1"), both.stage_of("n3"), both.local("n3")
        slow = LinkTrouble(extra=(Constant(40 * MS),))
        stage.apply_conditions(Conditions(2, {"n2": {"n3": slow}, "n1": {"n3": slow}}))
        both.say("n2", "n3", Count(1))
        both.say("n1", "n3", Count(2))
        await until(lambda: sum(each.held > 0 for each in stage.wires._injectors.values()) == 2)
        stage.arrive(node, 0, "n2", Count(3))
        stage.arrive(node, 5, "n2", None)
        await host.crash(["n3"])
        stage.boot(node)  # before any tick
        dropped = node.report().dropped
        assert dropped == 1
        await until(lambda: node.report().dropped == 3)
        both.say("n2", "n3", Count(4))
        await until(lambda: both.node("n3").heard)
        assert both.node("n3").heard == [("n2", 4)] and both.node("n3").fenced == []

    run(scenario, tmp_path)


def test_a_node_that_is_cut_off_does_not_see_the_other_end(tmp_path: Path) -> None:
    async def scenario(both: Pair) -> None:
        cut = Conditions(2, {"n3": {"n1": LinkTrouble(cut=True)}})
        for stage in both.stages.values():
            stage.apply_conditions(cut)
        await host_of(both, "n1").crash(["n3"])
        await until(lambda: both.node("n2").gone == ["n3"])
        assert both.node("n1").gone == []

    run(scenario, tmp_path)


def test_only_the_nodes_that_are_named_boot_again(tmp_path: Path) -> None:
    async def scenario(both: Pair) -> None:
        host = host_of(both, "n1")
        await host.crash(["n1", "n3"])
        await host.revive(["n3"])
        assert both.local("n1").engine is None and both.local("n3").engine is not None
        both.stage_of("n1").apply_conditions(Conditions(2, {}, {"n1": NodeTrouble(paused=True)}))
        await host.revive(["n1", "n3"])
        assert both.local("n1").engine.incarnation == 2 and both.local("n3").engine.incarnation == 2

    run(scenario, tmp_path)


# --- faults of nodes, and faults of processes ------------------------------------------------------------------------


def shared(**fields: Any) -> Trial:
    """Six servers in two processes of three."""
    defaults: dict[str, Any] = {
        "protocol": "raft",
        "runtime": "ray",
        "nodes": 6,
        "actor_nodes": 3,
        "seed": 7,
        "duration": 1500 * MS,
        "workload": Workload(clients=4),
        "params": {"election_timeout_s": (0.1, 0.2)},
    }
    return Trial(**(defaults | fields))


@pytest.mark.live
def test_each_fault_is_undone_for_those_that_it_hit(ray_session: RaySession) -> None:
    """n2 crashes alone and stays down longer than its process, which is killed meanwhile and is back before it."""
    faults = (
        Crash(at=200 * MS, target="n2", down=1000 * MS),
        Crash(at=300 * MS, target="n3", down=150 * MS),
        Crash(at=600 * MS, target="host:n1", down=300 * MS),
        Pause(at=300 * MS, target="n5", length=300 * MS),
        Crash(at=400 * MS, target="n5", down=100 * MS),
    )
    result, record = run_trial(shared(faults=faults), session=ray_session)
    assert result.checks["linearizable"] == "valid" and result.checks["liveness"] == "valid", result.checks
    found = {fault.detail.split(" at")[0]: fault for fault in record.faults}
    assert [(fault.how, fault.targets) for fault in record.faults] == [
        ("logical", ("n2",)),
        ("logical", ("n3",)),
        ("logical", ("n5",)),
        ("logical", ("n5",)),
        ("process", ("n1", "n3")),
    ]
    for name, down in (("crash n2", 1000), ("crash n3", 150), ("crash host:n1", 300), ("crash n5", 100)):
        fault = found[name]
        assert fault.end is not None
        took = (fault.end - fault.start) / MS
        assert down <= took < down + 250, (name, took)
    assert found["crash host:n1"].targets == ("n1", "n3"), "n2 was down already, and is no business of this fault"
    assert len(ray_session.pids["n1"]) == 2 and len(ray_session.pids["n4"]) == 1
    assert gone(ray_session.pids["n1"][0])


@pytest.mark.live
def test_a_fault_of_all_nodes_of_a_process_is_one_of_the_process(ray_session: RaySession) -> None:
    stopped: list[str] = []

    def look(text: str) -> None:
        if text.startswith("load, 1"):
            for seat in ray_session.pool._taken:
                state = Path(f"/proc/{seat.pid}/stat").read_text().rpartition(")")[2].split()[0]
                stopped.append(state)

    faults = (
        PowerLoss(at=200 * MS, down=300 * MS),
        Pause(at=900 * MS, target="host:n4", length=500 * MS),
        Crash(at=1000 * MS, target="n4", down=200 * MS),
        Pause(at=1100 * MS, target="n2", length=200 * MS),
    )
    result, record = run_trial(shared(faults=faults, duration=1700 * MS), session=ray_session, progress=look)
    assert result.checks["linearizable"] == "valid" and result.checks["liveness"] == "valid", result.checks
    _, whole, one, single = record.faults
    assert [fault.how for fault in record.faults] == ["process", "process", "logical", "logical"]
    assert whole.targets == ("n4", "n5", "n6") and single.targets == ("n2",)
    assert stopped.count("T") == 1, "one process, with all of its nodes"
    assert one.end is not None and whole.end is not None and one.end >= whole.end, "a stopped process boots nobody"
    assert all(len(ray_session.pids[name]) == 2 for name in ("n1", "n4"))


def test_the_simulator_has_a_process_for_each_node() -> None:
    trial = shared(runtime="sim", actor_nodes=0, faults=(Crash(at=300 * MS, target="host:leader", down=300 * MS),))
    result, record = run_trial(trial)
    assert result.verdict == "valid", result.checks
    (fault,) = record.faults
    assert len(fault.targets) == 1 and fault.how == ""
