"""What several generators have recorded, as one history: their times moved to the driver's clock, and how sure that is.

See :mod:`bench.history.clocks` for what a history of several clocks means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...history import NEVER, History, HistoryBuilder
from ...history.history import CLOCK_COLUMNS, COLUMNS
from ...trial import ClockReport, HostClock
from .clocks import Clocks
from .hostclock import monotonic_ns
from .offsets import DRIFT, Estimate
from .orders import LoadReport

if TYPE_CHECKING:
    from .slots import Slot

TIMES = ("intended", "invoked", "completed")


class Recorders:
    """The generators of a trial and the clocks by which they record.

    Attributes:
        clocks: by how many they record; ``several``: whether by more than one.
        start: of the load, by our clock; 0 before it is known.
    """

    def __init__(self, slots: Sequence[Slot], clocks: Clocks) -> None:
        """Once all places are filled.

        Args:
            slots: of the generators, in order.
            clocks: of the trial's machines, which have been asked already.
        """
        self._slots = list(slots)
        self._clocks = clocks
        names = [clocks.name(slot.seat) if slot.seat is not None else "" for slot in slots]
        numbers = {name: number for number, name in enumerate(sorted(set(names)))}
        self._number = {slot.name: numbers[name] for slot, name in zip(slots, names, strict=True)}
        self.clocks = len(numbers)
        self.several = self.clocks > 1
        self.start = 0
        self._starts: dict[str, int] = {}
        self._first_bounds = [0] * len(numbers)
        clients = [self._number[slot.name] for slot in slots for _ in slot.nodes]
        self._by_client: NDArray[np.int64] = np.array(clients, dtype=np.int64)

    def begin(self, start: int) -> dict[str, int]:
        """The load begins at ``start``, by our clock: when that is by each generator's, by name."""
        self.start = start
        for slot in self._slots:
            assert slot.seat is not None
            self._starts[slot.name] = start + slot.seat.offset
            found = self._clocks.of(slot.seat)
            if found is not None:
                there = self._starts[slot.name]
                uncertain = found.bound(there) + abs(found.offset(there) - slot.seat.offset)
                number = self._number[slot.name]
                self._first_bounds[number] = max(uncertain, self._first_bounds[number])
        return dict(self._starts)

    # --- while the load goes -----------------------------------------------------------------------------------------

    @property
    def margin(self) -> int:
        """ns by which times of two generators, as they record them now, may be out of step."""
        return 2 * max(self._slacks(), default=0) if self.several else 0

    def _slacks(self) -> list[int]:
        """A clock each: what was uncertain at the start, and what has come to it since."""
        drifted = int(2 * DRIFT * max(0, monotonic_ns() - self.start)) if self.start else 0
        return [bound + drifted if bound else 0 for bound in self._first_bounds]

    def stamped(self, columns: Mapping[str, bytes]) -> dict[str, bytes]:
        """Rows of generators under way, with the columns that a history of several clocks has."""
        if not self.several or not columns:
            return dict(columns)
        clock = self._by_client[np.frombuffer(columns["client"], dtype=COLUMNS["client"])]
        slack = np.array(self._slacks(), dtype=np.int64)[clock]
        types = CLOCK_COLUMNS
        return {
            **columns,
            "clock": clock.astype(types["clock"]).tobytes(),
            "slack": slack.astype(types["slack"]).tobytes(),
        }

    # --- at the end --------------------------------------------------------------------------------------------------

    def merge(self, reports: Mapping[str, LoadReport]) -> History:
        """The history of all generators, in order of invocation.

        Raises:
            HarnessError: a clock jumped.
        """
        builder = HistoryBuilder(clocks=self.several)
        now = monotonic_ns()
        for slot in self._slots:
            columns: dict[str, Any] = {
                name: np.frombuffer(reports[slot.name].columns[name], dtype=code) for name, code in COLUMNS.items()
            }
            found = self._clocks.of(slot.seat) if slot.seat is not None else None
            start = self._starts.get(slot.name, self.start)
            if found is not None:
                for name in TIMES:
                    columns[name] = self._moved(columns[name], found, start)
            if self.several:
                slack = 0 if found is None else found.worst(start, now + found.offset(start))
                columns["clock"] = np.full(len(columns["process"]), self._number[slot.name], dtype=np.int8)
                columns["slack"] = np.full(len(columns["process"]), slack, dtype=np.int64)
            for name, column in columns.items():
                builder.columns[name].frombytes(column.tobytes())
        return builder.build()

    def _moved(self, times: NDArray[np.int64], found: Estimate, start: int) -> NDArray[np.int64]:
        ended = times < NEVER
        moved = times.copy()
        moved[ended] = found.to_ours(times[ended] + start) - self.start
        return moved

    def moved(self, times: Sequence[int], found: Estimate | None) -> list[int]:
        """Times of a process' clock, as ns from the start of the load by ours."""
        there = np.array(times, dtype=np.int64)
        ours = there if found is None else found.to_ours(there)
        moved: list[int] = (ours - self.start).tolist()
        return moved


def report(slots: Sequence[Slot], clocks: Clocks, recorders: Recorders, load_end: int) -> ClockReport | None:
    """How the clocks of the trial's machines differed; None if there is only ours.

    Args:
        slots: of all processes.
        clocks: of their machines.
        recorders: of the load.
        load_end: ns from its start.

    Raises:
        HarnessError: a clock jumped.
    """
    hosts = []
    start = recorders.start
    for name in clocks.others:
        here = [slot for slot in slots if slot.seat is not None and clocks.name(slot.seat) == name]
        if not here or here[0].seat is None or here[0].seat.greeting is None:
            continue
        found = clocks.of(here[0].seat)
        assert found is not None
        nodes = [node for slot in here for node in ((slot.name,) if slot.generator else slot.nodes)]
        end = found.to_theirs(start + load_end)
        hosts.append(
            HostClock(
                machine=here[0].seat.greeting.ip,
                nodes=tuple(nodes),
                offset_s=found.offset(end) / 1e9,
                bound_s=found.worst(found.to_theirs(start), end) / 1e9,
                drift_ppm=found.drift * 1e6,
                exchanges=found.exchanges,
                fastest_s=found.fastest / 1e9,
            )
        )
    if not hosts:
        return None
    return ClockReport(
        hosts=tuple(hosts),
        max_bound_s=max(host.bound_s for host in hosts),
        generator_clocks=recorders.clocks,
    )
