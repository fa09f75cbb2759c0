"""A simulated run, run again with everything noted that can be drawn of it: each step, and each server's state.

:mod:`bench.report.player` makes a page of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from protocols.family import Family, Glance

from .assess import assess
from .errors import UsageError
from .faults.spec import FaultRecord
from .provenance import provenance
from .run import prepare
from .runtime.record import TraceEvent
from .runtime.sim.machine import Machine
from .runtime.sim.run import Simulation
from .runtime.sim.world import World
from .trial import Result, Trial


@dataclass(frozen=True)
class Played:
    """Everything there is to draw of a run.

    Attributes:
        trial, result: what was run, and how it was judged.
        events: every step, in order of time; ns from the start of the load.
        glances: (ns, server, what there is to draw of it), whenever that changed.
        faults: those that fired.
        servers, clients: names.
    """

    trial: Trial
    result: Result
    events: tuple[TraceEvent, ...]
    glances: tuple[tuple[int, str, Glance], ...]
    faults: tuple[FaultRecord, ...]
    servers: tuple[str, ...]
    clients: tuple[str, ...]


class _Watched(World):
    """Also notes what there is to draw of a server, whenever that changes."""

    family: Family

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.observing = True
        self.glances: list[tuple[int, str, Glance]] = []
        self._latest: dict[str, Glance] = {}

    def after_turn(self, machine: Machine, kind: int, a: Any, b: Any, sequence: int = -1) -> None:
        super().after_turn(machine, kind, a, b, sequence)
        if machine.is_server and machine.engine is not None:
            seen = glance_of(self.family, machine.engine.node.inspect())
            if self._latest.get(machine.name) != seen:
                self._latest[machine.name] = seen
                self.glances.append((self.now, machine.name, seen))


def glance_of(family: Family, view: Any) -> Glance:
    """What the family draws of a view; where it says nothing, its plain fields as text."""
    if family.glance is not None:
        return family.glance(view)
    plain: dict[str, Any] = {}
    if isinstance(view, msgspec.Struct):
        plain = {name: getattr(view, name) for name in view.__struct_fields__}
    facts = tuple((name, str(value)) for name, value in plain.items() if isinstance(value, (bool, int, float, str)))
    return Glance(str(plain.get("role", "server")), "", facts=tuple(fact for fact in facts if fact[0] != "role"))


def play(trial: Trial) -> Played:
    """Run a simulated trial again.

    Raises:
        UsageError: the trial is live, or cannot be.
    """
    if trial.runtime != "sim":
        raise UsageError("only simulated runs can be played: a live one keeps no record of every message")
    family, server_config, client_config = prepare(trial)
    watched = type("Watched", (_Watched,), {"family": family})
    simulation = Simulation(msgspec.structs.replace(trial, trace=True), family, server_config, client_config, watched)
    record = simulation.run()
    world: Any = simulation.world
    return Played(
        trial=trial,
        result=assess(trial, record, family, provenance()),
        events=tuple(record.trace or ()),
        glances=tuple((at - simulation.started, node, seen) for at, node, seen in world.glances),
        faults=tuple(record.faults),
        servers=tuple(machine.name for machine in world.servers),
        clients=tuple(machine.name for machine in world.clients),
    )
