"""What holds of the partitioned store at every step, whatever crashes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...family import Invariant
from .messages import FENCED, SERVES

if TYPE_CHECKING:
    from .server import View


class _OfChanges:
    """Looks only where a server's holdings have changed since its last turn."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}

    def restarted(self, node: str) -> None:
        """Its version counts anew."""
        self.versions.pop(node, None)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Judge what it serves, if that may be new."""
        if self.versions.get(node) == view.version:
            return None
        self.versions[node] = view.version
        for partition, holding in view.holdings.items():
            if holding.state == SERVES and (found := self.serves(node, partition, holding.epoch, view, views)):
                return found
        return None

    def serves(self, node: str, partition: int, epoch: int, view: View, views: Mapping[str, View]) -> str | None:
        """Judge one partition that it serves."""
        raise AssertionError("a subclass judges")


class OneOwner(_OfChanges):
    """No two servers serve a partition, neither at one time nor in one epoch."""

    name = "one_owner"

    def __init__(self) -> None:
        super().__init__()
        self.owners: dict[tuple[int, int], str] = {}

    def serves(self, node: str, partition: int, epoch: int, view: View, views: Mapping[str, View]) -> str | None:
        """Compare with everybody who is up, and with whoever served it in that epoch."""
        before = self.owners.setdefault((partition, epoch), node)
        if before != node:
            return f"{before} and {node} both served partition {partition} in epoch {epoch}"
        for other, theirs in views.items():
            held = theirs.holdings.get(partition)
            if other != node and held is not None and held.state == SERVES:
                return f"{other} serves partition {partition} in epoch {held.epoch}, and {node} in epoch {epoch}"
        return None


class NothingLost(_OfChanges):
    """Who begins to serve a partition has all that its source had when it fenced it, sessions included."""

    name = "nothing_lost"

    def __init__(self) -> None:
        super().__init__()
        self.begun: set[tuple[str, int, int]] = set()

    def serves(self, node: str, partition: int, epoch: int, view: View, views: Mapping[str, View]) -> str | None:
        """Compare with the source, which still has it."""
        if (node, partition, epoch) in self.begun:
            return None
        self.begun.add((node, partition, epoch))
        for other, theirs in views.items():
            held = theirs.holdings.get(partition)
            if other == node or held is None or held.state != FENCED or held.epoch + 1 != epoch:
                continue
            for what, mine, his in (
                ("keys", view.data[partition], theirs.data[partition]),
                ("sessions", view.sessions[partition], theirs.sessions[partition]),
            ):
                wrong = [name for name in sorted({*mine, *his}) if mine.get(name) != his.get(name)]
                if wrong:
                    return (
                        f"{node} begins to serve partition {partition} in epoch {epoch}, and of its {what} "
                        f"{', '.join(wrong[:3])} differ{'s' if len(wrong) == 1 else ''} from what {other} fenced"
                    )
        return None


def invariants() -> list[Invariant]:
    """A fresh set for one run."""
    return [OneOwner(), NothingLost()]
