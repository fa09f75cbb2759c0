"""The simulated world: order of events, batches and service times, timers, what is recorded, trust."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from bench.network import Constant, Network, Uniform
from bench.runtime.sim.world import World
from bench.trial import ServiceTimes
from protocols.node import Drain
from tests.toys.small import (
    AlarmClock,
    Alarms,
    Early,
    Echo,
    Namer,
    Ping,
    Put,
    Roster,
    Signer,
    Silent,
)
from tests.toys.worlds import FREE, MS, SLOW, Prompt, arrive, node, numbers, send, world_of

ECHOES = {"n1": lambda: Echo(None), "n2": lambda: Echo(None), "n3": lambda: Echo(None)}
SILENT = {"n1": lambda: Silent(None), "n2": lambda: Silent(None)}


# --- order and boundaries of time ------------------------------------------------------------------------------------


def test_events_are_handled_in_order_of_time_and_ties_in_order_of_scheduling() -> None:
    world = world_of(SILENT)
    for at, number in ((30, 4), (10, 1), (20, 2), (20, 3)):
        arrive(world, at, "n2", Ping(number))
    world.run(1000)
    assert [(at, number) for at, _, number in node(world, "n2").seen] == [(10, 1), (20, 2), (20, 3), (30, 4)]


def test_run_includes_its_last_nanosecond_and_nothing_after_it() -> None:
    world = world_of(SILENT)
    for at in (99, 100, 101):
        arrive(world, at, "n2", Ping(at))
    world.run(100)
    assert numbers(world, "n2") == [99, 100]
    assert world.now == 100
    world.run(101)
    assert numbers(world, "n2") == [99, 100, 101]


def test_run_without_events_still_moves_time() -> None:
    world = world_of(SILENT)
    world.run(5 * MS)
    assert world.now == 5 * MS
    world.run(5 * MS)
    assert world.now == 5 * MS


def test_runs_in_small_steps_are_one_run() -> None:
    """Stopping to look must not change what is seen."""

    def hashed(steps: int) -> str | None:
        world = world_of(ECHOES, latency=Uniform(0, MS))
        for number in range(50):
            arrive(world, number * MS // 5, f"n{1 + number % 3}", Ping(number), f"n{1 + (number + 1) % 3}")
        for step in range(1, steps + 1):
            world.run(20 * MS * step // steps)
        return world.trace_hash()

    assert hashed(1) == hashed(7) == hashed(200)


def test_a_stopped_world_stays_stopped() -> None:
    world = world_of(SILENT)
    arrive(world, 10, "n2", Ping(1))
    world.stopped = True
    world.run(100)
    assert numbers(world, "n2") == []


# --- batches and service times ---------------------------------------------------------------------------------------


def test_what_arrives_while_a_node_is_busy_is_one_batch() -> None:
    """The first costs a wakeup and a message and is alone; the other three share the next wakeup."""
    world = world_of(SILENT, service=SLOW, latency=0)
    world.run(100 * MS)
    for number, at in enumerate((0, 1, 2, 3)):
        arrive(world, (100 + at) * MS, "n2", Ping(number))
    arrive(world, 104 * MS, "n2", Ping(4))
    world.run(200 * MS)
    times = [at // MS for at, _, _ in node(world, "n2").seen]
    assert times == [100, 104, 104, 104, 104]
    assert world.machines["n2"].busy_until == (104 + 3 + 4) * MS


def test_arrivals_at_one_node_are_handled_in_the_order_of_arrival() -> None:
    """Also where one arrives in the very nanosecond in which the node gets free: the waiting ones come first."""
    world = world_of(SILENT, service=SLOW, network=Network(latency=Constant(0), fifo=True))
    world.run(100 * MS)
    for number, at in enumerate((0, 1, 4)):  # busy from 100 to 104
        send(world, (100 + at) * MS, "n1", "n2", Ping(number))
    world.run(200 * MS)
    assert numbers(world, "n2") == [0, 1, 2]


def test_bytes_cost_cpu_time() -> None:
    def busy(byte: float) -> int:
        world = world_of(ECHOES, service=ServiceTimes(message=0, byte=byte, fsync=0, wakeup=0))
        arrive(world, MS, "n2", Ping(1))
        world.run(2 * MS)
        return world.machines["n2"].busy_until - MS

    assert busy(0.0) == 0
    assert busy(200.0) == 2 * busy(100.0) > 0


def test_a_slow_node_takes_its_factor_longer() -> None:
    def served(factor: float) -> int:
        world = world_of(ECHOES, service=SLOW, latency=0)
        world.machines["n2"].slow = factor
        world.run(100 * MS)
        arrive(world, 100 * MS, "n2", Ping(1), "n1")
        world.run(300 * MS)
        at: int = node(world, "n1").seen[0][0]
        return at - 100 * MS

    assert served(1.0) == 5 * MS, "a wakeup, the message in, the answer out"
    assert served(4.0) == 4 * served(1.0)


def test_throughput_follows_from_the_service_time() -> None:
    """A closed loop of one node against another: nothing but their CPUs bounds it."""
    world = world_of(SILENT, service=ServiceTimes(message=100_000, byte=0.0, fsync=0, wakeup=0))
    for number in range(1000):
        arrive(world, number * 1000, "n2", Ping(number))
    world.run(1)
    world.run(60 * MS)
    assert len(numbers(world, "n2")) == 1000, "accepted in batches"
    assert world.machines["n2"].busy_until == pytest.approx(1000 * 100_000, rel=0.05)


def test_what_a_batch_adds_up_to_is_held_back_with_it() -> None:
    """The batch end is a turn of its own that wrote nothing: its message waits for the writes of the batch."""
    world = world_of({"n1": lambda: Early(None), "n2": lambda: Silent(None), "n3": lambda: Silent(None)}, service=SLOW)
    arrive(world, 10 * MS, "n1", Put("a", 7), "n2")
    world.run(100 * MS)
    assert node(world, "n1").batches == 1
    assert numbers(world, "n3") == [1]
    assert node(world, "n1").synced != []


# --- timers and clocks -----------------------------------------------------------------------------------------------


def test_timers_fire_when_due_are_replaced_keyed_and_cancelled() -> None:
    world = world_of({"n1": lambda: Alarms(None), "n2": lambda: Echo(None)})
    arrive(world, 1000, "n1", Ping(), "n2")
    world.run(10_000)
    assert node(world, "n1").rang == [("b", 1, 1100), ("a", None, 1250), ("b", 3, 1300)]


def test_a_timer_put_off_by_an_earlier_turn_of_its_batch_does_not_fire() -> None:
    """The node is busy; its timer runs out; a message that waited before it puts the timer off."""
    world = world_of({"n1": lambda: Namer(None), "n2": lambda: Echo(None)}, service=SLOW)
    world.run(100 * MS)
    arrive(world, 100 * MS, "n1", Ping(0), "n2")  # sets the timer to 1 s later
    machine = world.machines["n1"]
    world.at(1095 * MS, lambda: setattr(machine, "busy_until", 1120 * MS))
    arrive(world, 1096 * MS, "n1", Ping(0), "n2")
    world.run(1119 * MS)
    deadline = machine.deadlines["tick"]
    world.run(1121 * MS)
    assert machine.deadlines["tick"] > deadline, "put off, not fired"
    world.run(3000 * MS)
    assert "tick" not in machine.deadlines, "fired in the end"


@pytest.mark.parametrize("ppm", [-200_000, -300, 0, 300, 333.3, 200_000])
def test_timers_run_by_the_nodes_own_clock(ppm: float) -> None:
    """A clock that runs fast fires early in true time; by its own reckoning no timer ever fires too early."""
    rate = 1 + ppm / 1e6
    world = world_of({"n1": lambda: AlarmClock(7 * MS + 1)}, boot=False)
    machine = world.machines["n1"]
    machine.clock.rate = rate
    world.boot(machine)
    world.run(1000 * MS)
    ticks = [local for local, _ in node(world, "n1").ticks]
    gaps = [after - before for before, after in pairwise(ticks)]
    assert len(gaps) == pytest.approx(1000 * rate / 7, abs=1)
    assert min(gaps) >= 7 * MS + 1
    assert max(gaps) <= 7 * MS + 3


# --- what is recorded ------------------------------------------------------------------------------------------------


def test_the_trace_pairs_each_send_with_its_arrival_or_loss() -> None:
    world = world_of(ECHOES, tracing=True, network=Network(latency=Uniform(0, MS), loss=0.3, duplication=0.3))
    for number in range(50):
        arrive(world, number * 1000, "n2", Ping(number), "n3")
    world.at(10 * MS, lambda: world.crash(world.machines["n3"]))
    world.run(20 * MS)
    assert world.trace is not None
    sends = {event.id: event for event in world.trace if event.kind == "send"}
    ends = [event for event in world.trace if event.kind in ("deliver", "drop") and event.id in sends]
    assert len(sends) > 30
    assert sorted(event.id for event in ends) == sorted(sends), "each copy ends exactly once"
    for event in ends:
        send = sends[event.id]
        assert (send.node, send.peer) == (event.peer, event.node)
        assert send.at <= event.at
        assert send.what == event.what
    assert any(event.kind == "drop" for event in ends)


def test_the_trace_says_what_happened_and_nothing_else() -> None:
    world = world_of({"n1": lambda: Roster(None), "n2": lambda: Early(None), "c1": lambda: Prompt(None)}, tracing=True)
    world.at(10, lambda: world.admin(world.machines["n1"], Drain()))
    arrive(world, 20, "n2", Put("a", 1), "n1")
    world.run(100)
    assert world.trace is not None
    kinds = [(event.kind, event.node) for event in world.trace if event.node == "n1"]
    assert kinds == [("boot", "n1")], "an operator's word is neither a request of a client nor a sync"
    assert [event.kind for event in world.trace if event.node == "n2"].count("request") == 0


def test_tracing_codec_and_stepping_do_not_change_the_run() -> None:
    def hashed(**options: Any) -> str | None:
        world = world_of(ECHOES, latency=Uniform(0, MS), **options)
        for number in range(30):
            arrive(world, number * 100_000, f"n{1 + number % 3}", Ping(number), f"n{1 + (number + 1) % 3}")
        world.run(10 * MS)
        return world.trace_hash()

    assert hashed() == hashed(tracing=True) == hashed(codec=True) == hashed(tracing=True, codec=True)
    assert hashed(hashing=False) is None


def test_the_hash_tells_runs_apart() -> None:
    """By time, place and content: whatever of these differs is another run."""

    def hashed(at: int, to: str, number: int, source: str) -> str | None:
        world = world_of({f"n{i}": lambda: Silent(None) for i in (1, 2, 3)})
        arrive(world, at, to, Ping(number), source)
        world.run(MS)
        return world.trace_hash()

    runs = [(10, "n1", 1, "n2"), (11, "n1", 1, "n2"), (10, "n3", 1, "n2"), (10, "n1", 2, "n2")]
    assert len({hashed(*run) for run in runs}) == len(runs)


def test_the_same_seed_is_the_same_run_in_another_process() -> None:
    script = (
        "from tests.toys.worlds import *; from tests.toys.small import *; from bench.network import Uniform\n"
        "w = world_of({f'n{i}': (lambda: Echo(None)) for i in range(1, 9)}, seed=5, latency=Uniform(0, MS))\n"
        "[arrive(w, i * 1000, f'n{1 + i % 8}', Ping(i), f'n{1 + (i + 3) % 8}') for i in range(200)]\n"
        "w.run(50 * MS); print(w.trace_hash())"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("0", "1")
    }
    assert len(hashes) == 1
    assert len(hashes.pop().strip()) == 32


# --- trust -----------------------------------------------------------------------------------------------------------


def test_nobody_signs_for_another() -> None:
    world = world_of({"n1": lambda: Signer(None), "n2": lambda: Signer(None)})
    one, two = node(world, "n1").ctx, node(world, "n2").ctx
    signature = one.sign(b"x")
    assert two.verify("n1", b"x", signature)
    assert not two.verify("n1", b"y", signature)
    assert not two.verify("n2", b"x", signature)
    assert two.sign(b"x") != signature
    other = world_of({"n1": lambda: Signer(None)}, seed=2)
    assert not node(other, "n1").ctx.verify("n1", b"x", signature), "keys are of the trial"


def test_ten_machines_that_need_no_randomness_make_none() -> None:
    """Ten thousand generators would cost 25 MB."""
    world = world_of({f"n{number}": lambda: Silent(None) for number in range(10)})
    world.run(MS)
    assert all(machine.rng._random is None for machine in world.machines.values())
    assert all(machine.engine is not None and machine.engine._rng is None for machine in world.machines.values())


def test_randomness_is_the_seeds() -> None:
    world, again, other = (world_of(ECHOES, seed=seed) for seed in (1, 1, 2))
    draws = [[node_rng(each, name).random() for name in ECHOES] for each in (world, again, other)]
    assert draws[0] == draws[1] != draws[2]
    assert len(set(draws[0])) == 3, "each node has its own"


def node_rng(world: World, name: str) -> Random:
    engine = world.machines[name].engine
    assert engine is not None
    return engine.rng


def test_a_free_service_is_really_free() -> None:
    world = world_of(ECHOES, service=FREE, latency=0)
    arrive(world, 10, "n2", Ping(1), "n3")
    world.run(10)
    assert node(world, "n3").seen == [(10, "n2", 1)]
