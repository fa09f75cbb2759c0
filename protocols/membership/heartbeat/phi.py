"""Phi, the suspicion level of the accrual failure detector, and its inverse.

N. Hayashibara, X. Défago, R. Yared, T. Katayama: *The phi accrual failure detector*, SRDS 2004, section 4. Phi is
-log10 of the probability that a heartbeat arrives later than now, given when the last one came and how far apart the
earlier ones were. Three shapes are assumed for the gaps: normal (the paper), exponential (Cassandra's
``gms.FailureDetector``), and a logistic approximation of the normal (Akka's ``PhiAccrualFailureDetector``).

Each is monotone in the time elapsed, so a threshold is a deadline: that is what a node sets its timer to.
"""

from __future__ import annotations

from functools import cache
from math import erfc, exp, log, log1p, pi, sqrt

LN10 = log(10.0)

AKKA_LINEAR, AKKA_CUBIC = 1.5976, 0.070566
"""Akka's coefficients: 1 / (1 + exp(-y (a + b y^2))) is near the normal distribution function."""


def log10_tail(y: float) -> float:
    """log10 of the probability that a standard normal variable exceeds ``y``; also where that probability underflows.

    Beyond 37 the first terms of the asymptotic series are exact to double precision.
    """
    if y < 37.0:
        return log(0.5 * erfc(y / sqrt(2.0))) / LN10
    square = y * y
    series = 1.0 - 1.0 / square + 3.0 / square**2 - 15.0 / square**3
    return (-0.5 * square - log(y * sqrt(2.0 * pi)) + log(series)) / LN10


def phi_normal(elapsed: float, mean: float, sigma: float) -> float:
    """Phi after ``elapsed`` since the last heartbeat, gaps being normal (paper, section 4.2). Same units throughout.

    With ``sigma`` 0 the distribution is a step: 0 up to the mean, infinite beyond.
    """
    if sigma <= 0.0:
        return float("inf") if elapsed > mean else 0.0
    return -log10_tail((elapsed - mean) / sigma)


def phi_exponential(elapsed: float, mean: float) -> float:
    """Phi with exponential gaps (Cassandra): elapsed / (mean ln 10)."""
    if mean <= 0.0:
        return float("inf") if elapsed > 0.0 else 0.0
    return elapsed / (mean * LN10)


def phi_logistic(y: float) -> float:
    """Phi of Akka's logistic approximation at ``y`` standard deviations beyond the mean.

    The original computes e / (1 + e) above the mean and 1 - 1 / (1 + e) below, which are the same number; here its
    logarithm is taken first, so that neither end overflows.
    """
    exponent = y * (AKKA_LINEAR + AKKA_CUBIC * y * y)
    if exponent >= 0.0:
        return (exponent + log1p(exp(-exponent))) / LN10
    return log1p(exp(exponent)) / LN10


def phi_akka(elapsed: float, mean: float, sigma: float, pause: float = 0.0, sigma_floor: float = 0.0) -> float:
    """Akka's phi: logistic, the mean put off by the acceptable ``pause``, sigma not below ``sigma_floor``."""
    deviation = max(sigma, sigma_floor)
    if deviation <= 0.0:
        return float("inf") if elapsed > mean + pause else 0.0
    return phi_logistic((elapsed - mean - pause) / deviation)


@cache
def deviations_normal(threshold: float) -> float:
    """How many standard deviations beyond the mean phi of the normal form reaches ``threshold`` (above 0)."""
    return _solve(lambda y: -log10_tail(y), threshold)


@cache
def deviations_logistic(threshold: float) -> float:
    """The same for Akka's form: 1.282, 3.059 and 5.226 for thresholds 1, 3 and 8."""
    return _solve(phi_logistic, threshold)


def timeout_normal(threshold: float, mean: float, sigma: float) -> float:
    """Time since the last heartbeat at which :func:`phi_normal` reaches ``threshold``."""
    return mean + deviations_normal(threshold) * sigma


def timeout_exponential(threshold: float, mean: float) -> float:
    """Time since the last heartbeat at which :func:`phi_exponential` does: 18.42 means for threshold 8."""
    return threshold * LN10 * mean


def timeout_akka(threshold: float, mean: float, sigma: float, pause: float = 0.0, sigma_floor: float = 0.0) -> float:
    """Time since the last heartbeat at which :func:`phi_akka` does."""
    return mean + pause + deviations_logistic(threshold) * max(sigma, sigma_floor)


def mistakes_per_second(threshold: float, interval_s: float) -> float:
    """Wrong suspicions a second of one observer of one node *if* gaps follow the fitted distribution: 10^-phi a gap.

    An extrapolation: real gaps have heavier tails than any of the three shapes. It is never what a network does.
    """
    late: float = 10.0**-threshold
    return late / interval_s


def rate_bound(events: int, observed_s: float) -> float:
    """The largest rate, per second, compatible at 95% with so many events in a time.

    No event in T seconds bounds the rate by 3/T (the rule of three); otherwise Poisson's upper bound, by bisection.
    """
    if events == 0:
        return 3.0 / observed_s
    low, high = float(events), events + 10.0 * sqrt(events + 1.0) + 10.0
    for _ in range(100):
        middle = (low + high) / 2
        term = total = exp(-middle)
        for k in range(1, events + 1):
            term *= middle / k
            total += term
        low, high = (middle, high) if total > 0.05 else (low, middle)
    return high / observed_s


def _solve(phi: object, threshold: float) -> float:
    """Where the rising function reaches the threshold, by bisection to the last bit."""
    low, high = -40.0, 1.0
    while phi(high) < threshold:  # type: ignore[operator]
        high *= 2.0
    while True:
        middle = (low + high) / 2
        if middle in (low, high):
            return high
        low, high = (middle, high) if phi(middle) < threshold else (low, middle)  # type: ignore[operator]
