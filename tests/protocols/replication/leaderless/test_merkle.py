"""Trees, and what it costs to find ten differing keys among a hundred thousand."""

from __future__ import annotations

import time
from random import Random

from bench.network.latency import Constant
from bench.network.spec import Network
from bench.runtime.sim.world import World
from bench.runtime.sizes import size_of
from bench.trial import ServiceTimes
from protocols.partitioning.ring import token
from protocols.replication.leaderless import Server, ServerConfig
from protocols.replication.leaderless.items import Item, Sibling, Version
from protocols.replication.leaderless.merkle import Tree

MS = 1_000_000


def test_equal_data_equal_roots_in_whatever_order_it_came() -> None:
    rng = Random(1)
    keys = [f"k{number}" for number in range(300)]
    one, other = Tree(3), Tree(3)
    for key in keys:
        one.put(key, token(key), 7)
    one.hash(0, 0)  # computed once, and kept up to date from here on
    for key in rng.sample(keys, 300):
        other.put(key, token(key), 3)
    other.hash(0, 0)
    for key in rng.sample(keys, 300):
        other.put(key, token(key), 7)
    assert one.hash(0, 0) == other.hash(0, 0) != 0
    other.put("k5", token("k5"), 8)
    assert one.hash(0, 0) != other.hash(0, 0)
    other.put("k5", token("k5"), 0)
    one.put("k5", token("k5"), 0)
    assert one.hash(0, 0) == other.hash(0, 0)


def test_descending_finds_exactly_what_differs() -> None:
    one, other = Tree(3), Tree(3)
    for number in range(500):
        key = f"k{number}"
        one.put(key, token(key), 7)
        other.put(key, token(key), 7 if number % 100 else 9)
    indices = [0]
    for level in range(3):
        indices = [child for at in indices for child in one.differing(level, at, other.children(level, at))]
    assert sorted(indices) == sorted({one.leaf_of(token(f"k{number}")) for number in range(0, 500, 100)})


def test_ten_differing_keys_of_a_hundred_thousand_move_less_than_a_hundredth() -> None:
    """Two servers that keep the same 100,000 keys but for ten: what they send until they are equal."""
    keys, value = 100_000, bytes(100)
    items = {f"key-{number:06}": Item((), (Sibling(Version(1, "c1"), value, False, 1),)) for number in range(keys)}
    world = World(1, Network(latency=Constant(MS)), ServiceTimes(), hashing=False)
    config = ServerConfig(tree_depth=4, anti_entropy_s=1.0, replicas=2)
    for name in ("n1", "n2"):
        machine = world.add(name, lambda: Server(config), server=True)
        machine.disk.synced.keys.update({f"item:{key}": item for key, item in items.items()})
    newer = Item((), (Sibling(Version(2, "c1"), value, False, 2),))
    for number in range(10):
        key = f"key-{number * 9_001:06}"
        world.machines["n1"].disk.synced.keys[f"item:{key}"] = newer
    for machine in world.servers:
        world.boot(machine)
    world.weighing = True
    began = time.process_time()
    one, two = (machine.engine.node for machine in world.servers)  # type: ignore[union-attr]
    while one.store != two.store and world.now < 60_000 * MS:  # type: ignore[attr-defined]
        world.run(world.now + 100 * MS)
    assert one.store == two.store  # type: ignore[attr-defined]
    data = sum(size_of(key) + size_of(item) for key, item in items.items())
    share = world.weighed / data
    print(f"moved {world.weighed:,} of {data:,} bytes: {share:.3%}, {time.process_time() - began:.1f} s")
    assert share < 0.01
