"""Probabilistically bounded staleness (Bailis et al., VLDB 2012): the WARS model, by Monte Carlo.

A write goes to all n replicas (W), their acknowledgements return (A); it is over with the w-th. A read, t later, goes
to all (R), their answers return (S), and it takes the first r. It is fresh iff one of these r replicas had the write
when the read reached it: ``write_ends + t + R >= W`` there (the paper's prose has that inequality reversed).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from ..network.latency import Latency
from .sampling import Samples, draw

DRAWS = 200_000


@dataclass(frozen=True)
class Wars:
    """One-way delays, one of each kind a replica and operation, all independent.

    Attributes:
        write, acknowledge, read, answer: of the messages W, A, R and S.
        remote: ns on top for every message, except to one replica, which is chosen at random for each operation: it is
            in the client's own region. 0: all are.
    """

    write: Latency
    acknowledge: Latency
    read: Latency
    answer: Latency
    remote: int = 0


@dataclass(frozen=True)
class Prediction:
    """Samples, one a trial.

    Attributes:
        write_s, read_s: how long the operations took.
        stale_for_s: how long after the end of the write a read had to begin to see it; 0 or less if any did.
    """

    write_s: Samples
    read_s: Samples
    stale_for_s: Samples

    def consistent(self, after_s: float = 0.0) -> float:
        """The probability that a read which begins that long after the write's end sees it."""
        return float((self.stale_for_s <= after_s).mean())

    def visible_after_s(self, probability: float) -> float:
        """How long after the write's end reads see it with that probability (t-visibility), at least 0."""
        return max(0.0, float(np.quantile(self.stale_for_s, probability)))


def predict(delays: Wars, replicas: int, read: int, write: int, draws: int = DRAWS, seed: int = 1) -> Prediction:
    """What quorums of ``read`` and ``write`` of so many replicas will do.

    Raises:
        ValueError: a quorum is not from 1 to the number of replicas.
    """
    for name, quorum in (("read", read), ("write", write)):
        if not 1 <= quorum <= replicas:
            raise ValueError(f"{name} quorum {quorum} is out of range: from 1 to {replicas}")
    rng = np.random.default_rng(seed)
    shape = (draws, replicas)

    def far() -> Samples:
        away = np.full(shape, float(delays.remote))
        away[np.arange(draws), rng.integers(replicas, size=draws)] = 0.0
        return away

    far_write, far_read = far(), far()
    w = draw(delays.write, shape, rng) + far_write
    ended = np.sort(w + draw(delays.acknowledge, shape, rng) + far_write, axis=1)[:, write - 1]
    r = draw(delays.read, shape, rng) + far_read
    trips = r + draw(delays.answer, shape, rng) + far_read
    first = np.argsort(trips, axis=1)[:, :read]
    # fresh iff t >= W - R - (end of the write) at one of the replicas that the read listens to
    missing = np.take_along_axis(w - r, first, axis=1).min(axis=1) - ended
    taken = np.sort(trips, axis=1)[:, read - 1]
    return Prediction(ended / 1e9, taken / 1e9, missing / 1e9)


def within_versions(replicas: int, read: int, write: int, versions: int) -> float:
    """The probability that a read returns one of the last k versions: 1 - (C(n - w, r) / C(n, r))^k.

    For quorums chosen independently and uniformly that never expand: no anti-entropy, no read repair.

    Raises:
        ValueError: a quorum is out of range.
    """
    if not (1 <= read <= replicas and 1 <= write <= replicas and versions >= 1):
        raise ValueError("quorums are from 1 to the number of replicas, and there is at least one version")
    return 1 - (comb(replicas - write, read) / comb(replicas, read)) ** versions
