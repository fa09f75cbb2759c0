"""The load of a trial: which operation comes next, when, at which client, and the history that results.

It has no clock and does no I/O: the caller passes ``now``, in ns from the start of the load, and carries the operations
to the client nodes. So the simulator and the live generators share it, and a seed gives the same load in both.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from itertools import accumulate, pairwise
from math import log
from random import Random
from struct import Struct

import msgspec
import numpy as np

from protocols.node import Info, Ok, Outcome
from protocols.requests import Cas, Read, Request, Write

from ..history import FAIL, INFO, NEVER, NIL, NOTHING, OK, History, HistoryBuilder
from ..history.history import CAS, READ, WRITE
from .choosing import effective_mix, key_chooser
from .spec import FUNCTIONS, Call, Workload

SECOND = 1_000_000_000
MAX_OPEN = 10_000
STALE_CAS = 0.1
"""Share of compare-and-sets that expect nil or an older value than the last one seen, so that they also fail."""

ROW = (
    "process",
    "function",
    "key",
    "argument",
    "expected",
    "intended",
    "invoked",
    "client",
    "result",
    "completed",
    "outcome",
)
"""Columns of the history in the order in which they become known."""
_pack = Struct(f"={len(ROW)}q").pack
"""Rows wait as bytes until somebody looks: packing one costs a third of appending to so many columns."""

OpenRow = tuple[int, int, int, int, int, int, int, int]


class Part(msgspec.Struct, frozen=True):
    """What one of several generators drives.

    Attributes:
        number: of the generator, from 0; ``of``: how many there are.
        first: the first of its clients; ``clients``: how many they are, one after the other.
    """

    number: int
    of: int
    first: int
    clients: int


def split(clients: int, generators: int) -> list[Part]:
    """The parts of several generators: as many clients each as can be, in order."""
    bounds = [number * clients // generators for number in range(generators + 1)]
    return [Part(number, generators, first, end - first) for number, (first, end) in enumerate(pairwise(bounds))]


class Load:
    """The operations of one trial.

    Open loop: take :meth:`next_arrival` until None and :meth:`start` each at its time. Closed loop: start one
    operation a client at time 0, and another whenever one ends. Either way, :meth:`finish` each with its outcome and
    :meth:`abandon` the rest.

    Attributes:
        offered: arrivals handed out so far (open loop).
        shed: arrivals refused because ``max_open`` operations were under way.
        duplicates: outcomes of operations that were unknown or had ended already; ignored.
    """

    __slots__ = (
        "_all_clients",
        "_arrivals",
        "_bounds",
        "_builder",
        "_codes",
        "_constant",
        "_draw_key",
        "_drawn",
        "_due",
        "_duration",
        "_ended",
        "_free",
        "_gap",
        "_mine",
        "_names",
        "_next_process",
        "_open",
        "_operation",
        "_padding",
        "_previous",
        "_probe_codes",
        "_probes",
        "_rng",
        "_rows",
        "_script",
        "_seen",
        "_step",
        "_time",
        "_value",
        "duplicates",
        "max_open",
        "offered",
        "shed",
    )

    def __init__(
        self,
        workload: Workload,
        seed: int,
        duration: int,
        functions: tuple[str, ...] = FUNCTIONS,
        *,
        max_open: int = MAX_OPEN,
        part: Part | None = None,
    ) -> None:
        """Prepare the load.

        Args:
            workload: validated.
            seed: of everything drawn.
            duration: ns; no arrival of an open loop is later.
            functions: what the protocol's clients understand; the mix is restricted to them.
            max_open: operations under way beyond which an arrival is shed.
            part: of one of several generators. All together have the arrivals that one would have, at the same times
                and clients, and no two of them write the same value or use the same process.
        """
        part = part or Part(0, 1, 0, workload.clients)
        other = f"/{part.number}" if part.number else ""
        mix = effective_mix(workload.mix, functions)
        self._all_clients = workload.clients
        self._mine = range(part.first, part.first + part.clients)
        self._drawn = 0
        self._step = part.of
        self._duration = duration
        self._constant = workload.arrival == "constant"
        self._gap = SECOND / workload.rate if workload.rate else 0.0
        self._time = 0.0
        # arrivals have their own source: what operations are made does not change when they come
        self._arrivals = Random(f"{seed}/load/arrivals")
        self._rng = Random(f"{seed}/load/operations{other}")
        self._codes = [FUNCTIONS.index(function) for function, _ in mix]
        self._bounds = list(accumulate(share for _, share in mix))[:-1]
        self._probe_codes = [code for code in (WRITE, READ, CAS) if code in self._codes]
        self._probes = 0
        self._draw_key = key_chooser(workload, Random(f"{seed}/load/keys{other}"))
        self._names = [f"k{index}" for index in range(workload.keys)]
        self._padding = bytes(workload.value_bytes - 8)
        self._seen = [NIL] * workload.keys
        self._previous = [NIL] * workload.keys
        # what the liveness phase writes is none of the script's values, and no other generator's
        scripted = max((call.value for call in workload.script if call.value is not None), default=-1) + 1
        self._value = part.number + 1 - part.of + -(-scripted // part.of) * part.of
        self._script = iter(workload.script)
        self._due: deque[Call] = deque()  # calls handed out as arrivals and not yet started
        self._operation = 0
        self._open: dict[int, OpenRow] = {}
        self._free: list[list[int]] = [[] for _ in range(workload.clients)]
        self._ended = [-1] * workload.clients  # when each client's latest operation to end did
        self._next_process = part.number
        self._builder = HistoryBuilder()
        self._rows = bytearray()  # of operations that have ended, packed, on their way into the builder
        self.max_open = max_open
        self.offered = 0
        self.shed = 0
        self.duplicates = 0

    @property
    def builder(self) -> HistoryBuilder:
        """The history so far, in order of completion."""
        if self._rows:
            rows = np.frombuffer(self._rows, dtype=np.int64).reshape(-1, len(ROW))
            columns = self._builder.columns
            for place, name in enumerate(ROW):
                column = columns[name]
                column.frombytes(rows[:, place].astype(column.typecode).tobytes())
            self._rows = bytearray()
        return self._builder

    @property
    def open_count(self) -> int:
        """Operations under way."""
        return len(self._open)

    def next_arrival(self) -> tuple[int, int] | None:
        """(intended time, client) of the next arrival of an open loop, or None past the duration, or in a closed loop.

        Poisson arrivals pick a client at random, so that those of each client are Poisson too; constant ones go round.
        """
        for call in self._script:
            if call.at >= self._duration:
                break
            if call.client in self._mine:
                self.offered += 1
                self._due.append(call)
                return call.at, call.client
        while self._gap:
            if self._constant:
                intended = round(self._drawn * self._gap)
                client = self._drawn % self._all_clients
            else:
                self._time -= self._gap * log(1.0 - self._arrivals.random())
                intended = int(self._time)
                client = int(self._all_clients * self._arrivals.random())
            if intended >= self._duration:
                self._gap = 0.0
                break
            self._drawn += 1
            if client in self._mine:  # or it is another generator's
                self.offered += 1
                return intended, client
        return None

    def start(self, client: int, intended: int, now: int) -> tuple[int, Request] | None:
        """Make the next operation for a client: (operation id, request); None if it is shed."""
        call = self._due.popleft() if self._due else None
        if len(self._open) >= self.max_open:
            self.shed += 1
            return None
        if call is not None:
            value = NOTHING if call.value is None else call.value
            expected = NOTHING if call.function != "cas" else NIL if call.expected is None else call.expected
            return self._ask(FUNCTIONS.index(call.function), call.key, value, expected, client, intended, now)
        codes = self._codes
        code = codes[bisect_right(self._bounds, self._rng.random())] if self._bounds else codes[0]
        return self._make(code, client, intended, now)

    def probe(self, client: int, now: int) -> tuple[int, Request]:
        """An operation of the liveness phase: a write, a read, a compare-and-set in turn, as far as the mix has them.

        It is recorded like any other, and never shed.
        """
        code = self._probe_codes[self._probes % len(self._probe_codes)]
        self._probes += 1
        return self._make(code, client, now, now)

    def _make(self, code: int, client: int, intended: int, now: int) -> tuple[int, Request]:
        key = self._draw_key(code)
        argument = expected = NOTHING
        if code != READ:
            self._value = argument = self._value + self._step
            if code == CAS:
                expected = self._expected(key)
        return self._ask(code, key, argument, expected, client, intended, now)

    def _ask(
        self, code: int, key: int, argument: int, expected: int, client: int, intended: int, now: int
    ) -> tuple[int, Request]:
        request: Request
        if code == READ:
            request = Read(self._names[key])
        else:
            value = argument.to_bytes(8, "big") + self._padding
            if code == WRITE:
                request = Write(self._names[key], value)
            else:
                believed = None if expected == NIL else expected.to_bytes(8, "big") + self._padding
                request = Cas(self._names[key], believed, value)
        ended = self._ended[client]
        if now <= ended:
            # The answer came before this question, at the same reading of the clock. Were the two times equal, a
            # checker would have to take the operations for concurrent, and forgive a client that misses its own write.
            now = ended + 1
        free = self._free[client]
        if free:
            process = free.pop()
        else:
            process = self._next_process
            self._next_process = process + self._step
        self._operation = operation = self._operation + 1
        self._open[operation] = (process, code, key, argument, expected, intended, now, client)
        return operation, request

    def _expected(self, key: int) -> int:
        draw = self._rng.random()
        if draw >= STALE_CAS:
            return self._seen[key]
        return NIL if draw < STALE_CAS / 2 else self._previous[key]

    def finish(self, operation: int, outcome: Outcome, now: int) -> int:
        """Record how an operation ended; the client whose it was.

        One that is unknown, or has ended, is counted in ``duplicates``, and -1.
        """
        row = self._open.pop(operation, None)
        if row is None:
            self.duplicates += 1
            return -1
        process, code, key, argument, expected, _, invoked, client = row
        if now < invoked:
            now = invoked
        self._ended[client] = now
        kind = type(outcome)
        result = NOTHING
        if kind is Info:
            # the process may still have an operation under way somewhere: it never returns
            self._rows += _pack(*row, NOTHING, now, INFO)
            return client
        self._free[client].append(process)
        if kind is not Ok:
            self._rows += _pack(*row, NOTHING, now, FAIL)
            return client
        if code == WRITE:
            latest = argument
        else:
            value = outcome.value  # type: ignore[union-attr]
            result = latest = NIL if value is None else int.from_bytes(value[:8], "big")
            if code == CAS and result == expected:
                latest = argument
        if latest != self._seen[key]:
            self._previous[key] = self._seen[key]
            self._seen[key] = latest
        self._rows += _pack(*row, result, now, OK)
        return client

    def under_way(self, client: int) -> list[int]:
        """The operations of a client that have not ended."""
        return [operation for operation, row in self._open.items() if row[-1] == client]

    def opened(self, after: int) -> tuple[HistoryBuilder, int]:
        """Operations made after number ``after`` that are under way, as rows that may have happened; the last number.

        With the rows of all that ended, they are a whole history up to now: no value was seen that nobody wrote.
        """
        rows = HistoryBuilder()
        record = tuple(rows.columns[name].append for name in ROW)
        for operation in reversed(self._open):  # in the order in which they were made
            if operation <= after:
                break
            for append, value in zip(record, (*self._open[operation], NOTHING, NEVER, INFO), strict=True):
                append(value)
        return rows, self._operation

    def abandon(self, now: int) -> int:
        """The run ends at ``now``: every operation under way may have happened. Returns how many there were."""
        count = len(self._open)
        for row in self._open.values():
            latest = max(now, self._ended[row[-1]] + 1)
            assert row[6] <= latest, "an operation was started after the end of the run"
            self._rows += _pack(*row, NOTHING, NEVER, INFO)
        self._open.clear()
        return count

    def history(self) -> History:
        """What was recorded so far, in order of invocation."""
        return self.builder.build()
