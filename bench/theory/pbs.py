"""Probabilistically bounded staleness (Bailis et al., VLDB 2012): the WARS model, by Monte Carlo.

A write goes to all n replicas (W), their acknowledgements return (A); it is over with the w-th. A read, t later, goes
to all (R), their answers return (S), and it takes the first r. It is fresh iff one of these r replicas had the write
when the read reached it: ``write_ends + t + R >= W`` there (the paper's prose has that inequality reversed).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from ..network.latency import Exponential, Latency, Mixture, Pareto
from .sampling import Samples, draw

DRAWS = 200_000
CHUNK = 1 << 15
"""Draws at once: as many as a processor's cache holds."""


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


_US = 1_000
_SSD = Mixture(((0.9122, Pareto(235 * _US, 10.0)), (0.0878, Exponential(round(1000 * _US / 1.66)))))
_DISK = Mixture(((0.38, Pareto(1050 * _US, 1.51)), (0.62, Exponential(round(1000 * _US / 0.183)))))
FITS: dict[str, Wars] = {
    "LNKD-SSD": Wars(_SSD, _SSD, _SSD, _SSD),
    "LNKD-DISK": Wars(_DISK, _SSD, _SSD, _SSD),
    "WAN": Wars(_DISK, _SSD, _SSD, _SSD, remote=75_000 * _US),
}
"""The paper's fits of what it measured in production (section 5.5); WAN: 75 ms more to all replicas but a local one."""


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
    """What quorums of ``read`` and ``write`` of so many replicas will do, for any delays; a million draws in a second.

    Args:
        delays: of the four messages, ns; see :class:`Wars`.
        replicas: N; ``read``: R; ``write``: W.
        draws: of the Monte Carlo; ``seed``: of what it draws.

    Raises:
        ValueError: a quorum is not from 1 to the number of replicas, or nothing is drawn.
    """
    for name, quorum in (("read", read), ("write", write)):
        if not 1 <= quorum <= replicas:
            raise ValueError(f"{name} quorum {quorum} is out of range: from 1 to {replicas}")
    if draws < 1:
        raise ValueError(f"draws {draws} is out of range: at least 1")
    rng = np.random.default_rng(seed)
    parts = [_predict(delays, replicas, read, write, min(CHUNK, draws - done), rng) for done in range(0, draws, CHUNK)]
    ended, taken, missing = (np.concatenate(column) / 1e9 for column in zip(*parts, strict=True))
    return Prediction(ended, taken, missing)


def _predict(
    delays: Wars, replicas: int, read: int, write: int, draws: int, rng: np.random.Generator
) -> tuple[Samples, Samples, Samples]:
    """In ns: end of the write, duration of the read, and how long after that end it has to begin to see the write."""
    shape = (replicas, draws)

    def sent(latency: Latency, far: Samples | None) -> Samples:
        return draw(latency, shape, rng) if far is None else draw(latency, shape, rng) + far

    def away() -> Samples | None:
        if not delays.remote:
            return None
        far = np.full(shape, float(delays.remote))
        far[rng.integers(replicas, size=draws), np.arange(draws)] = 0.0
        return far

    far_write, far_read = away(), away()
    w = sent(delays.write, far_write)
    (ended,) = _ascending([w + sent(delays.acknowledge, far_write)], write)
    r = sent(delays.read, far_read)
    # fresh iff t >= W - R - (end of the write) at one of the replicas that the read listens to
    trips, behind = _ascending([r + sent(delays.answer, far_read), w - r], read)
    return ended[write - 1], trips[read - 1], behind[:read].min(axis=0) - ended[write - 1]


def _ascending(rows: list[Samples], least: int) -> list[Samples]:
    """Columns of the first array with their ``least`` smallest on top, in order; the others rearranged likewise.

    Selection by comparing rows: for the few replicas of a key much faster than a sort of each column.
    """
    key, *others = rows
    for to in range(least):
        for at in range(to + 1, len(key)):
            swap = key[at] < key[to]
            for other in others:
                upper = np.where(swap, other[at], other[to])
                other[at] = np.where(swap, other[to], other[at])
                other[to] = upper
            upper = np.minimum(key[at], key[to])
            key[at] = np.maximum(key[at], key[to])
            key[to] = upper
    return [key, *others]


def within_versions(replicas: int, read: int, write: int, versions: int) -> float:
    """The probability that a read returns one of the last k versions: 1 - (C(n - w, r) / C(n, r))^k.

    For quorums chosen independently and uniformly that never expand: no anti-entropy, no read repair.

    Raises:
        ValueError: a quorum is out of range.
    """
    if not (1 <= read <= replicas and 1 <= write <= replicas and versions >= 1):
        raise ValueError("quorums are from 1 to the number of replicas, and there is at least one version")
    return 1 - (comb(replicas - write, read) / comb(replicas, read)) ** versions
