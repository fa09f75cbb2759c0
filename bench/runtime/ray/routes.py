"""From the nodes of one host to all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .codec import Entry

if TYPE_CHECKING:
    from .local import LocalNode

Way = tuple[int, Callable[[Entry], None], bool]
"""To a node elsewhere with nothing in between that would stop a message: its number, what puts a message into the next
frame there, and whether it is a server."""


class Route:
    """The way from one node of this host to another node: to a ``local`` one, or over the ``link`` to another host."""

    __slots__ = ("cut", "link", "local", "number", "to_server")

    def __init__(self, number: int, to_server: bool, local: LocalNode | None) -> None:
        self.number = number
        self.to_server = to_server
        self.cut = False
        self.link: str | None = None
        self.local = local
