"""What holds of all servers together, checked after every turn in the simulator."""

from __future__ import annotations

from collections.abc import Mapping

from ...family import Invariant
from .messages import Ballot
from .server import NOBODY, View


class OneHolder:
    """Nobody serves a read by itself once another has begun to serve under a higher ballot.

    Turns are checked in the order of true time, so this is at most one holder at a time, as far as anybody can notice.
    """

    name = "one_holder"

    def __init__(self) -> None:
        self.highest = NOBODY
        self.reads: dict[str, int] = {}

    def restarted(self, node: str) -> None:
        """Its count begins anew."""
        self.reads.pop(node, None)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Compare with the highest ballot that has begun."""
        served = view.reads > self.reads.get(node, 0)
        self.reads[node] = view.reads
        self.highest = max(self.highest, view.began)
        if served and view.ballot < self.highest:
            return (
                f"{node} answered a read under ballot {view.ballot.number}, after {self.highest.server} had begun to "
                f"serve under {self.highest.number}"
            )
        return None


class PromisesRise:
    """What a server has promised it does not take back, crash or not."""

    name = "promises_rise"

    def __init__(self) -> None:
        self.told: dict[str, Ballot] = {}

    def restarted(self, node: str) -> None:
        """A promise that was not on disk was not told to anybody; what was promised last is not known to be on disk."""
        self.told.pop(node, None)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Compare with the last turn."""
        before = self.told.get(node, NOBODY)
        self.told[node] = view.promised
        if view.promised < before:
            return f"{node} went back from its promise {before.number} to {view.promised.number}"
        return None


class ServedIsKept:
    """What a new holder begins to serve, a majority keeps, so that no later holder can miss it.

    A server that is down is taken to keep it: what its disk has cannot be seen.
    """

    name = "served_is_kept"

    def __init__(self) -> None:
        self.began: dict[str, Ballot] = {}
        self.servers = 0  # as many as were ever up together

    def restarted(self, node: str) -> None:
        """It begins anew."""
        self.began.pop(node, None)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """At the moment it begins, count who keeps each value or a newer one."""
        self.servers = max(self.servers, len(views))
        if view.began == self.began.get(node, NOBODY):
            return None
        self.began[node] = view.began
        for key, entry in view.serves.items():
            lacking = sum(entry.newer(other.entries.get(key)) for other in views.values())
            if 2 * lacking >= self.servers:
                return (
                    f"{node} begins to serve {key} as written under {entry.ballot.number}, which {lacking} servers lack"
                )
        return None


def invariants() -> list[Invariant]:
    """A fresh set, for one run."""
    return [OneHolder(), PromisesRise(), ServedIsKept()]
