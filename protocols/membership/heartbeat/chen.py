"""Detectors that estimate when the next heartbeat will arrive, and the quality of service of one with a known network.

W. Chen, S. Toueg, M. Aguilera: *On the quality of service of failure detectors*, IEEE Transactions on Computers 51(5),
2002; M. Bertier, O. Marin, P. Sens: *Implementation and performance evaluation of an adaptable failure detector*,
DSN 2002. Times may have any unit, if it is one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple


def expected_arrival(arrivals: Sequence[tuple[int, int]], period: float) -> float:
    """When heartbeat number l + 1 is expected, l being the highest number of ``arrivals`` (number, time).

    Equation 6.3 of Chen et al.: the mean of A_i - eta s_i, which is the delay but for the offset of two clocks, put on
    (l + 1) eta.
    """
    last = max(number for number, _ in arrivals)
    shift = sum(at - period * number for number, at in arrivals) / len(arrivals)
    return shift + (last + 1) * period


class ArrivalWindow:
    """The same over the last ``size`` heartbeats, at a cost that does not grow with them. Whole numbers (ns)."""

    __slots__ = ("_shift", "arrivals", "last", "period", "size")

    def __init__(self, size: int, period: int) -> None:
        self.size = size
        self.period = period
        self.arrivals: deque[int] = deque()  # arrival less period times number
        self._shift = 0
        self.last = 0

    def add(self, number: int, at: int) -> None:
        """Heartbeat ``number`` arrived."""
        shift = at - self.period * number
        self.arrivals.append(shift)
        self._shift += shift
        if len(self.arrivals) > self.size:
            self._shift -= self.arrivals.popleft()
        self.last = max(self.last, number)

    def expected(self) -> int:
        """When the heartbeat after the last one is expected."""
        return self._shift // len(self.arrivals) + (self.last + 1) * self.period


class Margin(NamedTuple):
    """Bertier's dynamic safety margin, after Jacobson's estimate of a round trip: see :func:`bertier`."""

    delay: float = 0.0
    variation: float = 0.0


GAMMA, BETA, PHI = 0.1, 1.0, 4.0
"""Weight of a new error, of the delay, and of its variation (Bertier et al., section 3.2; Jacobson's 1, 4)."""


def bertier(margin: Margin, arrived: float, expected: float, gamma: float = GAMMA) -> Margin:
    """The margin after a heartbeat that was expected at ``expected`` (by Chen's estimate) has arrived."""
    error = arrived - expected - margin.delay
    return Margin(margin.delay + gamma * error, margin.variation + gamma * (abs(error) - margin.variation))


def bertier_alpha(margin: Margin, beta: float = BETA, phi: float = PHI) -> float:
    """What is added to the expected arrival."""
    return beta * margin.delay + phi * margin.variation


# --- quality of service, known beforehand ---------------------------------------------------------------------------


class Quality(NamedTuple):
    """What Chen et al. ask of a detector; seconds.

    Attributes:
        detection: upper bound of the time from a crash to the final suspicion.
        recurrence: mean time between two mistakes.
        mistake: mean length of a mistake.
        accuracy: probability that a query at a random time is answered rightly while the node is up.
    """

    detection: float
    recurrence: float
    mistake: float
    accuracy: float


def quality(period: float, shift: float, loss: float, tail: Callable[[float], float], steps: int = 4096) -> Quality:
    """Theorem 5: what the detector NFD-S with these parameters does on a network with independent delays.

    Args:
        period: eta, between two heartbeats.
        shift: delta, from the sending of a heartbeat to the time at which it is missed (NFD-U and NFD-E: the mean
            delay plus alpha).
        loss: probability that a message is lost.
        tail: x -> probability that a delay exceeds x.
        steps: of the integral over one period (Simpson).
    """
    k = ceil(shift / period)

    def stale(x: float) -> float:
        """u(x): nothing that would keep the node trusted has arrived at x after a freshness point."""
        product = 1.0
        for j in range(k + 1):
            product *= loss + (1.0 - loss) * (tail(shift + x - j * period) if shift + x - j * period >= 0 else 1.0)
        return product

    fresh = (1.0 - loss) * (1.0 - tail(shift + period))  # q_0: the heartbeat before was in time
    begins = fresh * stale(0.0)  # p_s: a suspicion begins at a freshness point
    width = period / steps
    wrong = stale(0.0) + stale(period)
    wrong += sum((4 if i % 2 else 2) * stale(i * width) for i in range(1, steps))
    wrong *= width / 3
    if begins <= 0.0:
        return Quality(shift + period, float("inf"), 0.0, 1.0)
    return Quality(shift + period, period / begins, wrong / begins, 1.0 - wrong / period)


def configure(
    detection: float, recurrence: float, mistake: float, loss: float, mean: float, variance: float
) -> tuple[float, float] | None:
    """The longest period, and the margin alpha, that keep to a quality of service whatever the delays' shape.

    Section 5.2 (for unsynchronised clocks 6.2): by the one-sided inequality of Chebyshev, from loss, mean and variance
    of the delay alone. ``detection`` is counted from a heartbeat's sending, so it includes the mean delay.

    Args:
        detection, recurrence, mistake: bounds: detection at most, recurrence at least, mistake at most.
        loss, mean, variance: of the network.

    Returns:
        (eta, delta): ``delta`` = detection - eta, from the sending; alpha is ``delta`` - mean. None if no detector
        that only knows these can do it.
    """
    slack = detection - mean
    if slack <= 0.0:
        return None
    gamma = (1.0 - loss) * slack**2 / (variance + slack**2)
    longest = min(gamma * mistake, slack)
    if longest <= 0.0:
        return None

    def apart(period: float) -> float:
        """f(eta): a lower bound of the mean time between mistakes."""
        product = period
        for j in range(1, ceil(slack / period)):
            room = (slack - j * period) ** 2
            product *= (variance + room) / (variance + loss * room)
            if product > recurrence:
                return product
        return product

    if apart(longest) >= recurrence:
        return longest, detection - longest
    # f is not monotone where the number of factors changes: walk down finely to the first that does, then refine
    step = longest / 4096
    high = longest
    for _ in range(4096):
        low = high - step
        if low <= 0.0:
            return None
        if apart(low) >= recurrence:
            for _ in range(60):
                middle = (low + high) / 2
                low, high = (middle, high) if apart(middle) >= recurrence else (low, middle)
            return low, detection - low
        high = low
    return None
