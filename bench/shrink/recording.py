"""Records a simulated run as a schedule of steps, which the untimed world carries out again."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from protocols.family import Family

from ..runtime.explore.steps import Step, name_of
from ..runtime.record import RunRecord
from ..runtime.sim.machine import ADMIN, DISCONNECT, FENCED, MESSAGE, REQUEST, SYNCED, TIMER, WORK, Machine
from ..runtime.sim.run import Simulation
from ..runtime.sim.world import World
from ..trial import Trial


class RecordingWorld(World):
    """A simulated world that notes every turn, sync, crash and boot as a step. To be made with ``tracing``.

    Attributes:
        steps: so far.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.steps: list[Step] = []
        self._sent: dict[int, int] = {}  # number of a message -> when the step that set it free was
        self._copies: set[int] = set()  # numbers of messages that the network made of others
        self._last: tuple[Any, ...] = ()
        self._nth: dict[int, int] = {}  # number of a message -> how many like it were sent at that time before it
        self._count: Counter[tuple[str, str, str, int]] = Counter()
        self._turns: dict[str, list[tuple[int, int]]] = {}  # node -> (turn, when), of the present life
        self._disks: dict[str, int] = {}
        self._full: dict[str, bool] = {}

    def boot(self, machine: Machine) -> None:
        """Note the boot, and what has become of the disk since the last life."""
        if machine.engine is not None or machine.down_for_good:
            return
        name, disk = machine.name, machine.disk
        wiped = self._disks.get(name, id(disk.synced)) != id(disk.synced)
        self._disks[name] = id(disk.synced)
        if wiped:
            what = "corrupt" if disk.corrupt else "lost"
            self.steps.append(Step(kind="lose", node=name, at=self.now, what=what))
        self._note_space(machine)
        self._turns[name] = []
        self._append(machine, Step(kind="boot", node=name, at=self.now))
        super().boot(machine)

    def crash(self, machine: Machine) -> None:
        """Note the crash, and how many unsynced records it left."""
        if machine.engine is None:
            return
        super().crash(machine)
        self.steps.append(Step(kind="crash", node=machine.name, at=self.now, kept=machine.disk.kept))

    def _note_space(self, machine: Machine) -> None:
        full = machine.disk.full > 0
        if self._full.get(machine.name, False) != full:
            self._full[machine.name] = full
            self.steps.append(Step(kind="full" if full else "space", node=machine.name, at=self.now))

    def note(
        self,
        kind: str,
        node: str,
        peer: str,
        what: str,
        number: int = -1,
        message: Any = None,
        at: int = -1,
        *,
        detail: str = "",
    ) -> None:
        """Note when messages were set free, and which of them the network made of others."""
        if kind == "send":
            self._sent[number] = self.now
            now = (self.now, node, peer, at, id(message))
            if now == self._last:
                self._copies.add(number)
                self._nth[number] = self._nth[number - 1]
            else:
                key = (node, peer, what, self.now)
                self._nth[number] = self._count[key]
                self._count[key] += 1
            self._last = now

    def after_turn(self, machine: Machine, kind: int, a: Any, b: Any, sequence: int = -1) -> None:
        """Note the turn."""
        name, now = machine.name, self.now
        if machine.engine is not None:
            self._turns[name].append((machine.engine.turn, now))
        step: Step | None = None
        if kind == MESSAGE:
            sent, copy = self._sent.get(sequence, now), sequence in self._copies
            nth = self._nth.get(sequence, 0)
            step = Step(kind="deliver", node=name, at=now, peer=a, what=name_of(b), sent=sent, nth=nth, copy=copy)
        elif kind == TIMER:
            step = Step(kind="timer", node=name, at=now, what=a)
        elif kind == REQUEST:
            step = Step(kind="request", node=name, at=now, operation=a, request=b)
        elif kind == SYNCED:
            step = Step(kind="sync", node=name, at=now, sent=self._when(name, a))
        elif kind == WORK and a == "batch end":
            step = Step(kind="end", node=name, at=now)
        elif kind == DISCONNECT:
            step = Step(kind="disconnect", node=name, at=now, peer=a)
        elif kind == ADMIN:
            step = Step(kind="admin", node=name, at=now, request=a)
        elif kind == FENCED:
            step = Step(kind="fenced", node=name, at=now, peer=a)
        if step is not None:
            self._note_space(machine)
            self._append(machine, step)
        super().after_turn(machine, kind, a, b, sequence)

    def _append(self, machine: Machine, step: Step) -> None:
        """With what the node's clocks say."""
        drift = machine.clock.monotonic(self.now) - self.now
        self.steps.append(msgspec.structs.replace(step, drift=drift, offset=machine.clock.offset))

    def _when(self, name: str, turn: int) -> int:
        """When the turn was: the first one noted from it on, for some turns are part of others."""
        return next((when for number, when in self._turns[name] if number >= turn), self.now)


def record_steps(trial: Trial, family: Family, server_config: Any, client_config: Any) -> tuple[list[Step], RunRecord]:
    """Run the trial in the simulator; its steps, and what it produced. The run is the same as without."""
    worlds: list[RecordingWorld] = []

    def make(*args: Any, **kwargs: Any) -> World:
        world = RecordingWorld(*args, **{**kwargs, "tracing": True})
        worlds.append(world)
        return world

    record = Simulation(trial, family, server_config, client_config, make).run()
    record.trace = None
    return worlds[0].steps, record
