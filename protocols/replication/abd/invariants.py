"""What holds of all servers together, checked after every turn in the simulator. Atomicity is judged on histories."""

from __future__ import annotations

from collections.abc import Mapping

from ...family import Invariant
from .messages import Entry, Version
from .server import View


class VersionsRise:
    """Within one life of a server, and over its crashes as far as it has told others, versions of a key only rise."""

    name = "versions_rise"

    def __init__(self) -> None:
        self.known: dict[str, dict[str, Version]] = {}

    def restarted(self, node: str) -> None:
        """What was not on disk may be gone; what depended on it was never sent."""
        self.known.pop(node, None)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Compare with the last turn."""
        known = self.known.setdefault(node, {})
        for key, entry in view.entries.items():
            before = known.get(key)
            if before is not None and entry.version < before:
                return f"{node} went back from {before} to {entry.version} of {key}"
            known[key] = entry.version
        return None


class OneValueAVersion:
    """Two servers that have the same version of a key have the same value."""

    name = "one_value_a_version"

    def __init__(self) -> None:
        self.values: dict[tuple[str, Version], Entry] = {}

    def restarted(self, node: str) -> None:
        """Versions are for ever."""

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Compare with whoever had it first."""
        for key, entry in view.entries.items():
            first = self.values.setdefault((key, entry.version), entry)
            if first.value != entry.value:
                return f"{node} has another value of {key} under {entry.version} than was seen before"
        return None


def invariants() -> list[Invariant]:
    """A fresh set, for one run."""
    return [VersionsRise(), OneValueAVersion()]
