"""Queueing at whoever everything goes through: a leader, a sequencer, a disk.

M/G/1 after Pollaczek and Khinchine; closed loops by the asymptotic bounds of operational analysis (Lazowska et al.
1984, chapter 5).
"""

from __future__ import annotations

from math import inf


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
