"""Lives of simulated machines: boots, crashes, pauses, handlers that raise, fencing."""

from __future__ import annotations

from typing import Any

from tests.toys.small import (
    Alarms,
    Bomb,
    Echo,
    Guard,
    Hopeful,
    Nervous,
    Ping,
    Put,
    Silent,
)
from tests.toys.worlds import MS, SLOW, arrive, node, numbers, send, world_of

SILENT = {"n1": lambda: Silent(None), "n2": lambda: Silent(None)}


# --- lives -----------------------------------------------------------------------------------------------------------


def test_messages_for_a_machine_that_is_down_are_lost() -> None:
    world = world_of(SILENT)
    world.at(10, lambda: world.crash(world.machines["n2"]))
    send(world, 20, "n1", "n2", Ping(1))
    world.at(2 * MS, lambda: world.boot(world.machines["n2"]))
    send(world, 2 * MS, "n1", "n2", Ping(2))
    world.run(5 * MS)
    assert numbers(world, "n2") == [2]
    assert world.dropped == 1


def test_what_waits_in_a_crashing_nodes_inbox_is_lost() -> None:
    world = world_of(SILENT, service=SLOW)
    arrive(world, 0, "n2", Ping(1))
    arrive(world, 1 * MS, "n2", Ping(2))
    world.at(2 * MS, lambda: world.crash(world.machines["n2"]))
    world.at(3 * MS, lambda: world.boot(world.machines["n2"]))
    world.run(100 * MS)
    assert numbers(world, "n2") == []


def test_timers_die_with_their_life() -> None:
    world = world_of({"n1": lambda: Alarms(None), "n2": lambda: Echo(None)})
    arrive(world, 0, "n1", Ping(), "n2")
    world.at(50, lambda: world.crash(world.machines["n1"]))
    world.at(60, lambda: world.boot(world.machines["n1"]))
    world.run(10_000)
    assert node(world, "n1").rang == []


def test_a_new_life_is_not_held_up_by_what_its_predecessor_was_busy_with() -> None:
    """It stood still for a second and was killed; the next one serves at once, and each arrival after the other."""
    world = world_of(SILENT, service=SLOW)
    machine = world.machines["n2"]
    world.run(10 * MS)
    machine.stall = 1000 * MS
    arrive(world, 10 * MS, "n2", Ping(0))
    arrive(world, 11 * MS, "n2", Ping(1))
    world.at(20 * MS, lambda: world.crash(machine))
    world.at(30 * MS, lambda: world.boot(machine))
    for number in (2, 3, 4):
        arrive(world, (40 + number) * MS, "n2", Ping(number))
    world.run(100 * MS)
    assert numbers(world, "n2") == [2, 3, 4]


def test_crashing_or_booting_twice_changes_nothing() -> None:
    world = world_of(SILENT)
    machine = world.machines["n2"]
    world.crash(machine)
    world.crash(machine)
    assert machine.crashes == 1
    world.boot(machine)
    engine = machine.engine
    world.boot(machine)
    assert machine.engine is engine


# --- pauses ----------------------------------------------------------------------------------------------------------


def test_a_paused_node_does_nothing_and_then_everything_in_one_batch() -> None:
    world = world_of({**SILENT, "n3": lambda: Alarms(None)})
    machine = world.machines["n3"]
    arrive(world, 0, "n3", Ping())
    life = 0

    def pause() -> None:
        nonlocal life
        life = world.pause(machine)

    world.at(50, pause)
    world.run(5000)
    assert node(world, "n3").rang == []
    world.at(6000, lambda: world.resume(machine, life))
    world.run(7000)
    assert [(name, key) for name, key, _ in node(world, "n3").rang] == [("b", 1), ("a", None), ("b", 3)]
    assert {at for _, _, at in node(world, "n3").rang} == {6000}


def test_overlapping_pauses_end_with_the_last() -> None:
    world = world_of(SILENT)
    machine = world.machines["n2"]
    first, second = world.pause(machine), world.pause(machine)
    arrive(world, 10, "n2", Ping(1))
    world.at(20, lambda: world.resume(machine, first))
    world.run(50)
    assert numbers(world, "n2") == []
    world.at(60, lambda: world.resume(machine, second))
    world.run(100)
    assert numbers(world, "n2") == [1]


def test_a_crash_during_a_pause_frees_the_next_life() -> None:
    """A stopped process dies as any other; waking the old one up does nothing to the new."""
    world = world_of(SILENT)
    machine = world.machines["n2"]
    life = world.pause(machine)
    world.at(10, lambda: world.crash(machine))
    world.at(20, lambda: world.boot(machine))
    arrive(world, 30, "n2", Ping(1))
    world.run(40)
    assert numbers(world, "n2") == [1]
    again = -1

    def pause() -> None:
        nonlocal again
        again = world.pause(machine)

    world.at(50, pause)
    world.at(60, lambda: world.resume(machine, life))  # of the earlier life
    arrive(world, 70, "n2", Ping(2))
    world.run(80)
    assert numbers(world, "n2") == [1]
    world.at(90, lambda: world.resume(machine, again))
    world.run(100)
    assert numbers(world, "n2") == [1, 2]


def test_pausing_what_is_down_is_nothing() -> None:
    world = world_of(SILENT)
    machine = world.machines["n2"]
    world.crash(machine)
    assert world.pause(machine) == -1
    world.boot(machine)
    arrive(world, 10, "n2", Ping(1))
    world.run(20)
    assert numbers(world, "n2") == [1]


# --- handlers that raise ---------------------------------------------------------------------------------------------


def test_a_handler_that_raises_crashes_its_node_and_the_trial_says_so() -> None:
    world = world_of({"n1": lambda: Bomb(3), "n2": lambda: Bomb(99)})
    for number in range(5):
        arrive(world, number, "n1", Ping(number), "n2")
        arrive(world, number, "n2", Ping(number), "n1")
    world.run(100)
    assert world.handler_crashes == [world.handler_crashes[0]]
    assert world.handler_crashes[0].startswith("n1: ValueError: boom (in ping:")
    assert world.machines["n1"].engine is None
    assert world.machines["n2"].engine is not None


def test_a_full_disk_crashes_a_node_without_a_plan_but_is_no_bug_of_its_handlers() -> None:
    world = world_of({"n1": lambda: Hopeful(None), "n2": lambda: Silent(None)})
    engine = world.machines["n1"].engine
    assert engine is not None
    engine.disk_full = True
    arrive(world, 10, "n1", Put("a", 1), "n2")
    world.run(100)
    assert world.machines["n1"].engine is None
    assert world.handler_crashes == []
    assert node(world, "n2").seen == []


def test_a_node_that_cannot_boot_is_a_crashed_node() -> None:
    class Broken(Silent):
        def start(self, ctx: Any, durable: Any) -> None:
            raise ValueError("no")

    world = world_of({"n1": lambda: Broken(None)})
    assert len(world.handler_crashes) == 1
    assert world.machines["n1"].engine is None


# --- fencing ---------------------------------------------------------------------------------------------------------


def test_a_fenced_node_is_dead_before_the_fencer_knows() -> None:
    """STONITH: from the Fenced event on, nothing of the old life leaves the victim."""
    world = world_of({"n1": lambda: Guard(None), "n2": lambda: Silent(None)}, service=SLOW)
    arrive(world, 50 * MS, "n1", Ping(), "n2")
    world.run(54 * MS)
    assert world.machines["n2"].engine is not None, "the decision is not durable yet"
    world.run(75 * MS)
    assert world.machines["n2"].engine is not None, "to kill takes time"
    assert node(world, "n1").fenced == []
    world.run(100 * MS)
    assert world.machines["n2"].engine is None
    assert node(world, "n1").fenced == ["n2"]
    assert world.fences == [("n1", "n2")]
    assert world.machines["n2"].crashes == 1


def test_the_news_of_a_fence_waits_for_a_paused_fencer() -> None:
    world = world_of({"n1": lambda: Guard(None), "n2": lambda: Silent(None)}, service=SLOW)
    machine = world.machines["n1"]
    arrive(world, 50 * MS, "n1", Ping(), "n2")
    life = -1

    def pause() -> None:
        nonlocal life
        life = world.pause(machine)

    world.on_fence = lambda victim: (world.crash(world.machines[victim]), pause())[0]  # type: ignore[func-returns-value]
    world.run(200 * MS)
    assert world.machines["n2"].engine is None
    assert node(world, "n1").fenced == [], "it stands still"
    world.resume(machine, life)
    world.run(300 * MS)
    assert node(world, "n1").fenced == ["n2"]


def test_a_handler_of_a_fence_that_raises_crashes_its_node_only() -> None:
    world = world_of({"n1": lambda: Nervous(None), "n2": lambda: Silent(None)})
    arrive(world, 50 * MS, "n1", Ping(), "n2")
    world.run(100 * MS)
    assert world.machines["n1"].engine is None
    assert len(world.handler_crashes) == 1
