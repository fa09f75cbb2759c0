"""How long a quorum takes: order statistics of round trips.

A leader that needs q of n servers, itself included, waits for the (q - 1)-th of its n - 1 round trips; whoever asks
from outside waits for the q-th of n. With independent round trips of one distribution function F the k-th of n has the
distribution function sum over j >= k of C(n, j) F^j (1 - F)^(n - j); with different ones it is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np

from ..network.latency import Constant, Latency, Lognormal
from ..network.spec import Network
from .sampling import Samples, draw

DRAWS = 100_000
"""Samples of a model: the median is then known to about half a percent of the spread."""


def kth_of_n(probability: float, k: int, n: int) -> float:
    """The probability that at least k of n independent things have happened, each with that probability.

    Raises:
        ValueError: k is not from 1 to n.
    """
    if not 1 <= k <= n:
        raise ValueError(f"k {k} is out of range: from 1 to {n}")
    return sum(comb(n, j) * probability**j * (1 - probability) ** (n - j) for j in range(k, n + 1))


def between(network: Network, source: int, target: int) -> Latency:
    """One way between two servers, by number from 0."""
    regions = network.regions
    if regions is None or not regions.place:
        return network.latency
    here = regions.place[source % len(regions.place)]
    there = regions.place[target % len(regions.place)]
    one_way = regions.rtt[here][there] // 2
    return Lognormal(one_way, regions.sigma) if regions.sigma else Constant(one_way)


def quorum_round_trip(
    network: Network, servers: int, quorum: int, leader: int = 0, draws: int = DRAWS, seed: int = 1
) -> Samples:
    """Samples of the time in s after which a leader has heard from its quorum, itself included; no work, no disk.

    Args:
        network: in which the servers are; loss and bandwidth are left out.
        servers: how many there are; ``leader``: which of them, from 0.
        quorum: of how many servers.
        draws, seed: of the Monte Carlo.

    Raises:
        ValueError: the quorum or the leader does not exist.
    """
    if not 1 <= quorum <= servers:
        raise ValueError(f"quorum {quorum} is out of range: from 1 to {servers}")
    if not 0 <= leader < servers:
        raise ValueError(f"leader {leader} is out of range: from 0 to {servers - 1}")
    if quorum == 1:
        return np.zeros(draws)
    rng = np.random.default_rng(seed)
    trips = np.stack(
        [
            draw(between(network, leader, peer), draws, rng) + draw(between(network, peer, leader), draws, rng)
            for peer in range(servers)
            if peer != leader
        ]
    )
    slowest: Samples = np.partition(trips, quorum - 2, axis=0)[quorum - 2] / 1e9
    return slowest


def commit_latency(
    network: Network, servers: int, leader: int = 0, sync_s: float = 0.0, draws: int = DRAWS, seed: int = 1
) -> Samples:
    """Samples of the time in s from a leader's proposal to its commit, with majorities.

    Followers sync before they answer, and the leader syncs beside that (Ongaro 2014, section 10.2.1): one sync is on
    the way. What the protocol computes is left out, so a measurement lies above this by the servers' own time.
    """
    return quorum_round_trip(network, servers, servers // 2 + 1, leader, draws, seed) + sync_s


def zone_medians(rtt_s: Sequence[Sequence[float]], quorum: int) -> list[float]:
    """For each row of a matrix of constant round trips: seconds to a quorum that includes the row's own server."""
    others = [[value for column, value in enumerate(row) if column != here] for here, row in enumerate(rtt_s)]
    return [sorted([0.0, *row])[quorum - 1] for row in others]
