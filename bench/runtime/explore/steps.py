"""A schedule of steps, carried out: which message arrives next, whose timer runs out, who crashes, and nothing else.

A step that cannot be (the node is down, the timer is not set, no such message is under way) is passed over. So any part
of a schedule is a schedule, and leaving one step out leaves all others as they were: no delay and no timeout is drawn
anew. That is what makes long failing runs shrink (as in Scott et al., Minimizing Faulty Executions of Distributed
Systems, NSDI 2016). Whatever happens is an execution of an asynchronous system: messages take as long as they
like, and timers are late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec

from protocols.family import Family, Invariant
from protocols.node import Node, Ok, Outcome
from protocols.requests import Cas, Read, Write

from ...checkers.verdict import Verdict
from ...history import FAIL, INFO, NEVER, NIL, NOTHING, OK, History, HistoryBuilder
from ...history.history import CAS, READ, WRITE
from ..child import Scoped
from ..engine import DiskFull
from ..record import TraceEvent, one_line
from .machine import Effects, Machine

TICK = 1_000_000
"""ns between two steps in drawings and histories, which know order only."""

KINDS = (
    "boot", "crash", "deliver", "timer", "request", "sync", "end", "disconnect", "admin", "fenced", "lose", "full",
    "space",
)  # fmt: skip


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happens at one node.

    Attributes:
        kind: one of ``KINDS``. ``end`` is the end of a batch of arrivals; ``lose`` takes the disk; ``full`` and
            ``space`` say that the disk is full, and no more.
        node: where.
        at: ns of true time.
        drift: ns that the node's monotonic clock is ahead of it.
        offset: ns that its wall clock is ahead of the monotonic one.
        peer: who sent the message, whose stream broke, who was fenced.
        what: name of the message's type; the timer; ``lost`` or ``corrupt`` for a disk.
        sent: of the message, the time of the step that set it free; of a sync, the time up to which records are safe.
        nth: of a message: how many of its type had been sent to the same node at that time before it.
        copy: of a message: the network delivers it a second time.
        kept: of a crash: how many of the unsynced records survive.
        draws: how the choices of the step fall, where nodes draw from a :class:`.rng.TurnRandom`.
        request: what a client is asked for, or the operator asks for.
        operation: its number.
    """

    kind: str
    node: str
    at: int = 0
    drift: int = 0
    offset: int = 0
    peer: str = ""
    what: Any = ""
    sent: int = 0
    nth: int = 0
    copy: bool = False
    kept: int = 0
    draws: tuple[int, ...] = ()
    request: Any = None
    operation: int = 0


def name_of(message: Any) -> str:
    """Of a message's type; with the path of the child it is for, if any."""
    if type(message) is Scoped:
        return f"{message.path}/{type(message.message).__name__}"
    return type(message).__name__


class Flight(msgspec.Struct, eq=False):
    """A message under way. ``number`` pairs its ends in drawings."""

    source: str
    target: str
    message: Any
    sent: int
    nth: int
    number: int
    step: int
    gone: bool = False


class Cluster:
    """All nodes, what is under way between them, and what was observed. Begin it with steps of kind ``boot``.

    Attributes:
        violations: verdicts ``invalid``, each a check that failed; the first ends the run of :meth:`play`.
        done: the steps that were carried out.
        since: of each of those, the index of the step that set its message free, or wrote the last record it synced.
        places: of each of those, which of several messages of that step it was.
        trace: for drawings, if asked for.
    """

    def __init__(
        self,
        family: Family,
        server_config: Any,
        client_config: Any,
        servers: int,
        clients: int,
        rng_of: Callable[[str, int], Random],
        *,
        invariants: bool = True,
        tracing: bool = False,
    ) -> None:
        bootstrap = tuple(sorted(f"n{number + 1}" for number in range(servers)))

        def make(kind: type[Node], config: Any) -> Callable[[], Node]:
            return lambda: kind(config)

        self.machines: dict[str, Machine] = {}
        for number in range(servers):
            name = f"n{number + 1}"
            self.machines[name] = Machine(name, make(family.server, server_config), bootstrap, rng_of)
        for number in range(clients):
            name = f"c{number + 1}"
            self.machines[name] = Machine(name, make(family.client, client_config), bootstrap, rng_of)
        self._flights: dict[tuple[str, str, str], list[Flight]] = {}  # (source, target, type)
        self._past: dict[tuple[str, str, str], list[Flight]] = {}  # delivered, and may be again
        self.invariants: list[Invariant] = family.invariants() if invariants else []
        self.views: dict[str, Any] = {}
        self.violations: list[Verdict] = []
        self.crashed: list[str] = []
        self.done: list[Step] = []
        self.since: list[int] = []
        self.places: list[int] = []
        self._cause = self._place = 0
        self.trace: list[TraceEvent] | None = [] if tracing else None
        self._written: dict[str, dict[int, int]] = {name: {} for name in self.machines}  # turn -> step, of this life
        self._operations: dict[int, tuple[int, Any, int, str]] = {}
        self._ended: dict[int, tuple[int, Outcome]] = {}
        self._exact: dict[tuple[str, str, str, int, int], Flight] = {}
        self._number = 0
        self._nth: Counter[tuple[str, str, str, int]] = Counter()

    # --- playing -----------------------------------------------------------------------------------------------------

    def play(self, steps: Sequence[Step], until: str = "") -> None:
        """Carry the steps out, up to the first violation (of the check ``until``, if it is given)."""
        for step in steps:
            before = len(self.violations)
            self.carry_out(step)
            if any(not until or verdict.name == until for verdict in self.violations[before:]):
                return

    def carry_out(self, step: Step) -> bool:
        """One step; False if it could not be."""
        self._cause = self._place = 0
        if not self._carry_out(step):
            return False
        self.done.append(step)
        self.since.append(self._cause)
        self.places.append(self._place)
        return True

    def _carry_out(self, step: Step) -> bool:
        machine = self.machines.get(step.node)
        if machine is None:
            return False
        machine.set_clock(step.at + step.drift, step.offset)
        machine.dice.load(step.draws)
        up = machine.engine is not None
        match step.kind:
            case "boot":
                if up:
                    return False
                for invariant in self.invariants if machine.is_server else ():
                    invariant.restarted(machine.name)
                self._written[machine.name].clear()
                self._note(step, "boot", what="boot", detail=f"life {machine.incarnation + 1}")
                return self._turn(machine, step, lambda: machine.boot(step.at))
            case "crash":
                if not up:
                    return False
                self._crash(machine, step.kept)
                return True
            case "lose":
                if up:
                    return False
                machine.lose(corrupt=step.what == "corrupt")
                return True
            case "full" | "space":
                machine.fill(step.kind == "full")
                return True
        if not up:
            return False
        return self._live(machine, step)

    def _live(self, machine: Machine, step: Step) -> bool:
        """A step of a node that is up."""
        match step.kind:
            case "deliver":
                flight = self._find(step)
                if flight is None:
                    return False
                if not step.copy:
                    key = (flight.source, flight.target, step.what)
                    self._flights[key].remove(flight)
                    flight.gone = True
                    self._past.setdefault(key, []).append(flight)
                self._cause, self._place = flight.step, flight.nth
                source, message = flight.source, flight.message
                self._note(step, "deliver", source, name_of(message), flight.number, one_line(message))
                return self._turn(machine, step, lambda: machine.turn(step.at, lambda e: e.receive(source, message)))
            case "timer":
                if step.what not in machine.armed:
                    return False
                machine.set_clock(machine.armed.pop(step.what), step.offset)  # it has run out, whatever else is so
                what = step.what if isinstance(step.what, str) else "/".join(map(str, step.what))
                self._note(step, "timer", what=what)
                return self._turn(machine, step, lambda: machine.turn(step.at, lambda e: e.fire(step.what)))
            case "request":
                self._operations[step.operation] = (self._now(), step.request, len(self._operations), step.node)
                self._note(step, "request", what=type(step.request).__name__, detail=one_line(step.request))
                return self._turn(
                    machine, step, lambda: machine.turn(step.at, lambda e: e.request(step.operation, step.request))
                )
            case "sync":
                if not machine.unsynced or machine.unsynced[0][0] > step.sent:
                    return False
                covered = [record for record in machine.unsynced if record[0] <= step.sent]
                self._cause = self._written[machine.name][covered[-1][1]]
                self._note(step, "durable", what=f"{len(covered)} record{'' if len(covered) == 1 else 's'}")
                return self._turn(machine, step, lambda: machine.sync(step.at, step.sent))
            case "end":
                assert machine.engine is not None
                if not machine.engine.at_end:
                    return False
                return self._turn(machine, step, lambda: machine.turn(step.at, lambda e: e.batch_end()))
            case "disconnect":
                return self._turn(machine, step, lambda: machine.turn(step.at, lambda e: e.disconnected(step.peer)))
            case "admin":
                return self._turn(machine, step, lambda: machine.turn(step.at, lambda e: e.admin(step.request)))
            case "fenced":
                return self._turn(machine, step, lambda: machine.turn(step.at, lambda e: e.fenced(step.peer)))
        raise ValueError(f"no such step: {step.kind}")

    def _find(self, step: Step) -> Flight | None:
        """The message under way that is most like the one meant: of that type on that link, sent nearest to then."""
        key = (step.peer, step.node, step.what)
        meant = self._exact.get((*key, step.sent, step.nth))
        if meant is not None and (step.copy or not meant.gone):
            return meant
        best: tuple[tuple[int, int], Flight] | None = None
        for flights in (self._flights, self._past) if step.copy else (self._flights,):
            for flight in flights.get(key, ()):
                off = (abs(flight.sent - step.sent), abs(flight.nth - step.nth))
                if best is None or off < best[0]:
                    best = (off, flight)
        return None if best is None else best[1]

    # --- turns -------------------------------------------------------------------------------------------------------

    def _now(self) -> int:
        return (len(self.done) + 1) * TICK

    def _turn(self, machine: Machine, step: Step, call: Callable[[], Effects]) -> bool:
        try:
            effects = call()
        except DiskFull:
            self._crash(machine, 0)
            return True
        except Exception as error:
            self._failed(machine, error)
            return True
        if machine.unsynced:
            self._written[machine.name].setdefault(machine.unsynced[-1][1], len(self.done))
        for name, fields in machine.marks:
            text = ", ".join(f"{key} {value}" for key, value in fields.items())
            self._note(step, "mark", what=f"{name} {text}".strip())
        for target, message in effects.sends:
            if target in self.machines:
                self._number += 1
                name, text = name_of(message), one_line(message)
                key = (machine.name, target, name, step.at)
                nth = self._nth[key]
                self._nth[key] += 1
                flight = Flight(machine.name, target, message, step.at, nth, self._number, len(self.done))
                self._flights.setdefault(key[:3], []).append(flight)
                self._exact[(*key, nth)] = flight
                if self.trace is not None:
                    self.trace.append(TraceEvent(self._now(), "send", machine.name, target, name, self._number, text))
        for operation, outcome in effects.replies:
            if operation in self._operations and operation not in self._ended:
                self._ended[operation] = (self._now() + 1, outcome)
                self._note(step, "reply", what=type(outcome).__name__, detail=one_line(outcome))
        if machine.is_server:
            self._check(machine)
        return True

    def _check(self, machine: Machine) -> None:
        assert machine.engine is not None
        view = self.views[machine.name] = machine.engine.node.inspect()
        for invariant in self.invariants:
            problem = invariant.step(machine.name, view, self.views)
            if problem is not None:
                self.violations.append(
                    Verdict(name=invariant.name, verdict="invalid", reason=problem, at=self._now() + 1)
                )
                if self.trace is not None:
                    event = TraceEvent(self._now() + 1, "violation", machine.name, "", invariant.name, -1, problem)
                    self.trace.append(event)
                return

    def _failed(self, machine: Machine, error: Exception) -> None:
        text = f"{machine.name}: {type(error).__name__}: {error}"
        self.violations.append(Verdict(name="no_handler_crash", verdict="invalid", reason=text, at=self._now() + 1))
        self._crash(machine, 0)

    def _crash(self, machine: Machine, kept: int) -> None:
        machine.crash(kept)
        self.views.pop(machine.name, None)
        if self.trace is not None:
            self.trace.append(TraceEvent(self._now(), "crash", machine.name, "", "crash", -1, ""))

    def _note(self, step: Step, kind: str, peer: str = "", what: str = "", number: int = -1, detail: str = "") -> None:
        if self.trace is not None:
            self.trace.append(TraceEvent(self._now(), kind, step.node, peer, what, number, detail))

    # --- what clients saw --------------------------------------------------------------------------------------------

    def history(self) -> History:
        """Every operation, with steps for time: one that ended in a step before another began was before it."""
        builder = HistoryBuilder()
        for operation, (invoked, request, process, client) in self._operations.items():
            completed, outcome = self._ended.get(operation, (NEVER, None))
            add_operation(builder, request, process, invoked, completed, outcome, int(client[1:]) - 1)
        return builder.build()


def add_operation(
    builder: HistoryBuilder,
    request: Any,
    process: int,
    invoked: int,
    completed: int,
    outcome: Outcome | None,
    client: int,
) -> None:
    """One row of a history from what was asked and answered; requests that are no reads or writes have no row."""
    if not isinstance(request, Read | Write | Cas):
        return
    code = READ if isinstance(request, Read) else WRITE if isinstance(request, Write) else CAS
    argument = NOTHING if isinstance(request, Read) else int.from_bytes(request.value[:8], "big")
    expected = result = NOTHING
    if isinstance(request, Cas):
        expected = NIL if request.expected is None else int.from_bytes(request.expected[:8], "big")
    if isinstance(outcome, Ok):
        word = OK
        if code != WRITE:
            value = outcome.value
            result = NIL if value is None else int.from_bytes(value[:8], "big")
    else:
        word = FAIL if type(outcome).__name__ == "Fail" else INFO
        if word == INFO:
            completed = NEVER
    builder.add(
        process=process,
        function=code,
        key=int(request.key[1:]),
        argument=argument,
        expected=expected,
        result=result,
        intended=invoked,
        invoked=invoked,
        completed=completed,
        outcome=word,
        client=client,
    )
