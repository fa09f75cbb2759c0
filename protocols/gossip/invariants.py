"""What holds of an epidemic at every step; that all replicas agree in the end is judged after the heal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..family import Invariant

if TYPE_CHECKING:
    from .messages import Item
    from .server import View


class NewestWins:
    """What a replica holds under a key is only ever replaced by something newer, over its lives too."""

    name = "newest_wins"

    def __init__(self) -> None:
        self.seen: dict[str, dict[str, Item]] = {}

    def restarted(self, node: str) -> None:
        """What was not on disk may be forgotten; nobody has heard of that."""
        self.seen.pop(node, None)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Compare with the last look."""
        seen = self.seen.setdefault(node, {})
        for key, item in view.items.items():
            before = seen.get(key)
            if before is item:
                continue
            if before is not None and (item.version, item.writer) < (before.version, before.writer):
                return f"{node} replaced version {before.version} of {key} by version {item.version}"
            seen[key] = item
        return None


class OneValueAVersion:
    """Two replicas that hold the same version of a key by the same writer hold the same value.

    Writers whose disk was lost begin their versions anew and are exempt: nobody can tell their lives apart.
    """

    name = "one_value_a_version"

    def __init__(self) -> None:
        self.values: dict[tuple[str, int, str], bytes | None] = {}
        self.known: dict[str, int] = {}

    def restarted(self, node: str) -> None:
        """A writer may have forgotten what only it knew: its next version may be written a second time."""
        for version in [version for version in self.values if version[2] == node]:
            del self.values[version]

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Every version, once and for all; of those that are their writer's own."""
        for item in view.items.values():
            if item.writer != node:
                continue
            version = (item.key, item.version, item.writer)
            value = self.values.setdefault(version, item.value)
            if value != item.value:
                return f"{node} wrote version {item.version} of {item.key} twice, with different values"
        return None


class InterestIsLost:
    """A rumor that was useless k times in a row is not hot any more (section 1.4), or it would be told for ever."""

    name = "interest_is_lost"

    def restarted(self, node: str) -> None:
        """Nothing is remembered."""

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Compare each count with k."""
        for key, count in view.counts.items():
            if count >= view.limit:
                return f"{node} still tells {key}, which was useless {count} times in a row; k is {view.limit}"
        return None


def invariants() -> list[Invariant]:
    """A fresh set for one run."""
    return [NewestWins(), OneValueAVersion(), InterestIsLost()]
