"""One node as its host sees it: the engine of its present life, its disk, its clocks, its timers, its counters."""

from __future__ import annotations

import mmap
import os
from array import array
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from time import time_ns
from typing import Any

import msgspec

from protocols.family import Liar, Lie
from protocols.node import Node

from ..engine import Engine
from ..root import Root
from ..sim.clock import EPOCH, Clock
from ..world import TimerId
from .alarm import Alarm
from .codec import message_decoder, size_received
from .hostclock import monotonic_ns
from .interface import BUFFER_LIMIT
from .orders import LoadCost, MarkNote, NodeReport, NodeTrouble
from .records import thaw
from .routes import Way
from .storage import Wal, append_note, read_notes
from .trust import Trust

MESSAGE, TIMER, REQUEST, ADMIN, DISCONNECT, FENCED, SYNCED, SEALED = range(8)
"""What arrives at a node."""

LIVES, TURNS, TO_SERVERS, TO_CLIENTS, FRAMES, BYTES, FSYNCS, DROPPED, CPU, RECOVERED, TORN, CORRUPT = range(12)
OVERFLOWED = 12
"""Places in the counters' file, which is mapped into memory: what was counted outlives SIGKILL, at no cost a count."""
LOAD_END, LOAD_BEGUN, LOAD_OVER = 13, 14, 15
"""When the load ends (ns), and whether the counters at its beginning and its end have been kept, in the next places."""
_KEPT = 16
_COUNTERS = 64
_FLAGS = os.O_CREAT | os.O_CLOEXEC
_SYNC_SAMPLE = 2000
FORMER_S = 10.0
"""Seconds that a boot waits for a write of the last life in this process; rarely any, for down times are longer."""
UNCERTAINTY = 1_000_000
"""ns: half the width of the TrueTime interval of machines that are kept in step."""
_PERIOD = 10_000_000
"""ns: of the slices in which a slow node that shares its process works and rests."""

_encode = msgspec.msgpack.Encoder().encode
_read_mark = msgspec.msgpack.Decoder(MarkNote).decode


class LocalNode:
    """A node that lives on this host; also the :class:`bench.runtime.engine.World` of its engines.

    Attributes:
        engine: the present life, None while it is down.
        wal: of the present life.
        counters: see ``LIVES`` and its like.
        paused: handles nothing; what arrives waits in ``waiting``.
        ways: to nodes elsewhere, by name, where nothing is in the way; kept by :class:`.wires.Wires`.
    """

    def __init__(
        self,
        name: str,
        number: int,
        make: Callable[[], Node],
        seed: int,
        bootstrap: tuple[str, ...],
        folder: Path,
        trust: Trust,
        alarm: Alarm,
        arrive: Callable[[LocalNode, int, Any, Any], None],
        synced: Callable[[LocalNode, Engine, int, BaseException | None], None],
        *,
        outlive: bool = True,
        lies: tuple[Lie, ...] = (),
    ) -> None:
        """Prepare; see :class:`bench.runtime.ray.stage.Stage` for the callbacks.

        ``outlive``: whether what is counted must survive the process, as it must where a fault kills processes.
        ``lies``: what liars of its protocol say.
        """
        self.name = name
        self.number = number
        self.make = make
        self.folder = folder
        self.engine: Engine | None = None
        self.wal: Wal | None = None
        self._former: Wal | None = None  # of the last life in this process
        self.deadlines: dict[TimerId, int] = {}
        self.paused = False
        self.waiting: deque[tuple[int, Any, Any]] = deque()
        self._held = 0  # bytes of messages in it
        self.ways: dict[str, Way] = {}
        self.turns_before = 0  # of earlier lives
        self.on_mark: Callable[[str], None] | None = None
        self._trouble = NodeTrouble()
        self.lie: Callable[[list[tuple[str, Any]]], list[tuple[str, Any]]] | None = None
        self._resting = False
        self._seed = seed
        self._lies = lies
        self._bootstrap = bootstrap
        self._trust = trust
        self._alarm = alarm
        self._arrive = arrive
        self._synced = synced
        self._notes: list[bytes] = []
        folder.mkdir(parents=True, exist_ok=True)
        self._map: mmap.mmap | None = None
        self.counters: Any = array("q", bytes(8 * _COUNTERS))
        if outlive:
            counters = os.open(folder / "counters", os.O_RDWR | _FLAGS, 0o644)
            os.ftruncate(counters, 8 * _COUNTERS)
            self._map = mmap.mmap(counters, 8 * _COUNTERS)
            os.close(counters)
            self.counters = memoryview(self._map).cast("q")
        self.cpu_before = self.counters[CPU]
        self.clock = Clock(time_ns() - monotonic_ns() - EPOCH)
        self.clock.uncertainty = UNCERTAINTY
        self._true_offset = self.clock.offset

    @property
    def life(self) -> int:
        """The number of this life, over all processes; 0 while it is down."""
        return 0 if self.engine is None else int(self.counters[LIVES])

    # --- lives -------------------------------------------------------------------------------------------------------

    def boot(self) -> int:
        """Start a life with what the disk holds; the number of records found there.

        Raises:
            OSError: the disk cannot be read.
            Exception: whatever the node's ``start`` raises.
        """
        assert self.engine is None
        if self._former is not None and not self._former.join(FORMER_S):
            raise OSError(f"{self.name}: the disk has not ended a write of the last life within {FORMER_S:g} s")
        self._former = None
        life = self.counters[LIVES] = self.counters[LIVES] + 1
        self.turns_before = self.counters[TURNS]
        wal = Wal(self.folder, life, lambda turn, error: self._synced(self, engine, turn, error))
        node = self.make()
        found = wal.recover(type(node))
        self.counters[RECOVERED] = found.records
        self.counters[TORN] += found.torn
        self.counters[CORRUPT] += found.corrupt
        engine = Engine(
            self,
            self.name,
            life,
            node,
            self._bootstrap,
            f"{self._seed}/node/{self.name}/{life}",
            found.image,
            wal.write,
        )
        engine.thaw = lambda prefix, kind: thaw(found.image, prefix, kind)
        engine.host = self
        self.engine, self.wal = engine, wal
        self.apply(self._trouble)
        engine.boot(lost=False, torn=found.torn, corrupt=found.corrupt)
        return found.records

    def stop(self) -> None:
        """End this life at once: nothing that waits in memory survives."""
        self.save_notes()
        self.count_turns()
        self.engine = None
        if self.wal is not None:
            self.wal.close()
            self._former, self.wal = self.wal, None
        self.deadlines.clear()
        self.waiting.clear()
        self._held = 0

    def close(self) -> None:
        """Let go of the node's files."""
        self.stop()
        if self._map is not None:
            self.counters.release()
            self._map.close()

    # --- faults ------------------------------------------------------------------------------------------------------

    def apply(self, trouble: NodeTrouble) -> bool:
        """Be in exactly this trouble from now on. Returns whether the node may handle again what waits."""
        before, self._trouble = self._trouble, trouble
        self.clock.offset = self._true_offset + trouble.clock_offset
        if self.clock.rate != trouble.clock_rate:
            self.clock.set_rate(monotonic_ns(), trouble.clock_rate)
        if self.engine is not None:
            self.engine.disk_full = trouble.disk_full
        if self.wal is not None:
            self.wal.extra = trouble.slow_disk
        if trouble.slow > 1 and before.slow <= 1:
            self._resting = False
            self._alarm.at(monotonic_ns() + _PERIOD, self._slice)
        if trouble.lie != before.lie:
            self.lie = self._liar(trouble.lie) if trouble.lie else None
        was = self.paused
        self.paused = trouble.paused or (self._resting and trouble.slow > 1)
        return was and not self.paused

    def _liar(self, name: str) -> Callable[[list[tuple[str, Any]]], list[tuple[str, Any]]]:
        """Rewrites what this node sends. Nothing leaves in another's name: a stream says who speaks."""
        lie = next(each for each in self._lies if each.name == name)
        who = Liar(None, self.name, Random(f"{self._seed}/lie/{self.name}"), lambda payload: self.sign("", payload))

        def say(sends: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
            assert self.engine is not None
            who.node = self.engine.node
            said = [each for to, message in sends for each in lie.says(who, to, message)]
            return [(whom, what) for who, whom, what in said if who == self.name]

        return say

    def _slice(self) -> None:
        """Work for 1/factor of the time, rest for the remainder."""
        slow = self._trouble.slow
        if slow <= 1:
            return
        self._resting = not self._resting
        was, self.paused = self.paused, self._trouble.paused or self._resting
        self._alarm.at(monotonic_ns() + int(_PERIOD * (1 - 1 / slow if self._resting else 1 / slow)), self._slice)
        if was and not self.paused:
            self.resume()

    def hold(self, kind: int, a: Any, b: Any) -> None:
        """Keep what arrived while paused; messages only as far as a stopped process' socket would."""
        if kind in (MESSAGE, SEALED):
            if self._held > BUFFER_LIMIT:
                self.counters[DROPPED] += 1
                self.counters[OVERFLOWED] += 1
                return
            self._held += size_received(b)
        self.waiting.append((kind, a, b))

    def resume(self) -> None:
        """All that waited arrives now, as one batch."""
        waiting, self.waiting, self._held = self.waiting, deque(), 0
        for kind, a, b in waiting:
            self._arrive(self, kind, a, b)

    # --- what is observed --------------------------------------------------------------------------------------------

    def count_turns(self) -> None:
        """Bring the count up to the present turn."""
        if self.engine is not None:
            self.counters[TURNS] = self.turns_before + self.engine.turn

    def load_begins(self, end: int) -> None:
        """Keep the counters as they are now; and, whichever life that is in, once more after ``end`` (ns)."""
        count = self.counters
        count[_KEPT : 2 * _KEPT] = count[:_KEPT]
        count[LOAD_END], count[LOAD_BEGUN], count[LOAD_OVER] = end, 1, 0

    def watch_load(self, now: int) -> None:
        """Keep the counters if the load is over; to be called now and then."""
        count = self.counters
        if count[LOAD_BEGUN] and not count[LOAD_OVER] and now >= count[LOAD_END]:
            count[2 * _KEPT : 3 * _KEPT] = count[:_KEPT]
            count[LOAD_OVER] = 1

    def load_cost(self) -> LoadCost | None:
        """What was counted between the two."""
        count = self.counters
        if not count[LOAD_BEGUN]:
            return None
        last = 2 * _KEPT if count[LOAD_OVER] else 0
        cpu, servers, clients, size, syncs = (
            count[last + place] - count[_KEPT + place] for place in (CPU, TO_SERVERS, TO_CLIENTS, BYTES, FSYNCS)
        )
        return LoadCost(cpu, servers + clients, size, syncs)

    def save_notes(self) -> None:
        """Hand the marks made so far to the kernel, where they outlive this process."""
        if self._notes:
            self._append("marks", self._notes)
            self._notes.clear()

    def crashed(self, text: str) -> None:
        """Note that a handler raised."""
        self._append("crashes", (text.encode(),))

    def _append(self, name: str, notes: Iterable[bytes]) -> None:
        file = os.open(self.folder / name, os.O_WRONLY | os.O_APPEND | _FLAGS, 0o644)
        try:
            append_note(file, notes)
        finally:
            os.close(file)

    def report(self) -> NodeReport:
        """What this node did over all its lives."""
        self.save_notes()
        self.count_turns()
        count = self.counters
        times = self.wal.sync_times if self.wal is not None else ()
        step = max(1, len(times) // _SYNC_SAMPLE)
        return NodeReport(
            name=self.name,
            marks=tuple(_read_mark(note) for note in read_notes(self.folder / "marks")),
            crashes=tuple(note.decode(errors="replace") for note in read_notes(self.folder / "crashes")),
            turns=count[TURNS],
            to_servers=count[TO_SERVERS],
            to_clients=count[TO_CLIENTS],
            frames=count[FRAMES],
            bytes_sent=count[BYTES],
            fsyncs=count[FSYNCS],
            dropped=count[DROPPED],
            overflowed=count[OVERFLOWED],
            cpu=count[CPU],
            recovered=count[RECOVERED],
            torn=count[TORN],
            corrupt=count[CORRUPT],
            sync_times=tuple(times[::step]),
            load=self.load_cost(),
        )

    def open_sealed(self, path: str, content: msgspec.Raw) -> Any:
        """A child's message, decoded by the child's class; None if there is no such child.

        Raises:
            msgspec.MsgspecError: the class does not declare it.
        """
        kind = self.engine.child_type(path) if self.engine is not None else None
        return None if kind is None else message_decoder(kind).decode(content)

    # --- World, as an engine sees it ---------------------------------------------------------------------------------

    def monotonic_of(self, node: str) -> int:
        """See :class:`bench.runtime.engine.World`."""
        return self.clock.monotonic(monotonic_ns())

    def wall_of(self, node: str) -> int:
        """See :class:`bench.runtime.engine.World`."""
        return self.clock.wall(monotonic_ns())

    def interval_of(self, node: str) -> tuple[int, int]:
        """See :class:`bench.runtime.engine.World`."""
        return self.clock.interval(monotonic_ns())

    def arm(self, engine: Root, timer: TimerId, delay: int) -> None:
        """See :class:`bench.runtime.engine.World`. Alarms of timers since put off find another deadline."""
        if self.clock.rate != 1.0:
            delay = self.clock.true_delay(delay)
        if delay < 0:
            delay = 0
        self.deadlines[timer] = deadline = monotonic_ns() + delay
        self._alarm.timer(delay, deadline, self, engine, timer)

    def disarm(self, engine: Root, timer: TimerId) -> None:
        """See :class:`bench.runtime.engine.World`."""
        self.deadlines.pop(timer, None)

    def expire(self, engine: Engine, timer: TimerId, deadline: int) -> None:
        """An alarm of :meth:`arm` rings; :meth:`Stage.arrive` looks once more whether it still counts."""
        if self.engine is engine and self.deadlines.get(timer) == deadline:
            self._arrive(self, TIMER, timer, deadline)

    def mark(self, node: str, name: str, fields: dict[str, Any]) -> None:
        """See :class:`bench.runtime.engine.World`."""
        self._notes.append(_encode(MarkNote(monotonic_ns(), name, fields)))
        if self.on_mark is not None:
            self.on_mark(name)

    def sign(self, node: str, payload: bytes) -> bytes:
        """See :class:`bench.runtime.engine.World` and :mod:`.trust`; an engine asks for its own node only."""
        return self._trust.sign(payload)

    def verify(self, node: str, payload: bytes, signature: bytes) -> bool:
        """See :meth:`sign`."""
        return self._trust.verify(node, payload, signature)
