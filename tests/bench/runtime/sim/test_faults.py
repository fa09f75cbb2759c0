"""Faults in the simulated world: each does what it says, to whom it says, and is undone."""

from __future__ import annotations

import pytest

from bench.faults.spec import (
    ClockDrift,
    ClockJump,
    Crash,
    CrashAtWrite,
    DrainRestart,
    Fault,
    FullDisk,
    LoseDisk,
    Membership,
    Partition,
    Pause,
    PowerLoss,
    RollingRestart,
    SlowDisk,
    SlowNode,
    Stall,
    ZoneLoss,
)
from bench.runtime.image import PUT
from bench.runtime.sim.disk import SimDisk
from bench.runtime.sim.firing import RESET_DELAY
from tests.toys.small import Hopeful, Ping, Put, Roster
from tests.toys.worlds import MS, arrive, node

from .faulty import SERVERS, graph, setup, up

# --- processes -------------------------------------------------------------------------------------------------------


def test_a_crash_is_undone_after_its_down_time_and_recorded() -> None:
    world, injector = setup()
    injector.schedule(Crash(at=10 * MS, target="n2", down=50 * MS))
    world.run(20 * MS)
    assert up(world) == ["n1", "n3", "n4", "n5"]
    world.run(60 * MS)
    assert up(world) == list(SERVERS)
    (record,) = injector.results()
    assert (record.kind, record.targets, record.start, record.end) == ("crash", ("n2",), 10 * MS, 60 * MS)
    assert record.detail.startswith("crash n2")


def test_a_crash_for_good_stays_until_the_heal() -> None:
    world, injector = setup()
    injector.schedule(Crash(at=10, target="n2", down=None))
    world.run(1000 * MS)
    assert "n2" not in up(world)
    injector.heal()
    assert "n2" in up(world)


def test_peers_see_the_stream_of_a_killed_process_break_but_not_of_a_powerless_one() -> None:
    """A kernel that lives closes the sockets; after a power loss nobody does."""
    world, injector = setup()
    injector.schedule(Crash(at=10 * MS, target="n2", down=50 * MS))
    world.run(10 * MS + RESET_DELAY - 1)
    assert node(world, "n1").gone == []
    world.run(20 * MS)
    assert node(world, "n1").gone == ["n2"]
    other, injector = setup()
    injector.schedule(ZoneLoss(at=10 * MS, zone="east", down=50 * MS))
    other.run(20 * MS)
    assert up(other) == ["n3", "n4", "n5"]
    assert node(other, "n3").gone == []
    other.run(70 * MS)
    assert up(other) == list(SERVERS)


def test_power_loss_takes_every_server_at_once_and_no_client() -> None:
    world, injector = setup()
    injector.schedule(PowerLoss(at=10 * MS, down=5 * MS))
    world.run(12 * MS)
    assert up(world) == []
    assert all(machine.engine is not None for machine in world.clients)
    world.run(16 * MS)
    assert up(world) == list(SERVERS)


def test_a_rolling_restart_takes_one_after_the_other() -> None:
    world, injector = setup(Roster)
    injector.schedule(RollingRestart(at=0, down=10 * MS, gap=5 * MS))
    down = []
    for step in range(5):
        world.run(step * 15 * MS + 5 * MS)
        down += [name for name in SERVERS if name not in up(world)]
    assert down == list(SERVERS)
    world.run(80 * MS)
    assert up(world) == list(SERVERS)
    assert [machine.incarnation for machine in world.servers] == [2] * 5


def test_a_drain_asks_then_kills_then_restarts() -> None:
    world, injector = setup(Roster)
    injector.schedule(DrainRestart(at=10 * MS, target="n3", grace=20 * MS, down=30 * MS))
    world.run(25 * MS)
    assert node(world, "n3").draining
    world.run(40 * MS)
    assert "n3" not in up(world)
    world.run(61 * MS)
    assert not node(world, "n3").draining


def test_membership_changes_are_asked_of_their_target() -> None:
    world, injector = setup(Roster)
    injector.schedule(Membership(at=10, target="n1", action="add", node="n9"))
    injector.schedule(Membership(at=20, target="n1", action="remove", node="n2"))
    world.run(MS)
    assert node(world, "n1").members == {"n1", "n3", "n4", "n5", "n9"}
    assert node(world, "n2").members == set(SERVERS)


def test_a_lost_disk_is_empty_and_no_more_than_a_minority_ever_loses_it() -> None:
    world, injector = setup(Hopeful)
    for name in SERVERS:
        arrive(world, 0, name, Put("a", 1), "c1")
        injector.schedule(LoseDisk(at=10 * MS + int(name[1:]) * 10 * MS, target=name, down=MS))
    world.run(500 * MS)
    assert [machine.disk.lost or machine.disk.corrupt > 0 for machine in world.servers] == [True] * 2 + [False] * 3
    assert injector.wiped == {"n1", "n2"}
    assert [len(machine.disk.synced.keys) for machine in world.servers] == [0, 0, 1, 1, 1]


def test_a_disk_is_lost_or_damaged_and_its_node_is_told_which() -> None:
    told = set()
    for seed in range(1, 9):
        world, injector = setup(Hopeful, seed)
        arrive(world, 0, "n1", Put("a", 1), "c1")
        injector.schedule(LoseDisk(at=10 * MS, target="n1", down=MS))
        world.run(20 * MS)
        disk = world.machines["n1"].disk
        assert disk.lost != bool(disk.corrupt) and disk.synced.keys == {}
        told.add(disk.lost)
    assert told == {True, False}


def test_what_is_down_for_one_fault_is_not_booted_by_the_end_of_another() -> None:
    world, injector = setup(Hopeful)
    injector.schedule(Crash(at=10 * MS, target="n2", down=80 * MS))
    injector.schedule(FullDisk(at=15 * MS, target="n2", length=10 * MS))
    injector.schedule(DrainRestart(at=5 * MS, target="n2", grace=10 * MS, down=10 * MS))
    injector.schedule(PowerLoss(at=50 * MS, down=60 * MS))
    world.run(40 * MS)
    assert "n2" not in up(world), "neither space nor the drain's end brings it back"
    world.run(91 * MS)
    assert up(world) == ["n2"], "its own fault's end does, whoever else has no power"
    world.run(111 * MS)
    assert up(world) == list(SERVERS)


def test_crash_at_write_strikes_whoever_has_just_kept_a_promise() -> None:
    """After the effects that waited for the sync have left: the promise is out, and must not be forgotten."""
    hit = set()
    for seed in range(20):
        world, injector = setup(Hopeful, seed)
        injector.schedule(CrashAtWrite(at=1, down=MS))
        for number in range(10):
            for name in SERVERS:
                arrive(world, (10 + number) * MS, name, Put("a", number), "c1")
        world.run(9 * MS)
        assert injector.results() == [], "nobody has promised anything yet"
        world.run(100 * MS)
        (record,) = injector.results()
        (victim,) = record.targets
        assert world.machines[victim].crashes == 1
        assert record.end == record.start + MS
        hit.add(victim)
    assert len(hit) > 2, "not always the first to write"


@pytest.mark.parametrize("fault", [Pause(at=10 * MS, target="n2", length=50 * MS)])
def test_a_pause_ends(fault: Fault) -> None:
    world, injector = setup()
    injector.schedule(fault)
    arrive(world, 20 * MS, "n2", Ping(1), "n1")
    world.run(50 * MS)
    assert node(world, "n2").seen == []
    world.run(61 * MS)
    assert [at for at, _, _ in node(world, "n2").seen] == [60 * MS]


def test_a_crash_ends_a_pause_and_the_pauses_end_does_not_wake_the_next_life() -> None:
    world, injector = setup()
    injector.schedule(Pause(at=10 * MS, target="n2", length=90 * MS))
    injector.schedule(Crash(at=20 * MS, target="n2", down=10 * MS))
    injector.schedule(Pause(at=40 * MS, target="n2", length=100 * MS))
    arrive(world, 35 * MS, "n2", Ping(1), "n1")
    arrive(world, 110 * MS, "n2", Ping(2), "n1")
    world.run(39 * MS)
    assert [number for _, _, number in node(world, "n2").seen] == [1]
    world.run(130 * MS)
    assert [number for _, _, number in node(world, "n2").seen] == [1], "the second pause lasts until 140 ms"
    world.run(150 * MS)
    assert [number for _, _, number in node(world, "n2").seen] == [1, 2]


def test_a_stall_holds_the_next_batch_only() -> None:
    world, injector = setup()
    injector.schedule(Stall(at=10 * MS, target="n2", length=50 * MS))
    for at in (20, 30, 100):
        arrive(world, at * MS, "n2", Ping(at), "n1")
    world.run(200 * MS)
    assert [(at // MS, number) for at, _, number in node(world, "n1").seen] == [(70, 20), (70, 30), (100, 100)]


def test_overlapping_slow_nodes_do_not_multiply() -> None:
    world, injector = setup()
    machine = world.machines["n2"]
    injector.schedule(SlowNode(at=10, target="n2", factor=3.0, length=100))
    injector.schedule(SlowNode(at=20, target="n2", factor=5.0, length=20))
    seen = []
    for until in (15, 30, 60, 200):
        world.run(until)
        seen.append(machine.slow)
    assert seen == [3.0, 5.0, 3.0, 1.0]


# --- disks and clocks ------------------------------------------------------------------------------------------------


def test_a_slow_disk_is_slower_for_a_while() -> None:
    world, injector = setup(Hopeful)
    injector.schedule(SlowDisk(at=10, target="n2", extra=5 * MS, length=100))
    injector.schedule(SlowDisk(at=20, target="n2", extra=2 * MS, length=20))
    seen = []
    for until in (15, 30, 60, 200):
        world.run(until)
        seen.append(world.machines["n2"].slow_disk // MS)
    assert seen == [5, 7, 5, 0]


def test_a_full_disk_stops_a_node_without_a_plan_until_there_is_space() -> None:
    world, injector = setup(Hopeful)
    injector.schedule(FullDisk(at=10 * MS, target="n2", length=50 * MS))
    arrive(world, 20 * MS, "n2", Put("a", 1), "n1")
    world.run(30 * MS)
    assert "n2" not in up(world)
    world.run(61 * MS)
    assert "n2" in up(world)
    assert world.handler_crashes == []
    arrive(world, 70 * MS, "n2", Put("a", 2), "n1")
    world.run(80 * MS)
    assert world.machines["n2"].disk.synced.keys == {"item:a": 2}


def test_a_disk_stays_full_through_a_restart() -> None:
    """Space does not come back because the process does."""
    world, injector = setup(Hopeful)
    injector.schedule(FullDisk(at=10 * MS, target="n2", length=50 * MS))
    injector.schedule(Crash(at=20 * MS, target="n2", down=MS))
    arrive(world, 30 * MS, "n2", Put("a", 1), "n1")
    world.run(40 * MS)
    assert world.machines["n2"].disk.synced.keys == {}


def test_a_clock_jumps_for_good_and_drifts_for_a_while() -> None:
    world, injector = setup()
    clock = world.machines["n2"].clock
    injector.schedule(ClockJump(at=10, target="n2", offset=-5))
    injector.schedule(ClockDrift(at=20, target="n2", ppm=500_000.0, length=100))
    before = [clock.monotonic(at) for at in (10,)]
    world.run(15)
    assert world.wall_of("n2") == world.wall_of("n1") - 5
    assert world.monotonic_of("n2") == world.monotonic_of("n1")
    world.run(120)
    assert world.monotonic_of("n2") == 120 + 50
    assert clock.rate == 1.0
    assert before == [10]


# --- targets and the end ---------------------------------------------------------------------------------------------


def test_nothing_fires_after_the_heal() -> None:
    world, injector = setup()
    injector.schedule(Crash(at=10, target="n1", down=None))
    injector.schedule(Pause(at=20, target="n2", length=10**12))
    injector.schedule(Partition(at=30, shape="isolate", target="n3", length=10**12))
    injector.schedule(RollingRestart(at=40, down=100, gap=100))
    injector.schedule(DrainRestart(at=45, target="n5", grace=1000, down=1000))
    injector.schedule(Crash(at=5000, target="n4", down=None))
    injector.schedule(CrashAtWrite(at=46, down=10))
    world.run(50)
    injector.heal()
    assert up(world) == list(SERVERS)
    assert not any(machine.paused for machine in world.servers)
    world.run(MS)
    assert up(world) == list(SERVERS)
    assert graph(world) == {name: set(SERVERS) - {name} for name in SERVERS}
    assert all(record.end is not None for record in injector.results())


def test_the_heal_boots_whatever_is_down_for_whatever_reason() -> None:
    """Fenced by a peer, or dead of its own bug: no fault's end would bring it back."""
    world, injector = setup()
    world.crash(world.machines["n1"])
    world.crash(world.machines["c1"])
    injector.heal()
    assert up(world) == list(SERVERS)
    assert world.machines["c1"].engine is not None


def test_a_fault_without_a_target_that_is_up_does_not_count() -> None:
    """A run whose faults hit nobody proves nothing."""
    world, injector = setup()
    injector.schedule(Crash(at=10, target="n1", down=100))
    injector.schedule(Crash(at=20, target="n1", down=100))
    injector.schedule(Pause(at=30, target="n1", length=10))
    world.run(50)
    assert [record.start for record in injector.results()] == [10]


def test_the_same_seed_hits_the_same_targets() -> None:
    def targets(seed: int) -> list[tuple[str, ...]]:
        world, injector = setup(seed=seed)
        for at in range(10, 200, 10):
            injector.schedule(Crash(at=at, target="random", down=5))
        world.run(300)
        return [record.targets for record in injector.results()]

    assert targets(1) == targets(1) != targets(2)


@pytest.mark.parametrize("corrupt", [False, True])
def test_a_loss_is_told_until_something_new_is_on_the_disk(corrupt: bool) -> None:
    """As live, where a damaged log is cut off and an empty disk fills again: whoever must remember has to write."""
    disk = SimDisk()
    disk.write(1, [(PUT, "key", b"old")])
    disk.sync(1)
    disk.lose(corrupt=corrupt)
    assert disk.lost is not corrupt and bool(disk.corrupt) is corrupt
    disk.write(2, [(PUT, "key", b"new")])
    disk.sync(1)
    assert disk.lost or disk.corrupt, "nothing new was synced"
    disk.sync(2)
    assert not disk.lost and not disk.corrupt
