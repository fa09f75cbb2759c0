"""A workbench for one node: the real turn engine over a clock, timers and a disk that move only when told to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from random import Random
from typing import Any

from bench.runtime.engine import Engine
from bench.runtime.root import EMIT, FENCE, REPLY
from bench.runtime.sim.disk import SimDisk
from bench.runtime.world import TimerId
from protocols.node import Node

Sent = list[tuple[str, Any]]


class Rig:
    """Runs ``make()`` as node ``name``; what has left it is in :attr:`sent` and the three lists of other effects.

    Each call below is one batch of one turn. It returns the messages it let out. With ``syncs`` the disk is synced
    at the end of each batch, as an infinitely fast one would be; without, only by :meth:`sync`.
    """

    def __init__(
        self,
        make: Callable[[], Node],
        name: str = "n1",
        bootstrap: Iterable[str] = ("n1", "n2", "n3"),
        *,
        syncs: bool = True,
        engine: type[Engine] = Engine,
    ) -> None:
        self.make = make
        self.name = name
        self.bootstrap = tuple(bootstrap)
        self.syncs = syncs
        self.engine_class = engine
        self.now = 0
        self.wall = 1_000_000
        self.disk = SimDisk()
        self.life = 0
        self.timers: dict[TimerId, int] = {}
        self.marks: list[tuple[str, dict[str, Any]]] = []
        self.sent: Sent = []
        self.replies: list[tuple[int, Any]] = []
        self.emitted: list[Any] = []
        self.fences: list[str] = []
        self.engine: Engine
        self.boot()

    @property
    def node(self) -> Any:
        """The node of this life."""
        return self.engine.node

    # --- lives -------------------------------------------------------------------------------------------------------

    def boot(self, *, torn: int = 0) -> Sent:
        """Start a life from what is synced."""
        self.life += 1
        self.timers.clear()
        image = self.disk.synced.copy()
        seed = f"{self.name}/{self.life}"
        self.engine = self.engine_class(
            self, self.name, self.life, self.make(), self.bootstrap, seed, image, self.disk.write
        )
        self.engine.boot(lost=self.disk.lost, torn=torn, corrupt=0)
        return self._finish()

    def crash(self, rng: Random | None = None) -> None:
        """Die: nothing unsynced survives, or, with ``rng``, whatever the disk's dice say. Then boot."""
        if rng is None:
            self.disk.unsynced = []
            self.boot()
        else:
            self.boot(torn=self.disk.crash(rng))

    # --- turns -------------------------------------------------------------------------------------------------------

    def receive(self, source: str, message: Any) -> Sent:
        """A message arrives."""
        self.engine.receive(source, message)
        return self._finish()

    def disconnect(self, peer: str) -> Sent:
        """The stream to a peer breaks."""
        self.engine.disconnected(peer)
        return self._finish()

    def request(self, operation: int, request: Any) -> Sent:
        """The workload asks for an operation."""
        self.engine.request(operation, request)
        return self._finish()

    def batch(self, *arrivals: tuple[str, Any]) -> Sent:
        """Several (source, message) arrive together."""
        for source, message in arrivals:
            self.engine.receive(source, message)
        return self._finish()

    def fire(self, timer: TimerId) -> Sent:
        """The timer runs out now."""
        self.timers.pop(timer)
        self.engine.fire(timer)
        return self._finish()

    def advance(self, delay: int) -> Sent:
        """Let time pass; timers run out when they are due, in order."""
        end, out = self.now + delay, []
        while self.timers:
            timer, due = min(self.timers.items(), key=lambda item: (item[1], repr(item[0])))
            if due > end:
                break
            self.now = max(self.now, due)
            out += self.fire(timer)
        self.now = end
        return out

    def turn(self, call: Callable[[Engine], None]) -> Sent:
        """Any other turn: ``call`` gets the engine."""
        call(self.engine)
        return self._finish()

    def sync(self, turn: int | None = None) -> Sent:
        """The disk finishes a sync that began after ``turn`` (default: the last turn that wrote)."""
        turn = self.engine.unsynced_turn if turn is None else turn
        self.disk.sync(turn)
        self.engine.synced(turn)
        return self._take()

    def _finish(self) -> Sent:
        if self.engine.at_end:
            self.engine.batch_end()
        out = self._take()
        while self.syncs and self.engine.unsynced:
            out += self.sync()
        return out

    def _take(self) -> Sent:
        """What the engine lets go, as a world would take it."""
        engine = self.engine
        sends, engine.sends, engine.mark_send = engine.sends, [], 0
        outs, engine.outs, engine.mark_out = engine.outs, [], 0
        self.sent += sends
        for kind, what, value in outs:
            if kind == REPLY:
                self.replies.append((what, value))
            elif kind == EMIT:
                self.emitted.append(value)
            else:
                assert kind == FENCE
                self.fences.append(what)
        return list(sends)

    # --- what an engine needs of a world -----------------------------------------------------------------------------

    def monotonic_of(self, node: str) -> int:
        return self.now

    def wall_of(self, node: str) -> int:
        return self.wall + self.now

    def interval_of(self, node: str) -> tuple[int, int]:
        return self.wall_of(node) - 10, self.wall_of(node) + 10

    def arm(self, engine: Engine, timer: TimerId, delay: int) -> None:
        self.timers[timer] = self.now + max(0, delay)

    def disarm(self, engine: Engine, timer: TimerId) -> None:
        self.timers.pop(timer, None)

    def mark(self, node: str, name: str, fields: dict[str, Any]) -> None:
        self.marks.append((name, fields))

    def sign(self, node: str, payload: bytes) -> bytes:
        return hashlib.sha256(node.encode() + payload).digest()

    def verify(self, node: str, payload: bytes, signature: bytes) -> bool:
        return signature == self.sign(node, payload)


class LeakyEngine(Engine):
    """A mutant: sends what a turn has to say before its writes are durable. Durability tests must catch it."""

    __slots__ = ()

    def end(self) -> None:
        super().end()
        _let_go(self)


class ForgetfulEngine(Engine):
    """A mutant: holds a turn's effects for its own writes only, so that a turn that writes nothing overtakes."""

    __slots__ = ()

    def end(self) -> None:
        wrote = bool(self.writes)
        held = len(self.held)
        super().end()
        if not wrote and len(self.held) > held:
            _, sends, outs = self.held.pop()
            self.sends.extend(sends)
            self.outs.extend(outs)


class HastyEngine(Engine):
    """A mutant: takes any completed sync for one that covers everything written by then."""

    __slots__ = ()

    def synced(self, turn: int) -> None:
        super().synced(max(turn, self.unsynced_turn))


MUTANT_ENGINES = (LeakyEngine, ForgetfulEngine, HastyEngine)


def _let_go(engine: Engine) -> None:
    while engine.held:
        _, sends, outs = engine.held.popleft()
        engine.sends.extend(sends)
        engine.outs.extend(outs)
