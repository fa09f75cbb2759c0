"""What holds of all servers together, checked after every turn in the simulator."""

from __future__ import annotations

from collections.abc import Mapping

from ...family import Invariant
from .server import View


class OneActs:
    """Once a server has taken the duty no other acts that took it before.

    Turns are checked in the order of true time. Where nothing is promised (no fence, no lease) it is only measured.
    """

    name = "one_acts"

    def __init__(self) -> None:
        self.acts: dict[str, int] = {}
        self.began: dict[str, int] = {}
        self.latest = ""
        self.double = 0
        self.total = 0

    def restarted(self, node: str) -> None:
        """Its counts begin anew, and so does its duty."""
        self.acts.pop(node, None)
        self.began.pop(node, None)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Compare who acts with who began last."""
        acted = view.acts - self.acts.get(node, 0)
        self.acts[node] = view.acts
        if view.began != self.began.get(node, 0):
            self.began[node] = view.began
            self.latest = node
        if acted <= 0:
            return None
        self.total += acted
        if node == self.latest:
            return None
        self.double += acted
        if view.promises:
            return f"{node} acted after {self.latest} had taken the duty"
        return None

    def figures(self) -> dict[str, float]:
        """Acts of servers that another had replaced, and all acts."""
        return {"double": float(self.double), "acts": float(self.total)}


class OneSide:
    """Of two sides that do not intersect, by the same membership, one at most survives."""

    name = "one_side"

    def restarted(self, node: str) -> None:
        """Nothing is remembered."""

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Compare this server's side with the others'."""
        if view.strategy in ("none", "lease-majority") or view.downed or not view.side:
            return None
        for name, other in views.items():
            if other.downed or not other.side or (other.members, other.oldest) != (view.members, view.oldest):
                continue
            if not view.side & other.side:
                mine, its = ", ".join(sorted(view.side)), ", ".join(sorted(other.side))
                return f"{node} with {mine} and {name} with {its} both survive"
        return None


class LoserStops:
    """Whoever has found its side to have lost has not got the duty."""

    name = "loser_stops"

    def restarted(self, node: str) -> None:
        """Nothing is remembered."""

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Look."""
        return f"{node} has lost and goes on with the duty" if view.downed and view.active else None


def invariants() -> list[Invariant]:
    """A fresh set for one run."""
    return [OneActs(), OneSide(), LoserStops()]
