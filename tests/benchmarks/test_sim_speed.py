"""How fast the simulator is. The bars hold with ``pytest tests/benchmarks --benchmark-enable``; else it only runs."""

from __future__ import annotations

import os
import subprocess
import sys
from heapq import heappop, heappush
from itertools import count
from time import perf_counter
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.network import Constant, Network
from bench.runtime.sim.world import World
from bench.trial import ServiceTimes
from protocols.consensus.raft import ClientConfig, RaftConfig, family
from protocols.node import Outcome
from protocols.requests import Read, Write

MS = 1_000_000
SECOND = 1000 * MS
CLIENTS = 16
EVENTS_A_SECOND = 150_000
EVENTS_A_SECOND_WATCHED = 40_000
HEAP_SHARE = 0.1
IDLE_HOUR_S = 20
GIB = 2**30
NODES = 10_000


def raft(clients: int, **options: Any) -> World:
    """Five servers and clients that each keep one operation under way: three reads to one write."""
    numbers = count()

    def answered(client: str, operation: int, outcome: Outcome, at: int) -> None:
        machine = world.machines[client]
        world.at(at, lambda: world.request(machine, operation + 1, request()))

    def request() -> Read | Write:
        number = next(numbers)
        key = f"k{number % 16}"
        return Read(key) if number % 4 else Write(key, number.to_bytes(8, "big"))

    service = ServiceTimes(message=5_000, byte=0.0, fsync=250_000, wakeup=10_000)
    world = World(1, Network(latency=Constant(MS // 10)), service, on_reply=answered, **options)
    for number in range(1, 6):
        world.add(f"n{number}", lambda: family.server(RaftConfig()), server=True)
    for number in range(1, clients + 1):
        world.add(f"c{number}", lambda: family.client(ClientConfig()), server=False)
    for machine in world.machines.values():
        world.boot(machine)
    world.run(SECOND)
    assert any(mark.name == "committed" for mark in world.marks)
    for number, machine in enumerate(world.clients):
        world.request(machine, number << 40, request())
    return world


def bare_heap(events: int) -> float:
    """Events a second of a loop that does nothing but take the next event and put another: what Python allows."""
    heap: list[tuple[int, int, int, Any, Any, Any]] = []
    sequence = count()
    for number in range(100):
        heappush(heap, (number * 7919 % 1000, next(sequence), 0, None, None, None))
    began = perf_counter()
    for _ in range(events):
        time, _sequence, code, machine, a, b = heappop(heap)
        heappush(heap, (time + 1000, next(sequence), code, machine, a, b))
    return events / (perf_counter() - began)


def measured(benchmark: BenchmarkFixture, length: int, **options: Any) -> float:
    """Events a second of the Raft world over ``length`` ns of virtual time, best of three."""
    rates = []

    def setup() -> tuple[tuple[World], dict[str, Any]]:
        return (raft(CLIENTS, **options),), {}

    def run(world: World) -> None:
        before, began = world.events, perf_counter()
        world.run(world.now + length)
        rates.append((world.events - before) / (perf_counter() - began))
        assert world.violations == []

    benchmark.pedantic(run, setup=setup, rounds=3 if benchmark.enabled else 1)
    heap = max(bare_heap(200_000 if benchmark.enabled else 10_000) for _ in range(3))
    benchmark.extra_info.update(
        {
            "events_a_second": round(max(rates)),
            "bare_heap_events_a_second": round(heap),
            "share_of_bare_heap": round(max(rates) / heap, 4),
        }
    )
    return max(rates)


def test_raft_under_load(benchmark: BenchmarkFixture) -> None:
    """Tracing, codec, hash and invariants off."""
    rate = measured(benchmark, 2 * SECOND if benchmark.enabled else SECOND // 10, hashing=False)
    if benchmark.enabled:
        assert rate > EVENTS_A_SECOND or benchmark.extra_info["share_of_bare_heap"] > HEAP_SHARE


def test_raft_under_load_with_invariants_and_hash(benchmark: BenchmarkFixture) -> None:
    rate = measured(benchmark, SECOND if benchmark.enabled else SECOND // 10, invariants=family.invariants())
    if benchmark.enabled:
        assert rate > EVENTS_A_SECOND_WATCHED


def test_an_idle_hour(benchmark: BenchmarkFixture) -> None:
    """Five servers with nothing to do but heartbeats."""
    world = raft(0, hashing=False)
    length = 3600 * SECOND if benchmark.enabled else 20 * SECOND

    def run() -> None:
        world.run(world.now + length)

    benchmark.pedantic(run, rounds=1)
    assert len([mark for mark in world.marks if mark.name == "elected"]) == 1, "one leader all the time"
    if benchmark.enabled:
        benchmark.extra_info["events"] = world.events
        assert benchmark.stats.stats.max < IDLE_HOUR_S


SCRIPT = r"""
import re, sys
from pathlib import Path
from tests.toys.small import Echo, Ping
from tests.toys.worlds import MS, send, world_of
nodes = int(sys.argv[1])
def peak():  # not ru_maxrss: that begins with what the parent used when it forked
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
before = peak()
world = world_of({f"n{number}": (lambda: Echo(None)) for number in range(nodes)}, hashing=False)
for number in range(nodes):
    send(world, number * 1000, f"n{number}", f"n{(number + 1) % nodes}", Ping(number))
world.run(1000 * MS)
answered = sum(len(machine.engine.node.seen) for machine in world.machines.values())
after = peak()
print(answered, before * 1024, after * 1024)
"""


def test_ten_thousand_trivial_nodes(benchmark: BenchmarkFixture) -> None:
    """Each sends its neighbour a ping and gets a pong: peak memory of a process of its own."""
    nodes = NODES if benchmark.enabled else NODES // 10

    def run() -> str:
        return subprocess.run(
            [sys.executable, "-c", SCRIPT, str(nodes)], capture_output=True, text=True, check=True, env=dict(os.environ)
        ).stdout

    answered, before, after = map(int, benchmark.pedantic(run, rounds=1).split())
    assert answered == 2 * nodes
    benchmark.extra_info.update({"peak_rss": after, "bytes_a_node": (after - before) // nodes})
    assert after < GIB * (1 if benchmark.enabled else 0.5)


@pytest.mark.parametrize("nodes", [100, 1000])
def test_booting_is_linear_in_the_number_of_nodes(benchmark: BenchmarkFixture, nodes: int) -> None:
    from tests.toys.small import Echo
    from tests.toys.worlds import world_of

    def boot() -> World:
        return world_of({f"n{number}": (lambda: Echo(None)) for number in range(nodes)}, hashing=False)

    world = benchmark.pedantic(boot, rounds=3 if benchmark.enabled else 1)
    assert len(world.bootstrap) == nodes
