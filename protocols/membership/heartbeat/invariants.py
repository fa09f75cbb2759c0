"""What holds of a heartbeat detector at every step, whatever the network does.

That everybody finds out in the end is no property of a step: the opinions are judged over the whole run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...family import Invariant
from ...node import SECOND
from .phi import deviations_logistic, deviations_normal

if TYPE_CHECKING:
    from .server import View


class WindowBounded:
    """An estimate rests on no more measurements than the window holds, so it can follow the network."""

    name = "window_bounded"

    def restarted(self, node: str) -> None:
        """Nothing is remembered."""

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Count."""
        for peer in view.peers:
            if peer.held > view.config.window:
                return f"{node} keeps {peer.held} measurements of {peer.node}, its window is {view.config.window}"
        return None


class TwoSamples:
    """No deviation is taken of one sample: it would be zero, and the next heartbeat infinitely late."""

    name = "two_samples"

    def restarted(self, node: str) -> None:
        """Nothing is remembered."""

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Of every deadline in force."""
        for peer in view.peers:
            if peer.rests_on < 2:
                return f"{node}'s deadline for {peer.node} rests on {peer.rests_on} samples"
        return None


class Patient:
    """A node is not deemed down sooner after its last sign of life than the parameters allow.

    That is the timeout, or pause and threshold times the least deviation.
    """

    name = "patient"

    def restarted(self, node: str) -> None:
        """Nothing is remembered."""

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Compare each wait with the least."""
        config = view.config
        if config.detector == "fixed":
            least = config.timeout_s
        elif config.detector in ("phi-normal", "phi-akka"):
            solve = deviations_normal if config.detector == "phi-normal" else deviations_logistic
            least = config.pause_s + solve(config.threshold) * config.floor_s
        else:
            return None
        for peer in view.peers:
            if peer.wait < least * SECOND - 2:
                return f"{node} waits {peer.wait / SECOND:g} s for {peer.node}, at least {least:g} s are due"
        return None


class Timely:
    """No deadline is further away than samples that count could put it, so a crash is noticed within a known time.

    Not asked of Chen's and Bertier's estimates, which have no such bound.
    """

    name = "timely"

    def restarted(self, node: str) -> None:
        """Nothing is remembered."""

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Compare each wait with the longest."""
        config = view.config
        if config.detector in ("chen", "bertier"):
            return None
        longest = config.longest()
        for peer in view.peers:
            if peer.wait > longest * SECOND + 2:
                return f"{node} waits {peer.wait / SECOND:g} s for {peer.node}, at most {longest:g} s are due"
        return None


class NumbersRise:
    """Within one life of a peer the latest sign of life has the highest number: a late one proves nothing new."""

    name = "numbers_rise"

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str], tuple[int, int]] = {}

    def restarted(self, node: str) -> None:
        """A new life has heard nothing."""
        for pair in [pair for pair in self.seen if pair[0] == node]:
            del self.seen[pair]

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Compare with the last look."""
        for peer in view.peers:
            life, number = self.seen.get((node, peer.node), (0, 0))
            if peer.life == life and peer.number < number:
                return f"{node} took number {peer.number} of {peer.node} for news after number {number}"
            self.seen[node, peer.node] = (peer.life, peer.number)
        return None


def invariants() -> list[Invariant]:
    """A fresh set for one run."""
    return [WindowBounded(), TwoSamples(), Patient(), Timely(), NumbersRise()]
