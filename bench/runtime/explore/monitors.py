"""What the invariants of a search remember: each of their states is kept once, each of their steps judged once."""

from __future__ import annotations

from typing import Any

from protocols.family import Invariant

from .canonical import canonical, snapshot
from .locals import NodeStates


class Monitors:
    """States of the invariants, by number; 0 is the one before anything has happened."""

    def __init__(self, invariants: list[Invariant], nodes: list[NodeStates], servers: int) -> None:
        """``nodes``: all of them, the ``servers`` first."""
        self._nodes = nodes
        self._servers = servers
        self._monitors = [invariants]
        self._numbers = {canonical(invariants): 0}
        self._known: dict[tuple[Any, ...], tuple[int, str, str]] = {}

    def step(self, monitor: int, index: int, kind: str, after: tuple[int, ...]) -> tuple[int, str, str]:
        """(what the invariants remember then, name of the one that fails, why)."""
        if index >= self._servers:
            return monitor, "", ""
        views = tuple(self._nodes[each].states[after[each]].view_id for each in range(self._servers))
        if kind != "boot" and views[index] < 0:
            return monitor, "", ""
        key = (monitor, index, kind == "boot", views)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._observe(monitor, index, kind, after)
        return known

    def _observe(self, monitor: int, index: int, kind: str, after: tuple[int, ...]) -> tuple[int, str, str]:
        invariants: list[Invariant] = snapshot(self._monitors[monitor])
        name = self._nodes[index].name
        views = {}
        for each in range(self._servers):
            local = self._nodes[each].states[after[each]]
            if local.up:
                views[self._nodes[each].name] = local.view
        if kind == "boot":
            for invariant in invariants:
                invariant.restarted(name)
        if name in views:
            for invariant in invariants:
                problem = invariant.step(name, views[name], views)
                if problem is not None:
                    return monitor, invariant.name, problem
        text = canonical(invariants)
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self._monitors)
            self._monitors.append(invariants)
        return number, "", ""
