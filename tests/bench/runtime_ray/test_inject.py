"""Injected trouble: the same numbers as the specification, and timers that keep to them."""

from __future__ import annotations

import asyncio
import time
from random import Random
from statistics import median
from time import monotonic_ns

import pytest

from bench.network.latency import Constant, Uniform
from bench.network.spec import Network
from bench.runtime.ray.alarm import Alarm
from bench.runtime.ray.inject import Injector
from bench.runtime.ray.orders import LinkTrouble

MS = 1_000_000


NOW = Constant(0)
HEALTHY = Network()


def injector(network: Network = HEALTHY, latency: Constant | Uniform = NOW) -> Injector:
    return Injector(latency, network, Random("seed"))


def test_a_healthy_link_is_left_alone() -> None:
    assert injector().plain
    assert injector().arrivals(5, 0) == (5,)


def test_delay_counts_from_the_time_of_sending() -> None:
    assert injector(latency=Constant(3 * MS)).arrivals(10 * MS, 0) == (13 * MS,)


def test_the_same_seed_gives_the_same_fate() -> None:
    network = Network(loss=0.2, duplication=0.3)
    one, other = (injector(network, Uniform(MS, 5 * MS)) for _ in range(2))
    fates = [one.arrivals(0, 0) for _ in range(2000)]
    assert fates == [other.arrivals(0, 0) for _ in range(2000)]
    assert 0.17 < sum(not fate for fate in fates) / 2000 < 0.23
    assert 0.26 < sum(len(fate) == 2 for fate in fates) / sum(bool(fate) for fate in fates) < 0.34


def test_faults_come_on_top_and_go_again() -> None:
    link = injector(latency=Constant(MS))
    link.settle(LinkTrouble(cut=True))
    assert link.arrivals(0, 0) == () and link.dropped == 1
    link.settle(LinkTrouble(extra=(Constant(2 * MS), Constant(4 * MS))))
    assert link.arrivals(0, 0) == (7 * MS,)
    link.settle(None)
    assert link.arrivals(0, 0) == (MS,)


def test_bandwidth_queues_and_fifo_keeps_the_order() -> None:
    narrow = injector(Network(bandwidth=1e6), Constant(MS))
    assert narrow.arrivals(0, 1000) == (2 * MS,)
    assert narrow.arrivals(0, 1000) == (3 * MS,)
    ordered = injector(Network(fifo=True), Uniform(0, 100 * MS))
    arrivals = [ordered.arrivals(sent, 0)[0] for sent in range(100)]
    assert arrivals == sorted(arrivals)


@pytest.mark.alone
@pytest.mark.parametrize("delay_ms", [0.3, 1.4, 2.5])
def test_alarms_ring_on_time(delay_ms: float) -> None:
    """An event loop would round these to 1, 2 and 3 ms. The bound is loose, for machines that do other things too."""

    async def run() -> list[int]:
        loop = asyncio.get_running_loop()
        alarm = Alarm(loop)
        late: list[int] = []
        for _ in range(60):
            rung = loop.create_future()
            when = monotonic_ns() + round(delay_ms * MS)
            alarm.at(when, rung.set_result, None)
            await asyncio.wait_for(rung, 2)
            late.append(monotonic_ns() - when)
        alarm.close()
        return late

    late = asyncio.run(run())
    assert min(late) >= 0
    assert median(late) < 0.4 * MS


@pytest.mark.parametrize("lead", [0, 15_000, 100_000])
def test_alarms_that_wake_early_ring_at_their_time_all_the_same(lead: int) -> None:
    """Whatever an alarm believes of how long waking takes: it waits, or sleeps again, but calls nothing too early."""

    async def run() -> tuple[list[int], int]:
        loop = asyncio.get_running_loop()
        alarm = Alarm(loop)
        late: list[int] = []
        for delay in (50_000, 150_000, MS, 3 * MS) * 5:
            alarm._lead = lead
            rung = loop.create_future()
            when = monotonic_ns() + delay
            alarm.at(when, lambda when=when, rung=rung: rung.set_result(monotonic_ns() - when))
            late.append(await asyncio.wait_for(rung, 2))
        sampled = abs(alarm._lead - lead)
        alarm.close()
        return late, sampled

    late, sampled = asyncio.run(run())
    assert min(late) >= 0
    assert sampled or lead == 100_000, "the last wake-up taught it something, unless it is at its most"


def test_what_alarms_learn_of_waking_up_is_bounded() -> None:
    async def run() -> list[int]:
        loop = asyncio.get_running_loop()
        alarm = Alarm(loop)
        leads = []
        for _ in range(30):
            rung = loop.create_future()
            when = monotonic_ns() + MS
            alarm.at(when, rung.set_result, None)
            time.sleep(0.002)  # a busy loop is late for reasons that no lead mends
            await asyncio.wait_for(rung, 2)
            leads.append(alarm._lead)
        alarm._lead = 100_000
        for _ in range(3):
            rung = loop.create_future()
            alarm.at(monotonic_ns() + MS, rung.set_result, None)
            time.sleep(0.002)
            await asyncio.wait_for(rung, 2)
        leads.append(alarm._lead)
        alarm.close()
        return leads

    leads = asyncio.run(run())
    assert leads[:30] == sorted(leads[:30]) and leads[0] > 0
    assert leads[-1] == 100_000


def test_alarms_ring_in_order_and_are_forgotten_at_once() -> None:
    async def run() -> list[int]:
        alarm = Alarm(asyncio.get_running_loop())
        rung: list[int] = []
        now = monotonic_ns()
        for number in (3, 1, 2):
            alarm.at(now + number * MS, rung.append, number)
        alarm.at(now - MS, rung.append, 0)
        await asyncio.sleep(0.05)
        alarm.at(monotonic_ns() + MS, rung.append, 9)
        alarm.clear()
        await asyncio.sleep(0.01)
        alarm.close()
        return rung

    assert asyncio.run(run()) == [0, 1, 2, 3]
