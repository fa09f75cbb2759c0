"""One node over all its lives, driven step by step: the same engine, the same disk, but no time of its own.

A step is one atomic turn, a sync, a crash or a boot. What the node then wants of the world comes back as
:class:`Effects`; whoever drives it decides what becomes of them, and when. A disk keeps what was synced and, after a
crash, as many of the unsynced records as the driver says: any prefix may survive (see :mod:`bench.runtime.sim.disk`).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from random import Random
from typing import Any

from protocols.node import Node, Outcome

from ..engine import Engine
from ..image import Image, Write
from ..root import EMIT, FENCE, REPLY, Root
from ..sim.clock import EPOCH
from ..world import TimerId
from .rng import Dice, TurnRandom


class Effects:
    """What one step set free: messages, answers to operations, events, and orders to shoot another node."""

    __slots__ = ("emits", "fences", "replies", "sends")

    def __init__(self) -> None:
        self.sends: list[tuple[str, Any]] = []
        self.replies: list[tuple[int, Outcome]] = []
        self.emits: list[Any] = []
        self.fences: list[str] = []


class Machine:
    """See the module; also the :class:`bench.runtime.world.World` of its engine.

    Attributes:
        engine: the present life; None while it is down.
        synced: what is on disk for good.
        unsynced: (time, turn, writes) of each record written and not yet synced.
        armed: timers that are set, with their deadlines.
        clock: what its monotonic clock says, ns, and ``offset`` by how much its wall clock is ahead of that;
            ``read_clock`` whether anything depended on them.
        dice: its choices, where it draws from a :class:`.rng.TurnRandom`.
        marks: names and fields of what the node said was worth counting in the step under way.
    """

    __slots__ = (
        "armed",
        "bootstrap",
        "clock",
        "corrupt",
        "dice",
        "engine",
        "ever_written",
        "full",
        "incarnation",
        "is_server",
        "lost",
        "make",
        "marks",
        "name",
        "now",
        "offset",
        "read_clock",
        "rng_of",
        "synced",
        "torn",
        "unsynced",
    )

    def __init__(
        self,
        name: str,
        make: Callable[[], Node],
        bootstrap: tuple[str, ...],
        rng_of: Callable[[str, int], Random],
    ) -> None:
        """``rng_of(name, incarnation)`` makes the random source of a life."""
        self.name = name
        self.make = make
        self.bootstrap = bootstrap
        self.is_server = name in bootstrap
        self.rng_of = rng_of
        self.engine: Engine | None = None
        self.dice = Dice()
        self.incarnation = 0
        self.synced = Image()
        self.unsynced: list[tuple[int, int, list[Write]]] = []
        self.ever_written = False
        self.armed: dict[TimerId, int] = {}
        self.lost = False
        self.corrupt = 0
        self.torn = 0
        self.full = False
        self.now = 0
        self.clock = 0
        self.offset = 0
        self.read_clock = False
        self.marks: list[tuple[str, dict[str, Any]]] = []

    def set_clock(self, clock: int, offset: int = 0) -> None:
        """The monotonic clock never falls."""
        self.clock = max(self.clock, clock)
        self.offset = offset

    # --- steps -------------------------------------------------------------------------------------------------------

    def turn(self, now: int, call: Callable[[Engine], None]) -> Effects:
        """Let the engine do one thing at (true) time ``now``; what the handler raises, this raises."""
        assert self.engine is not None
        self._begin(now)
        call(self.engine)
        return self._effects(self.engine)

    def boot(self, now: int) -> Effects:
        """Start a life with what the disk holds."""
        self.incarnation += 1
        self.now = now
        self.marks = []
        self.armed = {}
        engine = Engine(
            self, self.name, self.incarnation, self.make(), self.bootstrap, "", self.synced.copy(), self._write
        )
        rng = engine._rng = self.rng_of(self.name, self.incarnation)
        if isinstance(rng, TurnRandom):
            rng.dice = self.dice
        engine.disk_full = self.full
        self.engine = engine
        torn, self.torn = self.torn, 0
        engine.boot(lost=self.lost, torn=torn, corrupt=self.corrupt)
        return self._effects(engine)

    def sync(self, now: int, written: int) -> Effects:
        """The records written up to time ``written`` are on disk."""
        assert self.engine is not None
        self._begin(now)
        last = 0
        while self.unsynced and self.unsynced[0][0] <= written:
            _, last, writes = self.unsynced.pop(0)
            self.synced.apply(writes)
        if last:
            self.engine.synced(last)
        return self._effects(self.engine)

    def crash(self, kept: int) -> None:
        """The process dies; the first ``kept`` unsynced records had reached the disk."""
        self.engine = None
        self.armed = {}
        for _, _, writes in self.unsynced[:kept]:
            self.synced.apply(writes)
        self.torn = len(self.unsynced) - min(kept, len(self.unsynced))
        self.unsynced = []

    def lose(self, *, corrupt: bool) -> None:
        """The disk is replaced by an empty one, or damaged at its first record."""
        self.synced = Image()
        self.unsynced = []
        if corrupt:
            self.corrupt = int(self.ever_written)
        else:
            self.lost = self.ever_written

    def fill(self, full: bool) -> None:
        """The disk is full, or has space again."""
        self.full = full
        if self.engine is not None:
            self.engine.disk_full = full

    def _begin(self, now: int) -> None:
        self.now = now
        self.marks = []
        assert self.engine is not None
        if isinstance(self.engine._rng, TurnRandom):
            self.engine._rng.new_turn()

    def _effects(self, engine: Engine) -> Effects:
        effects = Effects()
        if engine.sends:
            effects.sends, engine.sends = engine.sends, []
            engine.mark_send = 0
        if engine.outs:
            outs, engine.outs = engine.outs, []
            engine.mark_out = 0
            for kind, what, value in outs:
                if kind == REPLY:
                    effects.replies.append((what, value))
                elif kind == EMIT:
                    effects.emits.append(value)
                elif kind == FENCE:
                    effects.fences.append(what)
        return effects

    def _write(self, turn: int, writes: list[Write]) -> None:
        self.ever_written = True
        self.unsynced.append((self.now, turn, writes))

    # --- World, as an engine sees it ---------------------------------------------------------------------------------

    def monotonic_of(self, node: str) -> int:
        """See :class:`bench.runtime.world.World`."""
        self.read_clock = True
        return self.clock

    def wall_of(self, node: str) -> int:
        """See :class:`bench.runtime.world.World`."""
        self.read_clock = True
        return EPOCH + self.clock + self.offset

    def interval_of(self, node: str) -> tuple[int, int]:
        """See :class:`bench.runtime.world.World`."""
        wall, slack = self.wall_of(node), abs(self.offset)
        return wall - slack, wall + slack

    def arm(self, engine: Root, timer: TimerId, delay: int) -> None:
        """See :class:`bench.runtime.world.World`."""
        self.read_clock = True
        self.armed[timer] = self.clock + max(0, delay)

    def disarm(self, engine: Root, timer: TimerId) -> None:
        """See :class:`bench.runtime.world.World`."""
        self.armed.pop(timer, None)

    def mark(self, node: str, name: str, fields: dict[str, Any]) -> None:
        """See :class:`bench.runtime.world.World`."""
        self.marks.append((name, fields))

    def sign(self, node: str, payload: bytes) -> bytes:
        """Symbolic: nobody but the world knows the key."""
        return hmac.digest(f"explore/{node}".encode(), payload, hashlib.sha256)

    def verify(self, node: str, payload: bytes, signature: bytes) -> bool:
        """See :meth:`sign`."""
        return hmac.compare_digest(self.sign(node, payload), signature)
