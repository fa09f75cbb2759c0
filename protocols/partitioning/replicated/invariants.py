"""Raft's invariants, of every group."""

from __future__ import annotations

from collections.abc import Mapping

from ...consensus.raft.invariants import invariants as raft_invariants
from ...family import Invariant
from .server import View


class _OfGroups:
    """One of Raft's invariants, with a memory for each group; those of a group share what they know is committed."""

    def __init__(self, number: int, name: str, sets: dict[int, list[Invariant]]) -> None:
        self.name = name
        self.number = number
        self.sets = sets

    def restarted(self, node: str) -> None:
        """In all groups."""
        for each in self.sets.values():
            each[self.number].restarted(node)

    def step(self, node: str, view: View, views: Mapping[str, View]) -> str | None:
        """Judge each group that the server has, among those who have it."""
        for group, mine in view.groups.items():
            if group not in self.sets:
                self.sets[group] = raft_invariants()
            theirs = {name: each.groups[group] for name, each in views.items() if group in each.groups}
            if found := self.sets[group][self.number].step(node, mine, theirs):
                return f"group {group}: {found}"
        return None


def invariants() -> list[Invariant]:
    """A fresh set for one run."""
    sets: dict[int, list[Invariant]] = {}
    return [_OfGroups(number, each.name, sets) for number, each in enumerate(raft_invariants())]
