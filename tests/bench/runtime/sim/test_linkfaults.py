"""Faults of links in the simulated world: partitions, slowness, loss."""

from __future__ import annotations

import itertools

import pytest

from bench.faults.spec import (
    LossyLink,
    Partition,
    RetryStorm,
    SlowLink,
)
from bench.network import Constant
from bench.runtime.sim.world import World
from tests.toys.small import Ping
from tests.toys.worlds import MS, node, send

from .faulty import SERVERS, graph, reached, setup


def split(shape: str, target: str = "n3", seed: int = 1) -> World:
    world, injector = setup(seed=seed)
    injector.schedule(Partition(at=10, shape=shape, target=target, length=100))  # type: ignore[arg-type]
    world.run(50)
    return world


@pytest.mark.parametrize("seed", range(5))
def test_halves(seed: int) -> None:
    """Two sides: within them everything passes, between them nothing; the target is in the smaller one."""
    seen = graph(split("halves", seed=seed))
    side = {"n3", *seen["n3"]}
    assert len(side) == 2
    for name in SERVERS:
        mine = side if name in side else set(SERVERS) - side
        assert seen[name] == mine - {name}


def test_isolate() -> None:
    seen = graph(split("isolate"))
    assert seen["n3"] == set()
    assert all(seen[name] == set(SERVERS) - {name, "n3"} for name in SERVERS if name != "n3")


def test_one_way() -> None:
    """It is heard and does not hear: the half-dead leader of CheckQuorum."""
    seen = graph(split("one-way"))
    assert seen["n3"] == set(SERVERS) - {"n3"}
    assert all("n3" not in seen[name] for name in SERVERS)
    assert all(seen[name] == set(SERVERS) - {name, "n3"} for name in SERVERS if name != "n3")


@pytest.mark.parametrize("seed", range(5))
def test_bridge(seed: int) -> None:
    seen = graph(split("bridge", seed=seed))
    assert seen["n3"] == set(SERVERS) - {"n3"}
    sides = {frozenset(seen[name] | {name}) - {"n3"} for name in SERVERS if name != "n3"}
    assert sorted(len(side) for side in sides) == [2, 2]


@pytest.mark.parametrize("seed", range(5))
def test_majority_ring(seed: int) -> None:
    """Every server hears a majority, no two the same one, and no majority is a clique."""
    seen = graph(split("majority-ring", seed=seed))
    hears = {name: frozenset({name} | {other for other in SERVERS if name in seen[other]}) for name in SERVERS}
    assert all(len(each) >= 3 for each in hears.values())
    assert len(set(hears.values())) == 5
    for group in itertools.combinations(SERVERS, 4):
        assert not all(b in seen[a] for a, b in itertools.permutations(group, 2))


@pytest.mark.parametrize("shape", ["halves", "isolate", "one-way", "bridge", "majority-ring"])
def test_a_partition_heals(shape: str) -> None:
    world, injector = setup()
    injector.schedule(Partition(at=10, shape=shape, target="random", length=100))  # type: ignore[arg-type]
    world.run(50)
    assert graph(world) != {name: set(SERVERS) - {name} for name in SERVERS}
    world.run(111)
    assert graph(world) == {name: set(SERVERS) - {name} for name in SERVERS}
    assert all(link.plain for machine in world.machines.values() for link in machine.links.values())


def test_overlapping_partitions_end_one_at_a_time() -> None:
    world, injector = setup()
    injector.schedule(Partition(at=10, shape="isolate", target="n1", length=50))
    injector.schedule(Partition(at=20, shape="isolate", target="n1", length=100))
    world.run(70)
    assert reached(world, "n1") == set()
    world.run(130)
    assert reached(world, "n1") == set(SERVERS) - {"n1"}


def test_a_retry_storm_cuts_the_clients_off() -> None:
    world, injector = setup()
    injector.schedule(RetryStorm(at=10, length=100))
    world.run(50)
    assert all(world.link(client, name).cuts for client in world.clients for name in SERVERS)
    assert all(world.link(world.machines[name], client.name).cuts for client in world.clients for name in SERVERS)
    assert reached(world, "n1") == set(SERVERS) - {"n1"}, "servers still talk"


def test_a_slow_link_slows_both_directions_and_recovers() -> None:
    world, injector = setup()
    injector.schedule(SlowLink(at=0, target="n2", extra=Constant(7 * MS), length=50 * MS))
    send(world, MS, "n1", "n2", Ping(1))
    send(world, MS, "n1", "n3", Ping(2))
    send(world, 60 * MS, "n1", "n2", Ping(3))
    world.run(100 * MS)
    assert [(at // MS, number) for at, _, number in node(world, "n1").seen] == [(1, 2), (15, 1), (60, 3)]


def test_a_lossy_link_loses_and_recovers() -> None:
    world, injector = setup()
    injector.schedule(LossyLink(at=0, target="n2", loss=0.9, duplication=0.5, length=50))
    world.run(10)
    link = world.link(world.machines["n1"], "n2")
    assert (link.loss, link.duplication, link.plain) == (0.9, 0.5, False)
    assert world.link(world.machines["n1"], "n3").loss == 0
    world.run(100)
    assert (link.loss, link.duplication, link.plain) == (0.0, 0.0, True)


def test_overlapping_lossy_links_end_one_at_a_time() -> None:
    """The shorter one's end must not heal what the longer one still does."""
    world, injector = setup()
    injector.schedule(LossyLink(at=0, target="n2", loss=0.3, duplication=0.4, length=100))
    injector.schedule(LossyLink(at=10, target="n2", loss=0.5, length=20))
    link = world.link(world.machines["n1"], "n2")
    seen = []
    for until in (5, 20, 60, 200):
        world.run(until)
        seen.append((link.loss, link.duplication))
    assert seen == [(0.3, 0.4), (0.5, 0.4), (0.3, 0.4), (0.0, 0.0)]
