"""How long to wait for the next sign of life: one estimator a peer and life. Times are ns of the observer's clock.

Each takes up arrivals (number, time) in order of their numbers and answers with a deadline. ``samples`` says how many
measurements that rests on, ``None`` where it rests on none by design.
"""

from __future__ import annotations

from typing import Protocol

from ...node import SECOND
from .chen import ArrivalWindow, Margin, bertier, bertier_alpha
from .config import DetectorConfig
from .phi import deviations_logistic, deviations_normal, timeout_exponential
from .window import Window


class Estimator(Protocol):
    """What the server needs to know."""

    def arrived(self, number: int, now: int) -> int:
        """Take up a sign of life; the deadline for the next."""
        ...

    @property
    def held(self) -> int:
        """Measurements kept."""
        ...

    @property
    def rests_on(self) -> int:
        """Measurements of the network, or assumptions in their place, behind the deadline in force."""
        ...


class Fixed:
    """A timeout that nobody adapts."""

    def __init__(self, config: DetectorConfig) -> None:
        self.timeout = round(config.timeout_s * SECOND)
        self.held = 0
        self.rests_on = 2

    def arrived(self, number: int, now: int) -> int:
        """So long after the last one."""
        return now + self.timeout


class Chen:
    """NFD-E (Chen et al. 2002, section 6.3): a constant margin after the expected arrival.

    The deadline does not depend on when this heartbeat came but on when the next should, so one late heartbeat does
    not lengthen the wait for a crash that follows it.
    """

    def __init__(self, config: DetectorConfig) -> None:
        self.window = ArrivalWindow(config.window, config.period)
        self.alpha = round(config.alpha_s * SECOND)
        self.rests_on = 2

    @property
    def held(self) -> int:
        """Arrivals kept."""
        return len(self.window.arrivals)

    def arrived(self, number: int, now: int) -> int:
        """The freshness point of the next one."""
        self.window.add(number, now)
        return self.window.expected() + self.alpha


class Bertier:
    """Chen's expectation with Jacobson's margin (Bertier et al. 2002, section 3.2)."""

    def __init__(self, config: DetectorConfig) -> None:
        self.window = ArrivalWindow(config.window, config.period)
        self.floor = config.floor
        self.margin = Margin()
        self.expected = 0
        self.rests_on = 2

    @property
    def held(self) -> int:
        """Arrivals kept."""
        return len(self.window.arrivals)

    def arrived(self, number: int, now: int) -> int:
        """The freshness point of the next one."""
        if self.expected and number == self.window.last + 1:
            self.margin = bertier(self.margin, now, self.expected)
        self.window.add(number, now)
        self.expected = self.window.expected()
        return self.expected + max(self.floor, round(bertier_alpha(self.margin)))


class Accrual:
    """Phi: the deadline is where it reaches the threshold.

    The window starts with the two gaps that Akka assumes, a quarter below and above the first estimate: of one sample
    alone there is no deviation. The deviation has a floor: on a steady network the estimate tends to nothing, and then
    any hiccup is infinitely suspicious.
    """

    def __init__(self, config: DetectorConfig) -> None:
        self.config = config
        self.window = Window(config.window)
        self.pause = round(config.pause_s * SECOND)
        self.last = 0
        first = config.first_gap
        for gap in (first - first // 4, first + first // 4):
            self.window.add(gap)
        self.rests_on = 2
        solve = deviations_normal if config.detector == "phi-normal" else deviations_logistic
        self.deviations = solve(config.threshold)

    @property
    def held(self) -> int:
        """Gaps kept."""
        return len(self.window)

    def arrived(self, number: int, now: int) -> int:
        """Where phi will reach the threshold."""
        if self.last and now - self.last <= self.config.cap:
            self.window.add(now - self.last)
        self.last = now
        self.rests_on = len(self.window)
        return now + max(1, round(self.timeout()))

    def timeout(self) -> float:
        """Since the last heartbeat."""
        if self.config.detector == "phi-exponential":
            return timeout_exponential(self.config.threshold, self.window.mean)
        deviation = max(self.window.sigma, self.config.floor)
        return self.window.mean + self.pause + self.deviations * deviation


def estimator(config: DetectorConfig) -> Estimator:
    """A fresh one of the kind that the configuration names."""
    if config.detector == "fixed":
        return Fixed(config)
    if config.detector == "chen":
        return Chen(config)
    if config.detector == "bertier":
        return Bertier(config)
    return Accrual(config)
