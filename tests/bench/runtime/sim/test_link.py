"""Directed links: order, loss, duplication, bandwidth, cuts."""

from __future__ import annotations

from random import Random

import pytest

from bench.network import Constant, Exponential, Lognormal, Network, Uniform
from bench.network.spec import Regions
from bench.runtime.sim.link import Link, latency_between
from bench.runtime.sim.machine import Machine
from protocols.node import Node
from tests.toys.small import Echo, Ping, Silent
from tests.toys.worlds import MS, arrive, node, send, world_of


def link(network: Network, seed: int = 1) -> Link:
    return Link(Machine("n2", 1, True, lambda: Node(None), "x"), network.latency, network, Random(seed), True)


def test_each_message_is_delayed_independently_so_messages_overtake() -> None:
    """A link is not a 1/latency pipe: a thousand messages are under way at once, and in any order."""
    each = link(Network(latency=Exponential(10 * MS)))
    arrivals = [each.arrivals(number, 0)[0] for number in range(1000)]
    assert arrivals != sorted(arrivals)
    assert sum(arrivals) / 1000 == pytest.approx(10 * MS, rel=0.15)
    assert max(arrivals) < 150 * MS


def test_a_fifo_link_keeps_the_order_of_sending() -> None:
    each = link(Network(latency=Exponential(10 * MS), fifo=True, duplication=0.2))
    arrivals = [at for number in range(1000) for at in each.arrivals(number, 0)]
    assert arrivals == sorted(arrivals)


@pytest.mark.parametrize("fifo", [True, False])
def test_order_as_a_node_sees_it(fifo: bool) -> None:
    network = Network(latency=Uniform(0, 5 * MS), fifo=fifo)
    world = world_of({"n1": lambda: Silent(None), "n2": lambda: Silent(None)}, network=network)
    for number in range(100):
        send(world, number * MS // 10, "n1", "n2", Ping(number))
    world.run(100 * MS)
    seen = [number for _, _, number in node(world, "n2").seen]
    assert sorted(seen) == list(range(100))
    assert (seen == sorted(seen)) == fifo


def test_the_two_directions_are_two_links() -> None:
    world = world_of({"n1": lambda: Echo(None), "n2": lambda: Echo(None)})
    there, back = world.link(world.machines["n1"], "n2"), world.link(world.machines["n2"], "n1")
    assert there is not back
    there.cuts += 1
    there.settle()
    send(world, 0, "n1", "n2", Ping(1))
    send(world, 0, "n2", "n1", Ping(2))
    world.run(5 * MS)
    assert node(world, "n2").seen == []
    assert [number for _, _, number in node(world, "n1").seen] == [2]


def test_loss_and_duplication_happen_as_often_as_asked() -> None:
    each = link(Network(latency=Constant(5), loss=0.2, duplication=0.1))
    copies = [len(each.arrivals(0, 0)) for _ in range(20_000)]
    assert copies.count(0) / 20_000 == pytest.approx(0.2, abs=0.02)
    assert copies.count(2) / (20_000 - copies.count(0)) == pytest.approx(0.1, abs=0.02)


def test_a_copy_has_a_delay_of_its_own() -> None:
    each = link(Network(latency=Uniform(0, 100 * MS), duplication=0.9))
    pairs = [arrivals for _ in range(100) if len(arrivals := each.arrivals(0, 0)) == 2]
    assert sum(first != second for first, second in pairs) > 70


def test_bandwidth_queues_one_message_behind_the_other_and_the_delay_comes_on_top() -> None:
    each = link(Network(latency=Constant(10 * MS), bandwidth=1e6))  # 1 byte a microsecond
    assert [each.arrivals(0, 1000)[0] for _ in range(3)] == [11 * MS, 12 * MS, 13 * MS]
    assert each.arrivals(50 * MS, 1000) == (61 * MS,), "an idle link does not save up"


def test_a_cut_loses_what_is_sent_and_not_what_is_under_way() -> None:
    world = world_of({"n1": lambda: Silent(None), "n2": lambda: Silent(None)}, latency=10 * MS)
    cut = world.link(world.machines["n1"], "n2")

    def set_cuts(cuts: int) -> None:
        cut.cuts = cuts
        cut.settle()

    send(world, 0, "n1", "n2", Ping(1))
    world.at(5 * MS, lambda: set_cuts(1))
    send(world, 6 * MS, "n1", "n2", Ping(2))
    world.at(7 * MS, lambda: set_cuts(0))
    send(world, 8 * MS, "n1", "n2", Ping(3))
    world.run(50 * MS)
    assert [number for _, _, number in node(world, "n2").seen] == [1, 3]


def test_a_slow_link_adds_to_the_delay() -> None:
    each = link(Network(latency=Constant(5)))
    each.extra.append(lambda: 100)
    each.extra.append(lambda: 1000)
    each.settle()
    assert not each.plain
    assert each.arrivals(0, 0) == (1105,)


@pytest.mark.parametrize(
    "network",
    [Network(loss=0.1), Network(duplication=0.1), Network(fifo=True), Network(bandwidth=1.0)],
)
def test_the_fast_path_is_for_links_that_only_delay(network: Network) -> None:
    assert link(Network(latency=Exponential(5))).plain
    assert not link(network).plain


def test_a_link_is_seeded_by_its_ends() -> None:
    """So that what one link draws does not depend on what others carry."""

    def times(extra: bool) -> list[int]:
        makes = {name: (lambda: Silent(None)) for name in ("n1", "n2", "n3")}
        world = world_of(makes, network=Network(latency=Exponential(MS)))
        for number in range(20):
            send(world, number, "n1", "n2", Ping(number))
            if extra:
                send(world, number, "n1", "n3", Ping(number))
        world.run(50 * MS)
        return [at for at, _, _ in node(world, "n2").seen]

    assert times(True) == times(False)


def test_regions_decide_who_is_far() -> None:
    regions = Regions(names=("here", "there"), rtt=((2 * MS, 80 * MS), (80 * MS, 4 * MS)), place=(0, 0, 1))
    network = Network(latency=Constant(1), regions=regions)
    assert latency_between(network, 0, 1, False) == Constant(1 * MS)
    assert latency_between(network, 0, 2, False) == Constant(40 * MS)
    assert latency_between(network, 2, 5, False) == Constant(2 * MS), "places wrap around"
    wide = Regions(names=regions.names, rtt=regions.rtt, sigma=0.5, place=regions.place)
    assert latency_between(Network(regions=wide), 0, 2, True) == Lognormal(40 * MS, 0.5)


def test_clients_may_be_elsewhere() -> None:
    network = Network(latency=Constant(1), client_latency=Constant(9))
    makes = {"n1": lambda: Echo(None), "n2": lambda: Echo(None), "c1": lambda: Echo(None)}
    world = world_of(makes, network=network)
    arrive(world, 100, "n1", Ping(1), "c1")
    arrive(world, 200, "n1", Ping(2), "n2")
    world.run(1000)
    assert node(world, "c1").seen == [(109, "n1", 1)]
    assert node(world, "n2").seen == [(201, "n1", 2)]
    assert world.link(world.machines["n1"], "n2").between_servers
    assert not world.link(world.machines["n1"], "c1").between_servers


def test_a_message_to_nobody_is_dropped() -> None:
    world = world_of({"n1": lambda: Silent(None)})
    send(world, 0, "n1", "n99", Ping(1))
    world.run(MS)
    assert world.dropped == 1


def test_what_a_node_sends_to_itself_crosses_no_network() -> None:
    network = Network(latency=Constant(50 * MS), loss=0.9, duplication=0.5, bandwidth=1.0)
    world = world_of({"n1": lambda: Silent(None)}, network=network)
    for number in range(50):
        send(world, number, "n1", "n1", Ping(number))
    world.run(MS)
    assert [number for _, _, number in node(world, "n1").seen] == list(range(50))
