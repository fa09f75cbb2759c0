"""What has arrived for the nodes of one host and waits for the next tick of its loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .codec import Entry
from .local import MESSAGE, SEALED, LocalNode

Arrival = tuple[int, Any, Any]
"""A message as it was decoded, (source, target, message), nodes by number; or (-kind, node, (a, b)) of another kind."""


class Inbox:
    """In the order of arrival. Messages, of which there are many, stay as they are until their turn."""

    def __init__(self, names: Sequence[str], nodes: Iterable[LocalNode], wake: Callable[[], None]) -> None:
        """``names``: of all nodes, by number; ``nodes``: those here; ``wake``: called when something has arrived."""
        self.names = tuple(names)
        self.nodes = {node.number: node for node in nodes}
        self._numbers = {name: number for number, name in enumerate(self.names)}
        self._arrivals: list[Arrival] = []
        self._wake = wake

    def __bool__(self) -> bool:
        return bool(self._arrivals)

    def put(self, node: LocalNode, kind: int, a: Any, b: Any) -> None:
        """Something arrived for a node: it is handled in the next tick, together with whatever else arrives by then."""
        self._arrivals.append((self._numbers[a], node.number, b) if kind == MESSAGE else (-kind, node, (a, b)))
        self._wake()

    def put_all(self, messages: list[Entry]) -> None:
        """As :meth:`put`, for many messages."""
        self._arrivals += messages
        self._wake()

    def take(self, most: int) -> list[Arrival]:
        """The oldest, so many at most."""
        taken = self._arrivals[:most]
        del self._arrivals[:most]
        return taken

    def forget(self, node: LocalNode) -> tuple[int, list[tuple[int, Any]]]:
        """Drop what has arrived for a node: how many messages that was, and (kind, a) of everything else."""
        mine = [each for each in self._arrivals if self._whose(each) is node]
        if mine:
            self._arrivals = [each for each in self._arrivals if self._whose(each) is not node]
        messages = sum(first >= 0 or -first == SEALED for first, _, _ in mine)
        return messages, [(-first, what[0]) for first, _, what in mine if first < 0]

    def clear(self) -> None:
        """Drop everything."""
        self._arrivals.clear()

    def _whose(self, arrival: Arrival) -> LocalNode | None:
        first, target, _ = arrival
        return self.nodes.get(target) if first >= 0 else target
