"""A server that has forgotten what it promised."""

from __future__ import annotations

import pytest

from bench.network.latency import Constant
from bench.network.spec import Network
from bench.runtime.sim.world import World
from bench.trial import ServiceTimes
from protocols.consensus.raft.server import AMNESIAC
from protocols.registry import load

MS = 1_000_000


@pytest.mark.parametrize("corrupt", [False, True])
def test_it_stays_silent_in_all_its_later_lives(corrupt: bool) -> None:
    """The disk tells of the damage once: what was damaged is cut off then, and the next boot finds it in order."""
    family = load("raft")
    world = World(1, Network(latency=Constant(MS)), ServiceTimes(message=0, wakeup=0, fsync=0))
    for name in ("n1", "n2", "n3"):
        world.add(name, lambda: family.server(family.server_config()), server=True)
    for machine in world.machines.values():
        world.boot(machine)
    world.run(2000 * MS)
    machine = world.machines["n2"]
    world.crash(machine)
    machine.disk.lose(corrupt=corrupt)
    for _ in range(3):
        world.boot(machine)
        world.run(world.now + 500 * MS)
        assert machine.engine is not None
        assert machine.engine.node.inspect().role == AMNESIAC
        world.crash(machine)
        machine.disk.lost, machine.disk.corrupt = False, 0  # as live, where recovery has cut it off
