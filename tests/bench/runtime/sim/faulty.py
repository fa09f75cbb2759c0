"""Five servers, two clients, and somebody to break them."""

from __future__ import annotations

from typing import Any

from bench.runtime.sim.faults import Injector
from bench.runtime.sim.world import World
from protocols.node import Node
from tests.toys.small import Echo
from tests.toys.worlds import Prompt, family_of, world_of

SERVERS = ("n1", "n2", "n3", "n4", "n5")


def setup(make: type[Node] = Echo, seed: int = 1, **options: Any) -> tuple[World, Injector]:
    """Five servers, two clients, and somebody to break them."""
    makes = {name: (lambda: make(None)) for name in SERVERS} | {name: (lambda: Prompt(None)) for name in ("c1", "c2")}
    world = world_of(makes, seed=seed, latency=0, **options)
    return world, Injector(world, family_of(make), seed, {"east": ("n1", "n2")})


def up(world: World) -> list[str]:
    return [name for name in SERVERS if world.machines[name].engine is not None]


def reached(world: World, source: str) -> set[str]:
    """Whom a message from ``source`` reaches now."""
    return {
        name
        for name in SERVERS
        if name != source and not world.link(world.machines[source], name).cuts and world.machines[name].engine
    }


def graph(world: World) -> dict[str, set[str]]:
    return {name: reached(world, name) for name in SERVERS}
