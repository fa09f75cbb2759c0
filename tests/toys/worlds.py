"""Worlds of toys: build one, say who sends what when, and look at what happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from heapq import heappush
from typing import Any

import msgspec

from bench.network import Constant, Latency, Network
from bench.runtime.sim.machine import Machine
from bench.runtime.sim.world import DELIVER, World
from bench.trial import ServiceTimes
from protocols.family import Family, Invariant
from protocols.node import Context, Durable, Node, Ok, on_request
from protocols.requests import Cas, Read, Write

MS = 1_000_000
FREE = ServiceTimes(message=0, byte=0.0, fsync=0, wakeup=0, fence=0)
"""Work costs nothing: what is measured is the rest."""
SLOW = ServiceTimes(message=1 * MS, byte=0.0, fsync=10 * MS, wakeup=3 * MS, fence=20 * MS)
"""Work takes long enough to be interrupted."""


def world_of(
    makes: Mapping[str, Callable[[], Node]],
    *,
    seed: int = 1,
    network: Network | None = None,
    latency: Latency | int = MS,
    service: ServiceTimes = FREE,
    boot: bool = True,
    **options: Any,
) -> World:
    """Machines by name, in that order; names that begin with ``c`` are clients."""
    if network is None:
        network = Network(latency=Constant(latency) if isinstance(latency, int) else latency)
    world = World(seed, network, service, **options)
    for name, make in makes.items():
        world.add(name, make, server=not name.startswith("c"))
    if boot:
        for machine in world.machines.values():
            world.boot(machine)
    return world


def node(world: World, name: str) -> Any:
    """The node of the machine's present life."""
    engine = world.machines[name].engine
    assert engine is not None, f"{name} is down"
    return engine.node


def numbers(world: World, name: str) -> list[int]:
    """What arrived there, in order."""
    return [number for _, _, number in node(world, name).seen]


def arrive(world: World, at: int, to: str, message: Any, source: str = "n1") -> None:
    """A message from ``source`` reaches ``to`` at that time, whatever the links do."""
    heappush(world._heap, (at, next(world._sequence), DELIVER, world.machines[to], source, message))


def send(world: World, at: int, source: str, to: str, message: Any) -> None:
    """``source`` hands a message to its link to ``to`` at that time."""

    def hand_over() -> None:
        machine: Machine = world.machines[source]
        assert machine.engine is not None
        machine.engine.sends.append((to, message))
        world._release(machine, machine.engine, world.now)

    world.at(at, hand_over)


class NoConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A toy has no parameters."""

    def validate(self, nodes: int) -> None:
        """Nothing can be wrong."""


class Prompt(Node):
    """A client that answers by itself: it always serves."""

    def start(self, ctx: Context, durable: Durable) -> None:
        self.operations = 0

    @on_request(Read, Write, Cas)
    def request(self, ctx: Context, operation: int, request: Any) -> None:
        self.operations += 1
        ctx.reply(operation, Ok(None))


class Stuck(Prompt):
    """Serves for a while and then answers nobody: safe because it stopped."""

    @on_request(Read, Write, Cas)
    def request(self, ctx: Context, operation: int, request: Any) -> None:
        self.operations += 1
        if self.operations <= 5:
            ctx.reply(operation, Ok(None))


def family_of(
    server: type[Node], client: type[Node] = Prompt, invariants: Callable[[], list[Invariant]] = list
) -> Family:
    """A family of toys, for whole trials."""
    return Family(
        name="toy",
        summary="",
        paper="",
        server=server,
        client=client,
        server_config=NoConfig,
        client_config=NoConfig,
        invariants=invariants,
        model="none",
    )
