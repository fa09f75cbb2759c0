"""Queueing at whoever everything goes through: a leader, a sequencer, a disk.

M/G/1 after Pollaczek and Khinchine; batches (a server that takes all that waits, as in a group commit) by simulation;
closed loops by the asymptotic bounds of operational analysis (Lazowska et al. 1984, chapter 5).
"""

from __future__ import annotations

from bisect import bisect_right
from math import inf
from typing import NamedTuple

import numpy as np

from .sampling import Samples


def utilisation(rate: float, service_s: float) -> float:
    """Share of the time a single server is busy; 1 and above: it never catches up."""
    return rate * service_s


def waiting_s(rate: float, service_s: float, variation: float = 1.0) -> float:
    """Mean time in the queue of an M/G/1 in s; infinite from saturation on.

    Args:
        rate: Poisson arrivals/s.
        service_s: mean service time.
        variation: squared coefficient of variation of the service time: 0 constant (M/D/1), 1 exponential (M/M/1).

    Raises:
        ValueError: negative.
    """
    if rate < 0 or service_s < 0 or variation < 0:
        raise ValueError("rate, service time and variation must not be negative")
    busy = utilisation(rate, service_s)
    return inf if busy >= 1 else busy * service_s * (1 + variation) / (2 * (1 - busy))


def response_s(rate: float, service_s: float, variation: float = 1.0, elsewhere_s: float = 0.0) -> float:
    """Mean time from arrival to answer in s: waiting, service, and what is spent elsewhere (network, disk)."""
    return waiting_s(rate, service_s, variation) + service_s + elsewhere_s


def waits(rate: float, service_s: Samples, seed: int = 1) -> Samples:
    """Samples of the time in the queue of an M/G/1 in s, one for each sample of the service time (Lindley 1952).

    Raises:
        ValueError: it never catches up, and so has no distribution.
    """
    service = np.asarray(service_s, dtype=float)
    if utilisation(rate, float(service.mean())) >= 1:
        raise ValueError("the server is saturated: its queue grows without end")
    gaps = np.random.default_rng(seed).exponential(1 / rate, len(service) - 1)
    # W(n+1) = max(0, W(n) + S(n) - gap(n)): the walk's distance above the lowest point it has reached
    walk = np.concatenate(([0.0], np.cumsum(service[:-1] - gaps)))
    found: Samples = walk - np.minimum.accumulate(walk)
    return found


class Batches(NamedTuple):
    """A server that takes all that waits at once, seen for a while.

    Attributes:
        response_s: from each arrival to the end of its batch.
        pending_s: from random moments until all that had arrived by then was done; 0 where nothing was pending.
    """

    response_s: Samples
    pending_s: Samples


def batches(rate: float, fixed_s: float, each_s: float, draws: int = 20_000, seed: int = 1) -> Batches:
    """A free server takes all that waits as one batch of b, for ``fixed_s + b * each_s``; Poisson arrivals.

    The fixed part (a sync, a message to every follower) is shared by more the higher the load, so the server carries
    up to ``1 / each_s``, however long the fixed part is.

    Raises:
        ValueError: a time is negative, or the server is saturated.
    """
    if rate <= 0 or fixed_s < 0 or each_s < 0:
        raise ValueError("the rate must be above 0, and times not negative")
    if rate * each_s >= 1:
        raise ValueError("the server is saturated: its queue grows without end")
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(1 / rate, draws))
    ends = np.empty(draws)
    times: list[float] = arrivals.tolist()
    first, free = 0, 0.0
    while first < draws:
        begins = max(free, times[first])
        last = bisect_right(times, begins, first)
        free = begins + fixed_s + (last - first) * each_s
        ends[first:last] = free
        first = last
    moments = rng.uniform(arrivals[0], arrivals[-1], draws)
    latest = np.searchsorted(arrivals, moments, side="right") - 1
    return Batches(ends - arrivals, np.maximum(0.0, ends[latest] - moments))


def closed_loop(clients: int, service_s: float, elsewhere_s: float) -> tuple[float, float]:
    """(most operations/s, least mean response in s) that N clients in a closed loop can see.

    Below the knee, each client waits for nobody; above it the bottleneck is busy all the time. The knee is where both
    bounds meet, at ``1 + elsewhere_s / service_s`` clients.

    Raises:
        ValueError: no client, or no service time.
    """
    if clients < 1 or service_s <= 0:
        raise ValueError("a closed loop has at least one client, and its bottleneck a service time above 0")
    rate = min(clients / (service_s + elsewhere_s), 1 / service_s)
    return rate, max(service_s + elsewhere_s, clients * service_s)
