"""What every simulated fault needs: it fires at its time, hits somebody, is on record, and is undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import msgspec

from protocols.family import Family

from ...faults.notation import format_fault
from ...faults.spec import Fault, FaultRecord
from ...faults.targets import resolve
from .machine import Machine
from .world import World

RESET_DELAY = 1_000_000
"""ns until the peers of a killed process see their streams break."""
RETURNED = 1_000_000_000
"""ns until the operator returns a node that was fenced when all was healed."""


class Firing:
    """The part of an injector that fires faults, records them, and undoes what is left of them at the end.

    Attributes:
        records: what fired, in order.
        wiped: servers that have lost their disk.
        origin: virtual ns at which the load started; what people read counts from there.
    """

    def __init__(self, world: World, family: Family, seed: int, zones: Mapping[str, tuple[str, ...]]) -> None:
        self.world = world
        self.family = family
        self.rng = Random(f"{seed}/faults")
        self.zones = dict(zones)
        self.records: list[dict[str, Any]] = []
        self._undo: dict[int, Callable[[], None]] = {}
        self._next = 0
        self._owner: dict[str, int] = {}  # who is down -> the fault that brought it down
        self.wiped: set[str] = set()
        self.reconfigured = False  # an operator has asked for another membership
        self.over = False
        self.origin = 0

    def schedule(self, fault: Fault) -> None:
        """Fire it at its time."""
        self.world.at(fault.at, lambda: self.fire(fault))

    def leader(self) -> str | None:
        """The server that leads in the highest term, as an observer of all would see it."""
        if self.family.leader is None:
            return None
        best: tuple[int, str] | None = None
        for machine in self.world.servers:
            if machine.engine is not None:
                view = machine.engine.node.inspect()
                if self.family.leader(view):
                    found = (getattr(view, "term", 0), machine.name)
                    best = found if best is None or found[0] > best[0] else best
        return None if best is None else best[1]

    def heal(self) -> None:
        """Undo everything that is still in force, boot whatever is down, and fire nothing any more."""
        self.over = True
        for number in sorted(self._undo):
            self._finish(number)
        for machine in self.world.machines.values():
            if machine.engine is None:
                self.world.boot(machine)
        self.world.on_fence = self._fenced

    def _fenced(self, node: str) -> None:
        """Healed means that the operator is there, too: whoever is fenced from now on is back after a while."""
        machine = self.world.machines[node]
        self.world.crash(machine)
        self.world.at(self.world.now + RETURNED, lambda: None if machine.engine else self.world.boot(machine))

    def results(self) -> list[FaultRecord]:
        """What fired."""
        return [FaultRecord(**record) for record in self.records]

    # --- firing ------------------------------------------------------------------------------------------------------

    def fire(self, fault: Fault) -> None:
        """Do it now."""
        if self.over:
            return
        method = getattr(self, "_" + type(fault).__struct_config__.tag.replace("-", "_"))  # type: ignore[union-attr]
        method(fault)

    def _machines(self, target: str) -> list[Machine]:
        world = self.world
        names = resolve(
            target,
            rng=self.rng,
            servers=[machine.name for machine in world.servers],
            clients=[machine.name for machine in world.clients],
            up=[machine.name for machine in world.machines.values() if machine.engine is not None],
            leader=self.leader() if target in ("leader", "follower") else None,
            zones=self.zones,
        )
        return [world.machines[name] for name in names]

    def _record(
        self, fault: Fault, machines: list[Machine], length: int | None, undo: Callable[[], None], **noted: Any
    ) -> int:
        """Note the fault, and undo it after ``length`` ns (never, if None)."""
        number = self._next
        self._next += 1
        self._undo[number] = undo
        tag = str(type(fault).__struct_config__.tag)
        detail = format_fault(msgspec.structs.replace(fault, at=fault.at - self.origin))
        self.records.append(
            {
                "kind": tag,
                "targets": tuple(machine.name for machine in machines),
                "start": self.world.now,
                "end": None,
                "detail": detail,
                **noted,
            }
        )
        for name in [machine.name for machine in machines] or [""]:
            self.world.note("fault", name, "", tag, detail=detail)
        if length is not None:
            self.world.at(self.world.now + length, lambda: self._finish(number))
        return number

    def _finish(self, number: int) -> None:
        undo = self._undo.pop(number, None)
        if undo is not None:
            undo()
            record = self.records[number]
            record["end"] = self.world.now
            for name in record["targets"]:
                self.world.note("heal", name, "", record["kind"])

    def _kill(self, machines: list[Machine], number: int, *, reset: bool) -> None:
        """For the fault of that number, which alone may boot them again (what has been down for another stays so).

        With ``reset``, the kernel lives and closes the dead process's streams; after a power loss nobody does.
        """
        for machine in machines:
            self._owner[machine.name] = number
            self.world.crash(machine)
            if reset:
                for peer in self.world.machines.values():
                    if peer is not machine and not self.world.link(machine, peer.name).cuts:
                        self.world.at(
                            self.world.now + RESET_DELAY,
                            lambda peer=peer, name=machine.name: self.world.disconnect(peer, name),  # type: ignore[misc]
                        )

    def _boot(self, machines: list[Machine], number: int) -> Callable[[], None]:
        """Of those, the ones that the fault of that number has killed."""

        def boot() -> None:
            for machine in machines:
                if self._owner.get(machine.name) == number:
                    del self._owner[machine.name]
                    self.world.boot(machine)

        return boot

    def _fell(self, fault: Fault, machines: list[Machine], down: int | None, *, reset: bool, **noted: Any) -> None:
        """They die now, and come back after ``down`` ns."""
        number = self._record(fault, machines, down, self._boot(machines, self._next), **noted)
        self._kill(machines, number, reset=reset)

    def _up(self, machines: list[Machine]) -> list[Machine]:
        return [machine for machine in machines if machine.engine is not None]
