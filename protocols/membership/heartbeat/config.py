"""The parameters of a heartbeat detector, with their meaning and units."""

from __future__ import annotations

from typing import Literal

import msgspec

from ...node import SECOND
from .phi import deviations_logistic, deviations_normal, timeout_exponential

Kind = Literal["fixed", "chen", "bertier", "phi-normal", "phi-exponential", "phi-akka"]


class DetectorConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of a server.

    Attributes:
        style: ``push``: everybody sends heartbeats to everybody; ``pull``: everybody pings everybody, and an answer is
            the sign of life (two messages for one, and no node sends what nobody asked for).
        detector: how long after the last sign of life a node is deemed down: after ``fixed`` seconds; ``chen``: a
            margin after the next one is expected; ``bertier``: the same with a margin that follows the errors of that
            expectation; ``phi-...``: when phi reaches the threshold, gaps being normal, exponential (Cassandra) or
            logistic (Akka).
        period_s: seconds between heartbeats (eta).
        timeout_s: (fixed) seconds since the last sign of life.
        alpha_s: (chen) seconds after the expected arrival.
        threshold: (phi) the level of suspicion from which on a node is deemed down.
        window: gaps, or arrivals, that an estimate rests on at most.
        floor_s: (phi) least standard deviation; (bertier) least margin.
        pause_s: (phi-normal, phi-akka) seconds that a node may stand still on top (Akka's acceptable pause).
        first_gap_s: (phi) gap assumed before any was measured, with a deviation of a quarter (Akka); 0: the period.
        cap_s: (phi) longer gaps are pauses or outages rather than samples, and are not counted (Cassandra); 0: ten
            periods and the pause.
        grace_s: seconds granted to a node that was not heard of since this one booted.
        signed: signs of life carry their sender's signature, and without a valid one they are none.
    """

    style: Literal["push", "pull"] = "push"
    detector: Kind = "phi-akka"
    period_s: float = 0.1
    timeout_s: float = 0.5
    alpha_s: float = 0.2
    threshold: float = 8.0
    window: int = 1000
    floor_s: float = 0.02
    pause_s: float = 0.0
    first_gap_s: float = 0.0
    cap_s: float = 0.0
    grace_s: float = 1.0
    signed: bool = False

    def validate(self, nodes: int) -> None:
        """Raise ``ValueError`` with one sentence if a value cannot be, alone or in a cluster of ``nodes``."""
        for name, low in (("period_s", 0.0005), ("timeout_s", 0.0005), ("floor_s", 1e-6), ("grace_s", 0.0005)):
            if not low <= getattr(self, name) <= 86400:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: {low:g} to 86400 seconds")
        for name in ("alpha_s", "pause_s", "first_gap_s", "cap_s"):
            if not 0 <= getattr(self, name) <= 86400:
                raise ValueError(f"{name} {getattr(self, name):g} is out of range: 0 to 86400 seconds")
        if self.detector == "fixed" and self.timeout_s <= self.period_s:
            raise ValueError(
                f"timeout_s {self.timeout_s:g} is out of range: above the period {self.period_s:g}, or everybody is "
                "deemed down between two heartbeats"
            )
        if not 0.1 <= self.threshold <= 100:
            raise ValueError(f"threshold {self.threshold:g} is out of range: 0.1 to 100")
        if not 2 <= self.window <= 1_000_000:
            raise ValueError(f"window {self.window} is out of range: 2 to 1000000; one gap has no deviation")
        if self.cap_s and self.cap_s <= self.period_s:
            raise ValueError(f"cap_s {self.cap_s:g} is out of range: above the period {self.period_s:g}, or 0")

    @property
    def period(self) -> int:
        """In ns."""
        return round(self.period_s * SECOND)

    @property
    def cap(self) -> int:
        """Longest gap that counts, in ns."""
        return round((self.cap_s or 10 * self.period_s + self.pause_s) * SECOND)

    @property
    def first_gap(self) -> int:
        """In ns."""
        return round((self.first_gap_s or self.period_s) * SECOND)

    @property
    def floor(self) -> int:
        """In ns."""
        return round(self.floor_s * SECOND)

    def quickest(self) -> float:
        """Seconds from an expected heartbeat that does not come to the suspicion, on a network without jitter."""
        if self.detector == "fixed":
            return self.timeout_s - self.period_s
        if self.detector == "chen":
            return self.alpha_s
        if self.detector == "bertier":
            return self.floor_s
        if self.detector == "phi-exponential":
            return timeout_exponential(self.threshold, self.period_s) - self.period_s
        return self.pause_s + self._deviations() * self.floor_s

    def longest(self) -> float:
        """Seconds after the last sign of life by which suspicion comes at the latest, whatever the samples are.

        For Chen's and Bertier's estimates there is no such bound: delays shift them. Delays below a second are assumed.
        """
        cap = self.cap / SECOND
        if self.detector == "fixed":
            return max(self.timeout_s, self.grace_s)
        if self.detector in ("chen", "bertier"):
            return max(self.period_s + self.alpha_s + 6.0, self.grace_s)
        if self.detector == "phi-exponential":
            return max(timeout_exponential(self.threshold, cap), self.grace_s)
        # the deviation of values within 0 .. cap is at most half of that
        return max(cap + self.pause_s + self._deviations() * max(cap / 2, self.floor_s), self.grace_s)

    def _deviations(self) -> float:
        solve = deviations_normal if self.detector == "phi-normal" else deviations_logistic
        return max(0.0, solve(self.threshold))
