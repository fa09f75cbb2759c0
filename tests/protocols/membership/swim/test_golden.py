"""SWIM in the simulator against its analysis: periods to the first detection, messages, and what Lifeguard saves."""

from __future__ import annotations

from statistics import fmean, stdev
from typing import Any

import pytest

from bench.network import Constant, Network
from bench.runtime.sim.world import World
from bench.trial import ServiceTimes
from protocols.membership.swim import Server, SwimConfig, formulas

MS = 1_000_000
PERIOD = 1000 * MS
BARE: dict[str, Any] = {
    "suspicion": False,
    "lifeguard_probe": False,
    "lifeguard_suspicion": False,
    "lifeguard_buddy": False,
    "gossip_nodes": 0,
    "push_pull_s": 0.0,
    "reconnect_s": 0.0,
}


def world(members: int, seed: int, **changes: Any) -> World:
    """Members that all boot at once, on a network without chance."""
    config = SwimConfig(**{**BARE, **changes})
    config.validate(members)
    made = World(seed, Network(latency=Constant(MS)), ServiceTimes(byte=0.0), hashing=False)
    for number in range(members):
        made.add(f"n{number + 1}", lambda: Server(config), server=True)
    for machine in made.servers:
        made.boot(machine)
    return made


def first_accusation(members: int, seed: int, crash_at: int, **changes: Any) -> int:
    """ns from the crash until the first member notices that a probe of the victim went unanswered."""
    run = world(members, seed, **changes)
    run.run(crash_at)
    run.crash(run.machines["n1"])
    while True:
        for mark in run.marks:
            if mark.name == "accused" and mark.fields["subject"] == "n1":
                return mark.at - crash_at
        run.run(run.now + PERIOD // 2)


@pytest.mark.golden
@pytest.mark.parametrize(("members", "published", "runs"), [(5, 1.463, 400), (10, 1.530, 200)])
def test_rounds_to_the_first_probe_of_a_crashed_member(members: int, published: float, runs: int) -> None:
    """Synchronised rounds, random targets, as in the analysis: a crash just before a round, which counts as the first.

    The accusation comes at the end of the round in which the probe was sent.
    """
    found = [
        first_accusation(members, seed, 3 * PERIOD - MS, synchronised=True, probe_order="random") // PERIOD
        for seed in range(runs)
    ]
    ours, error = fmean(found), stdev(found) / runs**0.5
    formula = formulas.first_detection(members)
    print(f"SWIM, {members} members, rounds: published {published} | formula {formula:.3f} | ours {ours:.3f}")
    assert abs(ours - published) < max(0.03 * published, 3 * error)


@pytest.mark.golden
def test_time_to_the_first_probe_at_random_phases() -> None:
    """From the crash to the probe; the accusation comes a period after that."""
    runs = 300
    found = [first_accusation(5, seed, 3 * PERIOD, probe_order="random") / PERIOD - 1 for seed in range(runs)]
    ours, error = fmean(found), stdev(found) / runs**0.5
    formula = formulas.first_probe(5)
    print(f"SWIM, 5 members, periods at random phases: published .91 | formula {formula:.3f} | ours {ours:.3f}")
    assert abs(ours - formula) < 3.5 * error


def test_round_robin_probes_everybody_within_two_rounds() -> None:
    for seed in range(30):
        run = world(6, seed)
        run.run(3 * PERIOD)
        run.crash(run.machines["n1"])
        run.run(3 * PERIOD + (formulas.longest_wait(6) + 2) * PERIOD)
        assert all(
            "n1" in machine.engine.node.inspect().down for machine in run.servers if machine.engine is not None
        ), seed


@pytest.mark.golden
@pytest.mark.parametrize("members", [8, 40])
def test_a_member_sends_two_messages_a_period_whatever_the_size(members: int) -> None:
    run = world(members, 1)
    run.run(2 * PERIOD)
    before = sum(link.sent for machine in run.servers for link in machine.links.values())
    run.run(22 * PERIOD)
    sent = sum(link.sent for machine in run.servers for link in machine.links.values()) - before
    ours = sent / members / 20
    print(f"SWIM, {members} members, messages a member and period: published 2 | ours {ours:.3f}")
    assert ours == pytest.approx(2, abs=0.06)


@pytest.mark.golden
def test_a_missed_ack_costs_two_messages_a_helper_if_the_target_is_dead() -> None:
    """Ping, and a request and a ping for each of k = 3 helpers."""
    run = world(5, 1, suspicion=True, suspicion_mult=1000)
    run.run(2 * PERIOD)
    run.crash(run.machines["n1"])
    before = sum(link.sent for machine in run.servers for link in machine.links.values())
    probes = len([mark for mark in run.marks if mark.name == "accused"])
    run.run(run.now + 40 * PERIOD)
    sent = sum(link.sent for machine in run.servers for link in machine.links.values()) - before
    missed = len([mark for mark in run.marks if mark.name == "accused"]) - probes
    ours = (sent - 2 * (4 * 40 - missed)) / missed
    expected = formulas.probe_messages(acked=False, dead=True, indirect=3)
    print(f"SWIM, messages of a probe of a dead member, k=3: published {expected} | ours {ours:.2f}")
    assert ours == pytest.approx(expected, rel=0.1)
