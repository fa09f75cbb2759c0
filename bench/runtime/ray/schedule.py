"""Faults of a live trial in time: what fires when, what is recorded of it, and what undoes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any

from ...faults.notation import format_fault
from ...faults.spec import MOST_LINKS, SIM_ONLY, Fault, FaultRecord
from ...faults.targets import HOST, resolve
from .hostclock import monotonic_ns
from .supervisor import Supervisor
from .troubles import Troubles


class Schedule:
    """Times are ns of CLOCK_MONOTONIC. A kind of fault is a method ``_fire_KIND`` of a subclass.

    Attributes:
        supervisor: carries out what is done to processes, and brings ``troubles`` to hosts.
        owner: who is down -> the fault that brought it down.
        pending: faults whose victims wait for processes to be created: not over, though undone.
        records: of the faults that fired, by number.
        over: nothing fires any more.
    """

    def __init__(self, supervisor: Supervisor, seed: int, zones: Mapping[str, tuple[str, ...]]) -> None:
        self.supervisor = supervisor
        self.rng = Random(f"{seed}/faults")
        self.zones = dict(zones)
        self.records: list[dict[str, Any]] = []
        self.over = False
        self.owner: dict[str, int] = {}
        self.pending: set[int] = set()
        self.troubles = Troubles()
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = count()
        self._undo: dict[int, Callable[[], None]] = {}
        supervisor.troubles = self.troubles.conditions

    def at(self, when: int, call: Callable[[], None]) -> None:
        """Call it at ``when``, from :meth:`run`."""
        heappush(self._heap, (when, next(self._sequence), call))

    def schedule(self, fault: Fault, start: int) -> None:
        """Fire it at its time after ``start``."""
        self.at(start + fault.at, lambda: self.fire(fault))

    def run(self, until: int, progress: Callable[[int], None] | None = None) -> None:
        """Do what is due, as it becomes due, up to ``until``."""
        while (now := monotonic_ns()) < until:
            if self._heap and self._heap[0][0] <= now:
                heappop(self._heap)[2]()
                continue
            if progress is not None:
                progress(now)
            upcoming = min(until, self._heap[0][0]) if self._heap else until
            self.supervisor.wait(min(upcoming - now, 250_000_000) / 1e9)

    def results(self, start: int) -> list[FaultRecord]:
        """What fired; times from ``start``."""
        return [
            FaultRecord(
                kind=record["kind"],
                targets=record["targets"],
                start=record["start"] - start,
                end=None if record["end"] is None else record["end"] - start,
                detail=record["detail"],
                how=record["how"],
                note=record["note"],
                respawned=None if record["respawned"] is None else record["respawned"] - start,
                links=record["links"],
            )
            for record in self.records
        ]

    # --- firing ------------------------------------------------------------------------------------------------------

    def fire(self, fault: Fault) -> None:
        """Do it now; those of the simulator alone do nothing."""
        if self.over or isinstance(fault, SIM_ONLY):
            return
        method = getattr(self, "_fire_" + str(type(fault).__struct_config__.tag).replace("-", "_"))
        method(fault)

    def _names(self, target: str) -> list[str]:
        supervisor = self.supervisor
        everybody = (*supervisor.servers, *supervisor.clients)
        return list(
            resolve(
                target,
                rng=self.rng,
                servers=supervisor.servers,
                clients=supervisor.clients,
                up=[name for name in everybody if name not in supervisor.down],
                leader=supervisor.leader() if target.removeprefix(HOST) in ("leader", "follower") else None,
                zones=self.zones,
                shares=lambda server: supervisor.where[server].nodes,
            )
        )

    def _up(self, names: list[str]) -> list[str]:
        return [name for name in names if name not in self.supervisor.down]

    def _record(
        self,
        fault: Fault,
        names: list[str],
        length: int | None,
        undo: Callable[[], None],
        start: int = 0,
        how: str = "",
        links: tuple[tuple[str, str], ...] = (),
    ) -> int:
        """Note the fault, and undo it ``length`` ns after it began (never, if None); its number."""
        number = len(self.records)
        start = start or monotonic_ns()
        self._undo[number] = undo
        tag = str(type(fault).__struct_config__.tag)
        self.records.append(
            {
                "kind": tag,
                "targets": tuple(names),
                "start": start,
                "end": None,
                "detail": format_fault(fault),
                "how": how,
                "note": "",
                "respawned": None,
                "links": links if len(links) <= MOST_LINKS else (),
            }
        )
        if length is not None:
            self.at(start + length, lambda: self._finish(number))
        return number

    def _finish(self, number: int) -> None:
        undo = self._undo.pop(number, None)
        if undo is not None:
            undo()
            if number not in self.pending and self.records[number]["end"] is None:
                self.records[number]["end"] = monotonic_ns()
