"""How fast SWIM is in the simulator with a thousand and ten thousand members. Bars hold with --benchmark-enable."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

GIB = 2**30
VIRTUAL_S = 60
SCRIPT = r"""
import re, sys
from pathlib import Path
from time import perf_counter
from bench.network import Constant, Network
from bench.runtime.sim.world import World
from bench.trial import ServiceTimes
from protocols.membership.swim import Server, SwimConfig
MS = 1_000_000
members, seconds = int(sys.argv[1]), int(sys.argv[2])
began = perf_counter()
world = World(1, Network(latency=Constant(MS // 2)), ServiceTimes(byte=0.0), hashing=False)
config = SwimConfig()
for number in range(members):
    world.add(f"n{number + 1}", lambda: Server(config), server=True)
for machine in world.servers:
    world.boot(machine)
booted = perf_counter()
world.run(seconds * 1000 * MS // 6)
world.crash(world.machines["n2"])
world.run(seconds * 1000 * MS)
ran = perf_counter()
knowing = {mark.node for mark in world.marks if mark.name == "deemed_down"}
about = {mark.fields["subject"] for mark in world.marks if mark.name == "deemed_down"}
peak = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024
print(len(knowing), len(about), booted - began, ran - booted, peak, world.events)
"""


@pytest.mark.alone
@pytest.mark.parametrize(("members", "times", "memory"), [(1_000, 20, GIB), (10_000, 1, 4 * GIB)])
def test_swim_is_faster_than_real_time(benchmark: BenchmarkFixture, members: int, times: int, memory: int) -> None:
    """memberlist's defaults; one member crashes after a sixth of the time, and in the end all others know."""
    size, seconds = (members, VIRTUAL_S) if benchmark.enabled else (members // 20, 40)

    def run() -> str:
        command = [sys.executable, "-c", SCRIPT, str(size), str(seconds)]
        return subprocess.run(command, capture_output=True, text=True, check=True, env=dict(os.environ)).stdout

    knowing, about, booting, running, peak, events = map(float, benchmark.pedantic(run, rounds=1).split())
    assert (knowing, about) == (size - 1, 1), "everybody deems the dead one down, and nobody else"
    benchmark.extra_info.update(
        {
            "boot_s": round(booting, 2),
            "run_s": round(running, 2),
            "times_real_time": round(seconds / running, 1),
            "peak_rss": int(peak),
            "events_a_second": round(events / running),
        }
    )
    if benchmark.enabled:
        print(
            f"SWIM, {size} members, {seconds} virtual seconds in {running:.1f} s ({seconds / running:.1f} times real "
            f"time), after {booting:.1f} s of boot; {peak / GIB:.2f} GiB; {events / running:,.0f} events/s"
        )
        assert seconds / (booting + running) > times
        assert peak < memory
