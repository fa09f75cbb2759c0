"""Models against published figures, against enumeration, and against the simulator."""

from __future__ import annotations

from itertools import combinations
from math import inf, isclose
from random import Random

import numpy as np
import pytest

from bench.network.latency import (
    Constant,
    Empirical,
    Exponential,
    Latency,
    Lognormal,
    Mixture,
    Normal,
    Pareto,
    Uniform,
    mean_of,
    sampler,
)
from bench.network.presets import NETWORKS
from bench.network.spec import Network
from bench.run import run_trial
from bench.theory import divergence
from bench.theory.hashing import load_deviation, moved, peak_to_average
from bench.theory.pbs import Wars, predict, within_versions
from bench.theory.queueing import closed_loop, response_s, waiting_s
from bench.theory.quorums import commit_latency, kth_of_n, quorum_round_trip, zone_medians
from bench.theory.sampling import draw
from bench.theory.votes import outage, split_rate
from bench.trial import ServiceTimes, Trial
from bench.workload.spec import Workload

MS = 1_000_000

LATENCIES: list[Latency] = [
    Constant(MS),
    Uniform(MS, 3 * MS),
    Normal(5 * MS, MS),
    Lognormal(2 * MS, 0.5),
    Exponential(MS),
    Pareto(MS, 3.0),
    Empirical((MS, 2 * MS, 9 * MS)),
    Mixture(((0.25, Constant(MS)), (0.75, Exponential(4 * MS)))),
]


@pytest.mark.parametrize("latency", LATENCIES, ids=lambda latency: type(latency).__name__)
def test_models_draw_from_what_trials_draw_from(latency: Latency) -> None:
    many = draw(latency, 40_000, np.random.default_rng(1))
    one = sampler(latency, Random(2))
    single = np.array([one() for _ in range(40_000)])
    for share in (0.1, 0.5, 0.9):
        assert np.quantile(many, share) == pytest.approx(np.quantile(single, share), rel=0.05)
    assert many.mean() == pytest.approx(mean_of(latency), rel=0.05)


# --- quorums --------------------------------------------------------------------------------------------------------


def test_the_kth_of_n_is_what_enumeration_says() -> None:
    for n in range(1, 6):
        for k in range(1, n + 1):
            want = sum(0.3**size * 0.7 ** (n - size) for size in range(k, n + 1) for _ in combinations(range(n), size))
            assert kth_of_n(0.3, k, n) == pytest.approx(want)


def test_a_quorum_waits_for_its_slowest_member() -> None:
    network = NETWORKS["ec2-2013"]
    waits = [float(np.median(quorum_round_trip(network, 5, quorum, leader=2))) for quorum in range(1, 6)]
    assert waits[0] == 0
    assert waits == sorted(waits)
    assert waits[1] == pytest.approx(0.0216, rel=0.03), (
        "the median of a sum of two lognormals is a little above the sum"
    )
    assert waits[2] == pytest.approx(0.0838, rel=0.03), "Multi-Paxos with its leader in CA"


def test_the_published_medians_of_leaders_by_region() -> None:
    """Commit latency of a leader in each region of five: the second smallest of its round trips."""
    assert NETWORKS["ec2-2013"].regions is not None
    rtt = [[value / 1e9 for value in row] for row in NETWORKS["ec2-2013"].regions.rtt]
    assert [round(value * 1e3, 1) for value in zone_medians(rtt, 3)] == [83.8, 80.9, 83.8, 169.0, 134.0]


@pytest.mark.parametrize(("quorum", "leader"), [(0, 0), (4, 0), (2, 3), (2, -1)])
def test_a_quorum_that_cannot_be_is_refused(quorum: int, leader: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        quorum_round_trip(Network(), 3, quorum, leader)


def test_raft_in_the_simulator_commits_when_the_model_says() -> None:
    """Clients are near, so an operation takes the leader's quorum; service times are next to nothing.

    At 100 operations/s it would lie 8% above: messages overtake each other, and an entry waits for the one before it.
    """
    network = Network(latency=Lognormal(5 * MS, 0.4), client_latency=Constant(1000))
    trial = Trial(
        protocol="raft",
        nodes=5,
        params={"election_timeout_s": (0.5, 1.0)},
        network=network,
        workload=Workload(clients=4, rate=20.0, mix=(("write", 1.0),), keys=400),
        service=ServiceTimes(message=100, byte=0.0, fsync=1000, wakeup=0),
        warmup=3_000 * MS,
        duration=53_000 * MS,
        invariants=False,
    )
    result, _ = run_trial(trial)
    found = divergence(float(np.median(commit_latency(network, 5))), [result.latency_s.p50 or 0.0])
    assert abs(found.ratio - 1) < 0.03, str(found)


# --- votes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("servers", "alive", "published"), [(5, 4, 0.181), (5, 3, 0.488), (9, 7, 0.148)])
def test_the_published_split_rates(servers: int, alive: int, published: float) -> None:
    assert split_rate(alive, servers, 0.2) == pytest.approx(published, abs=0.0006)


def test_split_rates_at_the_ends() -> None:
    assert split_rate(4, 5, 0.0) == 0
    assert split_rate(4, 5, 1.0) == 1
    with pytest.raises(ValueError, match="alive"):
        split_rate(6, 5, 0.1)
    with pytest.raises(ValueError, match="ratio"):
        split_rate(4, 5, 1.1)


def test_the_first_of_more_followers_times_out_sooner() -> None:
    few, many = (float(np.median(outage(alive, (0.15, 0.3), 0.001))) for alive in (2, 4))
    assert 0.15 < many < few < 0.3
    assert outage(2, (0.15, 0.3), 0.001, heartbeat_s=0.05).mean() < outage(2, (0.15, 0.3), 0.001).mean()


# --- queues ---------------------------------------------------------------------------------------------------------


def test_waiting_at_half_load() -> None:
    assert waiting_s(50, 0.01) == pytest.approx(0.01), "M/M/1: rho / (1 - rho) service times"
    assert waiting_s(50, 0.01, 0.0) == pytest.approx(0.005), "M/D/1: half of it"
    assert response_s(50, 0.01, 0.0, 0.1) == pytest.approx(0.115)
    assert waiting_s(100, 0.01) == inf
    with pytest.raises(ValueError, match="negative"):
        waiting_s(-1, 0.01)


def test_waiting_is_what_a_simulated_queue_does() -> None:
    rng = np.random.default_rng(3)
    n, rate, service = 200_000, 70.0, 0.01
    gaps, wait, total = rng.exponential(1 / rate, n), 0.0, 0.0
    for gap in gaps:
        wait = max(0.0, wait + service - gap)
        total += wait
    assert total / n == pytest.approx(waiting_s(rate, service, 0.0), rel=0.05)


def test_a_closed_loop_has_a_knee() -> None:
    assert closed_loop(1, 0.001, 0.009) == (pytest.approx(100), pytest.approx(0.01))
    assert closed_loop(10, 0.001, 0.009) == (pytest.approx(1000), pytest.approx(0.01))
    assert closed_loop(50, 0.001, 0.009) == (pytest.approx(1000), pytest.approx(0.05))
    with pytest.raises(ValueError, match="client"):
        closed_loop(0, 0.001, 0.009)


# --- hashing --------------------------------------------------------------------------------------------------------


def test_the_published_imbalance_of_virtual_nodes() -> None:
    large = 10**6
    for vnodes, published in ((1, 0.998), (10, 0.315), (100, 0.0997)):
        assert load_deviation(large, vnodes) == pytest.approx(published, rel=0.01)
    assert peak_to_average(10, 100).mean() == pytest.approx(1.16, abs=0.05)
    assert peak_to_average(100, 16).mean() == pytest.approx(1.74, abs=0.15)
    assert peak_to_average(100, 256).mean() == pytest.approx(1.17, abs=0.03)
    assert moved(1000, 9) == 100
    with pytest.raises(ValueError, match="at least one"):
        load_deviation(0, 1)


def test_the_deviation_is_that_of_points_on_a_ring() -> None:
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(2000):
        points = np.sort(rng.random(10 * 8))
        gaps = np.diff(points, append=points[0] + 1)
        owners = rng.permutation(np.repeat(np.arange(10), 8))
        shares.append(np.bincount(owners, gaps, 10)[0] * 10)
    assert np.std(shares) == pytest.approx(load_deviation(10, 8), rel=0.06)


# --- staleness ------------------------------------------------------------------------------------------------------

SSD = Mixture(((0.9122, Pareto(235_000, 10.0)), (0.0878, Exponential(round(MS / 1.66)))))
DISK = Mixture(((0.38, Pareto(round(1.05 * MS), 1.51)), (0.62, Exponential(round(MS / 0.183)))))
SETS = {"ssd": Wars(SSD, SSD, SSD, SSD), "disk": Wars(DISK, SSD, SSD, SSD), "wan": Wars(DISK, SSD, SSD, SSD, 75 * MS)}

PUBLISHED = [  # set, R, W: 99.9th percentiles of reads and writes, and t-visibility, in ms
    ("ssd", 1, 1, 0.66, 0.66, 1.85),
    ("ssd", 1, 2, 0.66, 1.63, 1.79),
    ("ssd", 2, 1, 1.63, 0.65, 0.0),
    ("ssd", 2, 2, 1.62, 1.64, 0.0),
    ("ssd", 3, 1, 4.14, 0.65, 0.0),
    ("disk", 1, 1, 0.66, 10.99, 45.5),
    ("disk", 1, 2, 0.65, 20.97, 43.3),
    ("disk", 2, 1, 1.63, 10.9, 13.6),
    ("disk", 2, 2, 1.64, 20.96, 0.0),
    ("disk", 3, 1, 4.12, 10.89, 0.0),
]


@pytest.mark.parametrize(("name", "read", "write", "reads", "writes", "visible"), PUBLISHED)
def test_the_published_staleness(name: str, read: int, write: int, reads: float, writes: float, visible: float) -> None:
    found = predict(SETS[name], 3, read, write)
    assert np.quantile(found.read_s, 0.999) * 1e3 == pytest.approx(reads, rel=0.05)
    assert np.quantile(found.write_s, 0.999) * 1e3 == pytest.approx(writes, rel=0.05)
    assert found.visible_after_s(0.999) * 1e3 == pytest.approx(visible, rel=0.2, abs=0.05)


def test_the_published_chances_of_fresh_reads() -> None:
    assert predict(SETS["ssd"], 3, 1, 1).consistent() == pytest.approx(0.974, abs=0.005)
    assert predict(SETS["disk"], 3, 1, 1).consistent() == pytest.approx(0.439, abs=0.005)


def test_quorums_that_overlap_are_always_fresh() -> None:
    for read, write in ((2, 2), (1, 3), (3, 1)):
        assert predict(SETS["disk"], 3, read, write, draws=20_000).consistent() == 1.0
    with pytest.raises(ValueError, match="write quorum 4"):
        predict(SETS["ssd"], 3, 1, 4)


def test_versions_by_enumeration() -> None:
    """All pairs of quorums of 5 replicas: the share of reads that miss each of the last k writes."""
    reads, writes = list(combinations(range(5), 2)), list(combinations(range(5), 2))
    missed = sum(not set(r) & set(w) for r in reads for w in writes) / (len(reads) * len(writes))
    for versions in (1, 2, 5):
        assert isclose(within_versions(5, 2, 2, versions), 1 - missed**versions)


# --- divergence -----------------------------------------------------------------------------------------------------


def test_divergence_is_a_number() -> None:
    assert divergence(2.0, [2.2, 2.2, 9.0]).ratio == pytest.approx(1.1)
    same = divergence(np.arange(1, 1001), np.arange(1, 1001))
    assert (same.ratio, same.distance) == (1.0, 0.0)
    apart = divergence(np.arange(1, 101), np.arange(201, 301))
    assert apart.distance == 1.0
    assert "above the model (distance 1.00, 100 measured)" in str(apart)
    assert str(divergence(2.0, [1.0])) == "50% below the model (1 measured)"
    for predicted, measured in (([], [1.0]), ([1.0], []), (0.0, [1.0])):
        with pytest.raises(ValueError, match=r"nothing to compare|predicts 0"):
            divergence(predicted, measured)
