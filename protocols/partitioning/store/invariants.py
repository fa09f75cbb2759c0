"""What holds of the partitioned store at every step, whatever crashes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...family import Invariant
from .messages import FENCED, SERVES, Entry, Holding
from .placing import position
from .table import overlap, within

if TYPE_CHECKING:
    from .core import View


class _OfChanges:
    """Looks only at what a server has begun to serve since its last turn."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}
        self.known: dict[str, set[tuple[int, int]]] = {}

    def restarted(self, node: str) -> None:
        """Its version counts anew, and so does what it serves."""
        self.versions.pop(node, None)
        self.known.pop(node, None)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Judge what it serves, if that may be new."""
        if self.versions.get(node) == view.version:
            return None
        self.versions[node] = view.version
        before = self.known.get(node, set())
        now = {(at, holding.epoch) for at, holding in view.holdings.items() if holding.state == SERVES}
        self.known[node] = now
        for partition, _ in sorted(now - before):
            if found := self.serves(node, partition, view.holdings[partition], view, views):
                return found
        return None

    def serves(self, node: str, partition: int, holding: Holding, view: View, views: Mapping[str, View]) -> str | None:
        """Judge one partition that it serves from now on."""
        raise AssertionError("a subclass judges")


class OneOwner(_OfChanges):
    """No key is served by two servers at a time, or twice by one; no partition by two servers in one epoch."""

    name = "one_owner"

    def __init__(self) -> None:
        super().__init__()
        self.owners: dict[tuple[int, int], str] = {}

    def serves(self, node: str, partition: int, holding: Holding, view: View, views: Mapping[str, View]) -> str | None:
        """Compare with everybody who is up, and with whoever served it in that epoch."""
        epoch = holding.epoch
        before = self.owners.setdefault((partition, epoch), node)
        if before != node:
            return f"{before} and {node} both served partition {partition} in epoch {epoch}"
        mine = Entry(holding.low, holding.high, partition, epoch, node)
        for other, theirs in views.items():
            for at, held in theirs.holdings.items():
                if held.state != SERVES or (other, at) == (node, partition):
                    continue
                if overlap(mine, Entry(held.low, held.high, at, held.epoch, other)):
                    return (
                        f"{other} serves partition {at} in epoch {held.epoch}, and {node} partition {partition} in "
                        f"epoch {epoch}; both have positions from {max(holding.low, held.low)!r} on"
                    )
        return None


class NothingLost(_OfChanges):
    """Who begins to serve has all that was there before, sessions included: what was fenced, split or merged."""

    name = "nothing_lost"

    def __init__(self) -> None:
        super().__init__()
        self.begun: set[tuple[str, int, int]] = set()

    def serves(self, node: str, partition: int, holding: Holding, view: View, views: Mapping[str, View]) -> str | None:
        """Compare with the source, which still has it; or with what ended here."""
        if (node, partition, holding.epoch) in self.begun:
            return None  # back after a crash: it may have served writes since it began
        self.begun.add((node, partition, holding.epoch))
        begins = f"{node} begins to serve partition {partition} in epoch {holding.epoch}, and"
        for other, theirs in views.items():
            held = theirs.holdings.get(partition)
            if other == node or held is None or held.state != FENCED or held.epoch + 1 != holding.epoch:
                continue
            for what, mine, his in (
                ("keys", view.data[partition], theirs.data[partition]),
                ("sessions", view.sessions[partition], theirs.sessions[partition]),
            ):
                wrong = [name for name in sorted({*mine, *his}) if mine.get(name) != his.get(name)]
                if wrong:
                    verb = "differs" if len(wrong) == 1 else "differ"
                    return f"{begins} of its {what} {', '.join(wrong[:3])} {verb} from what {other} fenced"
        return self._whole(node, holding, view, begins)

    def _whole(self, node: str, holding: Holding, view: View, begins: str) -> str | None:
        """All of what ended is there still, in what serves the same positions."""
        config = view.config
        for ended, pairs, sessions in view.ended:
            here = Entry(ended.low, ended.high, 0, 0, node)
            if not overlap(here, Entry(holding.low, holding.high, 0, 0, node)):
                continue
            heirs = {
                at: held
                for at, held in view.holdings.items()
                if held.state in (SERVES, FENCED) and overlap(here, Entry(held.low, held.high, 0, 0, node))
            }
            for key, value in pairs.items():
                where = position(key, config.placement, config.partitions)
                if not any(
                    within(where, held.low, held.high) and view.data[at].get(key) == value for at, held in heirs.items()
                ):
                    return f"{begins} nobody has {key}, which what ended there had"
            for name, known in sessions.items():
                for at in heirs:
                    if view.sessions[at].get(name, ("", -1, None))[1] < known[1]:
                        return f"{begins} partition {at} lacks session {name}, which what ended there had"
        return None


def invariants() -> list[Invariant]:
    """A fresh set for one run."""
    return [OneOwner(), NothingLost()]
