"""What holds of a process group, checked after every turn in the simulator.

Names follow Chockler, Keidar and Vitenberg (*Group communication specifications*, ACM Computing Surveys 33(4), 2001).
"""

from __future__ import annotations

from collections.abc import Mapping

from ...family import Invariant
from .server import View


class PrimaryComponent:
    """Views are agreed: those of one number have the same members, and each server's numbers rise (their section 3.1).

    In one life: a crash may take back a view that was not on disk yet, and of which nobody had heard. A server that has
    lost its disk takes part no more.
    """

    name = "primary_component"

    def __init__(self) -> None:
        self.members: dict[int, tuple[str, ...]] = {}
        self.number: dict[str, int] = {}

    def restarted(self, node: str) -> None:
        """Another life."""
        self.number.pop(node, None)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Compare with all views seen so far."""
        if view.silent:
            return None
        known = self.members.setdefault(view.number, view.members)
        if known != view.members:
            return f"view {view.number} is {', '.join(view.members)} at {node} and {', '.join(known)} elsewhere"
        if view.number < self.number.get(node, 0):
            return f"{node} went back from view {self.number[node]} to view {view.number}"
        self.number[node] = view.number
        return None


class VirtualSynchrony:
    """All members deliver the same messages in the same order, and as many of each view before they leave it.

    So those who go from one view to the next have delivered the same in the first (their section 4.2), in an order that
    is total (4.4). With ``agreed`` delivery that is said of those only who go on together: whoever is thrown out may
    have delivered more.
    """

    name = "virtual_synchrony"

    def __init__(self) -> None:
        self.digests: dict[tuple[int, int], tuple[int, str]] = {}

    def restarted(self, node: str) -> None:
        """It delivers again from what it has kept."""

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Compare what was delivered by now with what others had delivered at that point."""
        if view.silent:
            return None
        at = (view.number, view.delivered)
        digest, other = self.digests.setdefault(at, (view.digest, node))
        if digest != view.digest:
            return f"up to message {view.delivered}, in view {view.number}, {node} delivered others than {other}"
        return None


class SendingViewDelivery:
    """A message is delivered in the view in which it was sent (their section 4.1)."""

    name = "sending_view_delivery"

    def restarted(self, node: str) -> None:
        """Counted from there."""

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Look."""
        return f"{node} delivered a message of another view in view {view.number}" if view.foreign else None


def invariants() -> list[Invariant]:
    """A fresh set for one run."""
    return [PrimaryComponent(), VirtualSynchrony(), SendingViewDelivery()]


def converged(views: Mapping[str, View]) -> str:
    """Why servers differ that should not, a while after the last operation and fault; empty: they do not."""
    known = {name: view for name, view in views.items() if not view.silent}
    newest = max(known.values(), key=lambda view: view.number, default=None)
    if newest is None:
        return ""
    for name, view in sorted(known.items()):
        if view.number != newest.number:
            return f"{name} is in view {view.number}, others in view {newest.number}"
        if view.data != newest.data:
            return f"{name} has other values than the rest of view {view.number}"
    return ""
