"""Mistakes of heartbeat detectors over months: streams of arrivals replayed in one go, and what theory expects of them.

A month at one heartbeat a second is 2.6 million arrivals: too many to hand to an estimator one by one for each of a
hundred parameters, few enough for whole arrays. :func:`lags` says of every arrival what the estimators of
:mod:`protocols.membership.heartbeat.estimators` would, and :func:`replay` what a server would deem (tests hold both
against the originals). Times in arrays are ns, of one clock; parameters are seconds.

A network delays each message independently (lognormal, by mean and deviation) and loses it independently. On top the
*sender* stands still now and then (garbage collection, a virtual machine that is moved, a route that flaps): then it
sends nothing, and one heartbeat, the latest due, when it is over. Without such pauses a figure a month says little.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, erfc, exp, log, sqrt

import numpy as np
from numpy.typing import NDArray

from protocols.membership.heartbeat.chen import quality
from protocols.membership.heartbeat.config import DetectorConfig
from protocols.membership.heartbeat.phi import deviations_logistic, deviations_normal, timeout_exponential

Ns = NDArray[np.int64]
SECOND = 1_000_000_000
DAY_S = 86_400.0
MONTH_S = 30 * DAY_S


# --- what is assumed ------------------------------------------------------------------------------------------------


def _tail(x: float, median: float, sigma: float) -> float:
    """Probability that a lognormal variable exceeds x."""
    return 1.0 if x <= 0.0 else 0.5 * erfc(log(x / median) / (sigma * sqrt(2.0)))


@dataclass(frozen=True)
class Link:
    """One way between two nodes.

    Attributes:
        loss: probability that a message is lost.
        mean_s, deviation_s: of the delay, which is lognormal.
    """

    loss: float
    mean_s: float
    deviation_s: float

    @property
    def sigma(self) -> float:
        """Of the logarithm of the delay."""
        return sqrt(log(1.0 + (self.deviation_s / self.mean_s) ** 2))

    @property
    def median_s(self) -> float:
        """Of the delay."""
        return self.mean_s * exp(-(self.sigma**2) / 2.0)

    def tail(self, x: float) -> float:
        """Probability that a delay exceeds ``x`` seconds."""
        return _tail(x, self.median_s, self.sigma)


@dataclass(frozen=True)
class Pauses:
    """How a node stands still: ``a_day`` times, for a lognormal time of that median and sigma (of its logarithm)."""

    a_day: float = 4.0
    median_s: float = 0.2
    sigma: float = 1.0

    def tail(self, x: float) -> float:
        """Probability that a pause lasts longer than ``x`` seconds."""
        return _tail(x, self.median_s, self.sigma)


NETWORKS: dict[str, Link] = {
    "machine room": Link(0.00001, 0.0005, 0.0005),
    "cloud region": Link(0.0001, 0.001, 0.002),
    "between regions": Link(0.001, 0.050, 0.010),
    "jittery": Link(0.004, 0.020, 0.020),
    "mobile": Link(0.05, 0.100, 0.150),
}
"""Classes of networks. ``jittery`` has loss and deviation of the trace in the paper on phi; the others are assumed."""


# --- a stream of heartbeats -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stream:
    """Heartbeats as one observer gets them.

    Attributes:
        period: ns.
        number, sent, at: of all that arrive, by number: when each left, and when it arrived.
        taken: indices of those that are news when they arrive: no later heartbeat was there before.
        length: ns observed.
    """

    period: int
    number: Ns
    sent: Ns
    at: Ns
    taken: NDArray[np.intp]
    length: int


def stream(link: Link, pauses: Pauses, period_s: float, days: float, seed: int) -> Stream:
    """So many days of heartbeats. Heartbeat k is due at (k - 1) periods."""
    rng = np.random.default_rng(seed)
    period = round(period_s * SECOND)
    length = round(days * DAY_S * SECOND)
    count = length // period
    sent = np.arange(count, dtype=np.int64) * period
    here = rng.random(count) >= link.loss
    for begin, end in _stops(pauses, length, rng):
        first, beyond = -(-begin // period), min(count, -(-end // period))
        if first < beyond:
            here[first : beyond - 1] = False
            sent[beyond - 1] = end
    delay = rng.lognormal(log(link.median_s), link.sigma, count)
    delay *= SECOND
    index = np.flatnonzero(here)
    sent = sent[index]
    at = sent + delay[index].astype(np.int64)
    soonest = np.minimum.accumulate(at[::-1])[::-1]
    fresh = np.ones(len(at), np.bool_)
    fresh[:-1] = at[:-1] < soonest[1:]
    return Stream(period, index + 1, sent, at, np.flatnonzero(fresh), length)


def _stops(pauses: Pauses, length: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """(begin, end) of each stop, in order; those that overlap are one."""
    count = rng.poisson(pauses.a_day * length / SECOND / DAY_S)
    begins = np.sort(rng.integers(0, length, count))
    lasts = (rng.lognormal(log(pauses.median_s), pauses.sigma, count) * SECOND).astype(np.int64)
    found: list[tuple[int, int]] = []
    for begin, last in zip(begins.tolist(), lasts.tolist(), strict=True):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], begin + last))
        else:
            found.append((begin, begin + last))
    return found


# --- detectors, over all arrivals at once ---------------------------------------------------------------------------


def base(config: DetectorConfig, number: Ns, at: Ns) -> Ns:
    """What a deadline counts from: when the next heartbeat is due (Chen), or the arrival."""
    return (number + 1) * config.period if config.detector == "chen" else at


def lags(config: DetectorConfig, number: Ns, at: Ns) -> Ns:
    """Deadline less :func:`base`, after each of the arrivals that were taken up.

    Raises:
        ValueError: Bertier's margin is a recursion, and is not done here.
    """
    if config.detector == "fixed":
        return np.full(len(at), round(config.timeout_s * SECOND), np.int64)
    if config.detector == "chen":
        shift = np.concatenate(([0], np.cumsum(at - config.period * number)))
        upto = np.arange(1, len(at) + 1)
        since = np.maximum(0, upto - config.window)
        return (shift[upto] - shift[since]) // (upto - since) + round(config.alpha_s * SECOND)
    if config.detector == "bertier":
        raise ValueError("bertier cannot be replayed over arrays: its margin depends on every error before")
    mean, deviation = _gaps(config, at)
    if config.detector == "phi-exponential":
        wait = timeout_exponential(config.threshold, 1.0) * mean
    else:
        solve = deviations_normal if config.detector == "phi-normal" else deviations_logistic
        wait = mean + config.pause_s * SECOND + solve(config.threshold) * np.maximum(deviation, config.floor)
    return np.maximum(1, np.rint(wait)).astype(np.int64)


def _gaps(config: DetectorConfig, at: Ns) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation (ns) of the gaps in the window after each arrival, with the two that are assumed at first.

    Sums are of differences to the period, which are small, so that little is lost in their squares.
    """
    first, period = config.first_gap, config.period
    gap = np.diff(at)
    counts = gap <= config.cap
    off = np.concatenate(([first - first // 4, first + first // 4], gap[counts])).astype(np.float64)
    off -= period
    upto = np.concatenate(([0], np.cumsum(counts))) + 2
    since = np.maximum(0, upto - config.window)
    held = upto - since
    total = np.concatenate(([0.0], np.cumsum(off)))
    mean = (total[upto] - total[since]) / held
    if config.detector == "phi-exponential":
        return mean + period, mean
    squares = np.concatenate(([0.0], np.cumsum(off * off)))
    variance = (squares[upto] - squares[since]) / held - mean * mean
    return mean + period, np.sqrt(np.maximum(0.0, variance))


@dataclass(frozen=True)
class Found:
    """What a detector did over one stream.

    Attributes:
        mistakes: times at which the node was deemed down although it was up (it may have stood still).
        wrong_s: seconds during which it was.
        detection_s: from a crash at a random time to the suspicion that lasts, of each crash tried; ascending.
    """

    mistakes: int
    wrong_s: float
    detection_s: NDArray[np.float64]


def replay(config: DetectorConfig, heard: Stream, crashes: int = 2000, seed: int = 0) -> Found:
    """Mistakes over the stream, and detection times as if the node had crashed at so many random times instead.

    As the server does: a mistake begins when a deadline passes while the node is trusted; an arrival whose deadline
    is past already does not make it trusted.
    """
    number, at = heard.number[heard.taken], heard.at[heard.taken]
    lag = lags(config, number, at)
    deadline = base(config, number, at) + lag
    until = np.maximum(deadline, at + 1)
    expired = until[:-1] < at[1:]
    begins = expired.copy()
    begins[1:] &= (deadline > at)[1:-1] | ~expired[:-1]
    late = np.flatnonzero(expired)
    wrong = int((at[late + 1] - until[late]).sum())

    rng = np.random.default_rng(seed)
    crash = rng.integers(heard.length // 100, heard.length, crashes)
    last = np.searchsorted(heard.sent, crash, "right") - 1
    known = np.searchsorted(number, heard.number[last], "right") - 1
    final = base(config, heard.number[last], heard.at[last]) + lag[known]
    took = np.maximum(0, np.maximum(final, heard.at[last] + 1) - crash)
    return Found(int(begins.sum()), wrong / SECOND, np.sort(took) / SECOND)


# --- what theory expects --------------------------------------------------------------------------------------------


def expected_stalls(pauses: Pauses, period_s: float, margin_s: float, steps: int = 256) -> float:
    """Mistakes a month because the sender stood still, delays and losses aside.

    A pause begins u after the last heartbeat, u uniform in one period, and is noticed if it lasts beyond the next due
    time plus the margin: the mean over u of P(L > period + margin - u).
    """
    width = period_s / steps
    longer = sum(pauses.tail(margin_s + (i + 0.5) * width) for i in range(steps)) / steps
    return pauses.a_day * MONTH_S / DAY_S * longer


def expected_network(link: Link, period_s: float, margin_s: float) -> float:
    """Mistakes a month from delays and losses: Theorem 5 of Chen et al. with this link's distribution of delays."""
    return MONTH_S / quality(period_s, link.mean_s + margin_s, link.loss, link.tail, steps=64).recurrence


def bound_network(link: Link, period_s: float, margin_s: float) -> float:
    """At most so many mistakes a month from delays and losses whatever the shape of the delays: Chen et al., section
    5.2, as in :func:`protocols.membership.heartbeat.chen.configure`."""
    variance, apart = link.deviation_s**2, period_s
    for j in range(1, ceil((period_s + margin_s) / period_s)):
        room = (period_s + margin_s - j * period_s) ** 2
        apart *= (variance + room) / (variance + link.loss * room)
    return MONTH_S / apart


def expected(link: Link, pauses: Pauses, period_s: float, margin_s: float) -> float:
    """Mistakes a month of a detector that waits ``margin_s`` beyond the expected arrival."""
    return expected_network(link, period_s, margin_s) + expected_stalls(pauses, period_s, margin_s)


def margin_for(budget: float, link: Link, pauses: Pauses, period_s: float) -> float:
    """The least margin (s) with which at most ``budget`` mistakes a month are expected; to a millisecond.

    Raises:
        ValueError: an hour is not enough.
    """
    low, high = 0.0, 1.0
    while expected(link, pauses, period_s, high) > budget:
        high *= 2.0
        if high > 3600.0:
            raise ValueError(f"no margin below an hour keeps to {budget:g} mistakes a month")
    while high - low > 0.001:
        middle = (low + high) / 2.0
        low, high = (low, middle) if expected(link, pauses, period_s, middle) <= budget else (middle, high)
    return high
