"""The load of a live trial: drives :class:`bench.workload.generator.Load` against the client nodes of its host."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path
from time import process_time_ns
from typing import Any

import msgspec

from protocols.node import Fail, Info, Ok, Outcome

from ...trial import Trial
from ...workload.generator import MAX_OPEN, Load, Part
from .alarm import Alarm
from .hostclock import monotonic_ns
from .local import LocalNode
from .orders import LoadReport
from .saving import UP_TO
from .storage import append_note

PROBES = 2
"""Operations each client must complete after the heal."""
RETRY = 50_000_000
"""ns until a closed loop whose client is down tries again."""
_SAMPLE = 20_000

_encode = msgspec.msgpack.Encoder().encode

HandOver = Callable[[LocalNode, int, Any], None]
"""(client, operation, request)."""


class Generator:
    """Times are ns from the start of the load, except where they are said to be of CLOCK_MONOTONIC."""

    def __init__(
        self,
        trial: Trial,
        functions: tuple[str, ...],
        alarm: Alarm,
        clients: Sequence[LocalNode],
        hand_over: HandOver,
        part: Part | None = None,
    ) -> None:
        most = MAX_OPEN // (part.of if part is not None else 1)
        self.load = Load(trial.workload, trial.seed, trial.duration, functions, max_open=most, part=part)
        self._closed_loop = trial.workload.closed
        self._duration = trial.duration
        self._alarm = alarm
        first = part.first if part is not None else 0
        self._mine = range(first, first + len(clients))
        # by number; those of other generators are never looked up
        self._clients = [*(clients[0] for _ in range(first)), *clients]
        self._numbers = {id(client): number for number, client in zip(self._mine, clients, strict=True)}
        self._hand_over = hand_over
        self._started = 0
        self._over = False
        self._probing = False
        self._probes: set[int] = set()  # operations of the liveness phase under way
        self._wanted: dict[int, int] = {}
        self._served: asyncio.Event = asyncio.Event()
        self._lateness: array[int] = array("q")
        self._cpu_began = 0
        self._cpu = 0.0
        self._saved = 0
        self._saving = False
        self._opened = 0

    def start(self, at: int) -> None:
        """Begin the load at ``at`` (CLOCK_MONOTONIC)."""
        self._started = at
        self._alarm.at(at, self._begin_load)
        self._alarm.at(at + self._duration, self._load_ended)

    def _begin_load(self) -> None:
        self._cpu_began = process_time_ns()
        if self._closed_loop:
            for client in self._mine:
                self._again(client)
        else:
            self._next_arrival()

    def _load_ended(self) -> None:
        self._cpu = (process_time_ns() - self._cpu_began) / self._duration

    def _now(self) -> int:
        return monotonic_ns() - self._started

    # --- operations --------------------------------------------------------------------------------------------------

    def _next_arrival(self) -> None:
        """Hand over everything that is due; each operation keeps the time at which it was meant to start."""
        while (arrival := self.load.next_arrival()) is not None:
            intended, client = arrival
            now = self._now()
            if intended > now:
                self._alarm.at(self._started + intended, self._due, client, intended)
                return
            self._begin(client, intended, now)

    def _due(self, client: int, intended: int) -> None:
        self._begin(client, intended, self._now())
        self._next_arrival()

    def _begin(self, client: int, intended: int, now: int) -> None:
        if self._over:
            return
        begun: tuple[int, Any] | None
        if self._probing:
            begun = self.load.probe(client, now)
            self._probes.add(begun[0])
        else:
            begun = self.load.start(client, intended, now)
            if not self._closed_loop:
                self._lateness.append(now - intended)
        if begun is None:
            return  # shed: too many under way
        operation, request = begun
        node = self._clients[client]
        if node.engine is None:
            # Nobody is there to send it, so it definitely does not happen.
            self.load.finish(operation, Fail("the client is down"), now)
        else:
            self._hand_over(node, operation, request)

    def reply(self, operation: int, outcome: Outcome) -> tuple[int, Any] | None:
        """A client has ended an operation; the next one for it, (operation, request), if that is at once."""
        now = monotonic_ns() - self._started
        client = self.load.finish(operation, outcome, now)
        if self._closed_loop and client >= 0 and now < self._duration and not self._probing and not self._over:
            if self._clients[client].engine is not None:
                return self.load.start(client, now, now)
            self._again(client)
        elif self._probing and client >= 0:
            self._probed(operation, outcome, client)
        return None

    def _probed(self, operation: int, outcome: Outcome, client: int) -> None:
        """An operation has ended in the liveness phase."""
        if operation in self._probes:  # else it began before the heal: its end says nothing about what is begun now
            self._probes.remove(operation)
            if type(outcome) is Ok:
                self._wanted[client] -= 1
            if self._wanted[client] > 0:
                self._again(client)
            elif all(left <= 0 for left in self._wanted.values()):
                self._served.set()

    def refused(self, operation: int) -> None:
        """The client died before it took the operation up."""
        following = self.reply(operation, Fail("the client is down"))
        assert following is None, "nobody is there to be asked"

    def _again(self, client: int) -> None:
        """The next operation of a closed loop, or of a probe."""
        now = self._now()
        if self._over or (not self._probing and now >= self._duration):
            return
        if self._clients[client].engine is None:
            self._alarm.at(monotonic_ns() + RETRY, self._again, client)
        else:
            self._begin(client, now, now)

    def client_died(self, node: LocalNode) -> None:
        """Nobody waits for its operations any more; they may still happen."""
        number = self._numbers[id(node)]
        now = self._now()
        for operation in self.load.under_way(number):
            self.load.finish(operation, Info("the client died"), now)
            if operation in self._probes or (self._closed_loop and not self._probing):
                self._probes.discard(operation)
                self._alarm.at(monotonic_ns() + 1, self._again, number)

    # --- the end -----------------------------------------------------------------------------------------------------

    async def probe(self, limit: int) -> list[str]:
        """Every client completes some operations one by one; the names of those that did not within ``limit`` ns."""
        self._probing = True
        self._probes.clear()
        self._served.clear()
        self._wanted = dict.fromkeys(self._mine, PROBES)
        for client in self._wanted:
            self._again(client)
        try:
            async with asyncio.timeout(limit / 1e9):
                await self._served.wait()
        except TimeoutError:
            pass
        late = [self._clients[client].name for client, left in self._wanted.items() if left > 0]
        self._wanted = dict.fromkeys(self._wanted, 0)
        return late

    def unsaved(self) -> bytes:
        """The rows recorded since the last call, and the time up to which they go, encoded; see :mod:`.saving`.

        Operations that began since then and are under way come as rows that may have happened, once; how they end is
        another row (see :func:`bench.history.storage.settle`). So what is saved is a whole history at any time.
        """
        if not self._started:
            return b""
        columns = self.load.builder.columns
        first, self._saved = self._saved, len(self.load.builder)
        opened, self._opened = self.load.opened(self._opened)
        note = {UP_TO: self._now().to_bytes(8, "little", signed=True)}
        if first != self._saved or len(opened):
            for name, column in columns.items():
                note[name] = (column[first : self._saved] + opened.columns[name]).tobytes()
        return _encode(note)

    def save(self, path: Path) -> None:
        """Hand what is unsaved to the kernel, off the loop: a killed generator leaves its history."""
        if not self._saving and (rows := self.unsaved()):
            self._saving = True
            asyncio.get_running_loop().run_in_executor(None, self._append, path, rows)

    def _append(self, path: Path, rows: bytes) -> None:
        try:
            with path.open("ab", buffering=0) as file:
                append_note(file.fileno(), (rows,))
        finally:
            self._saving = False

    def report(self) -> LoadReport:
        """End: what is under way may have happened."""
        self._over = True
        abandoned = self.load.abandon(self._now())
        step = max(1, len(self._lateness) // _SAMPLE)
        return LoadReport(
            columns={name: column.tobytes() for name, column in self.load.builder.columns.items()},
            offered=self.load.offered,
            shed=self.load.shed,
            lateness=tuple(self._lateness[::step]),
            cpu=self._cpu,
            abandoned=abandoned,
        )
