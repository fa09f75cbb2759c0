"""A simulated machine: one node over all its lives, with its clock, its disk, and what waits to be handled."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from protocols.node import Node

from ..engine import Engine
from ..world import TimerId
from .clock import Clock
from .disk import SimDisk
from .link import Link

DELIVER, EXPIRE, WORK, SYNCED, CALL, STOP = range(6)
"""Kinds of entries of the heap."""

MESSAGE, TIMER, REQUEST, ADMIN, DISCONNECT, FENCED = range(10, 16)  # apart from the codes of the world's events
NEVER = 2**62


class Machine:
    """Attributes:
    engine: the present life, or None while the machine is down.
    busy_until: virtual time at which its CPU is free again; ``NEVER`` while it is paused.
    inbox: what arrived while it was busy; all of it is the next batch.
    scheduled: whether a WORK event for it is in the heap.
    sent: messages over links that it shares with others.
    lie: rewrites what leaves, while a fault makes this node a liar.
    slow: factor on CPU time. stall: ns to stand still after the next batch, before its effects leave.
    """

    __slots__ = (
        "armed",
        "busy_until",
        "clock",
        "crashes",
        "deadlines",
        "disk",
        "down_for_good",
        "engine",
        "inbox",
        "incarnation",
        "index",
        "is_server",
        "lie",
        "links",
        "make",
        "name",
        "paused",
        "rng",
        "scheduled",
        "sent",
        "slow",
        "slow_disk",
        "slowed",
        "stall",
        "syncing",
        "torn",
    )

    def __init__(self, name: str, index: int, is_server: bool, make: Callable[[], Node], seed: str) -> None:
        self.name = name
        self.index = index
        self.is_server = is_server
        self.make = make
        self.engine: Engine | None = None
        self.incarnation = 0
        self.disk = SimDisk()
        self.clock = Clock()
        self.rng = _LazyRandom(seed)
        self.busy_until = 0
        self.inbox: deque[tuple[int, Any, Any]] = deque()
        self.scheduled = False
        self.paused = 0
        self.lie: Callable[[str, Any], list[tuple[str, str, Any]]] | None = None
        self.slow = 1.0
        self.slowed: list[float] = []
        self.slow_disk = 0
        self.stall = 0
        self.syncing = False
        self.deadlines: dict[TimerId, int] = {}
        self.armed: dict[TimerId, int] = {}
        self.links: dict[str, Link] = {}
        self.sent = 0
        self.torn = 0
        self.crashes = 0
        self.down_for_good = False


class _LazyRandom:
    """A seeded Random that costs nothing until it is used: ten thousand machines rarely crash."""

    __slots__ = ("_random", "_seed")

    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._random: Random | None = None

    def get(self) -> Random:
        if self._random is None:
            self._random = Random(self._seed)
        return self._random
