"""States of single nodes, each computed once: what a node does next depends on its own state and input alone.

A state of the whole cluster is a tuple of these, so a million of those need only as many turns as there are different
pairs of a node's state and an input. To take a turn in a state, the machine is brought there again by the inputs that
led to it first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from protocols.node import Node, Outcome

from ..engine import DiskFull
from .canonical import canonical, snapshot
from .machine import Effects, Machine
from .rng import TurnRandom

PARKED = 4000
"""Machines kept in the state they are in."""

Input = tuple[Any, ...]
"""(boot,), (deliver, source, message), (timer, name), (request, operation, request), (sync,), (crash, kept)."""


@dataclass(frozen=True)
class Local:
    """One state of one node.

    Attributes:
        up: whether it runs.
        armed: timers that are set, with their deadlines, in order of both.
        unsynced: how many records wait for a sync.
        view: what it shows to invariants; ``view_id`` tells equal ones; None and -1 of a client, or while it is down.
    """

    up: bool
    armed: tuple[tuple[Any, int], ...]
    unsynced: int
    view: Any
    view_id: int


@dataclass(frozen=True)
class Move:
    """What an input leads to.

    Attributes:
        after: number of the next state.
        sends: (target, message) set free, in order.
        replies: (operation, outcome), in order.
        error: what a handler raised; the node is down then.
        draws: how its choices fell.
    """

    after: int
    sends: tuple[tuple[str, Any], ...] = ()
    replies: tuple[tuple[int, Outcome], ...] = ()
    error: str = ""
    draws: tuple[int, ...] = ()


@dataclass
class _Origin:
    parent: int
    input: Input
    now: int
    draws: tuple[int, ...] = ()


@dataclass
class NodeStates:
    """All states of one node that were seen.

    Attributes:
        states: by number; 0 is before its first boot.
        turns: taken.
        chance: whether every outcome of a choice is tried, or one.
    """

    name: str
    make: Callable[[], Node]
    bootstrap: tuple[str, ...]
    views: dict[str, int]
    chance: bool = False
    states: list[Local] = field(default_factory=list)
    turns: int = 0
    _origins: list[_Origin] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)
    _moves: dict[tuple[int, Any], tuple[Move, ...]] = field(default_factory=dict)
    _timed: dict[tuple[int, Any, int], tuple[Move, ...]] = field(default_factory=dict)
    _parked: OrderedDict[int, Machine] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self._number(self._fresh(), _Origin(-1, (), 0))

    def moves(self, state: int, what: Input, now: int, key: Any = None) -> tuple[Move, ...]:
        """What an input does in a state at a time, one move for each way in which its choices can fall.

        ``key`` stands for the input where it is quicker to look up.
        """
        key = what if key is None else key
        found = self._moves.get((state, key)) or self._timed.get((state, key, now))
        if found is not None:
            return found
        found = ()
        timed = False
        todo: list[tuple[int, ...]] = [()]
        while todo:
            loaded = todo.pop()
            machine = self._at(state)
            machine.read_clock = False
            effects, error = _apply(machine, what, now, loaded)
            self.turns += 1
            draws = tuple(machine.dice.outcomes)
            if self.chance:  # the ways in which what was not loaded could have fallen
                for place in range(len(loaded), len(draws)):
                    others = (each for each in range(machine.dice.sizes[place]) if each != draws[place])
                    todo += [(*draws[:place], each) for each in others]
            after = self._number(machine, _Origin(state, what, now, draws))
            found += (Move(after, tuple(effects.sends), tuple(effects.replies), error, draws),)
            timed = timed or machine.read_clock
        if timed:
            self._timed[state, key, now] = found
        else:
            self._moves[state, key] = found
        return found

    def _fresh(self) -> Machine:
        def rng_of(name: str, incarnation: int) -> Random:
            return TurnRandom(name, incarnation)

        return Machine(self.name, self.make, self.bootstrap, rng_of)

    def _at(self, state: int) -> Machine:
        """A machine in that state."""
        parked = self._parked.pop(state, None)
        if parked is not None:
            return parked
        path: list[_Origin] = []
        while state > 0:
            origin = self._origins[state]
            path.append(origin)
            state = origin.parent
        machine = self._fresh()
        for origin in reversed(path):
            _apply(machine, origin.input, origin.now, origin.draws)
        return machine

    def _number(self, machine: Machine, origin: _Origin) -> int:
        engine = machine.engine
        inside: tuple[Any, ...] = ()
        if engine is not None:
            turns = [turn for _, turn, _ in machine.unsynced]
            held = [(sum(turn < tag for turn in turns), sends, outs) for tag, sends, outs in engine.held]
            children = [(path, vars(child.node)) for path, child in engine._children.items()]
            image = (engine.image.keys, engine.image.logs)
            inside = (vars(engine.node), children, image, held, engine._open)
        armed = tuple(sorted(machine.armed.items(), key=lambda each: (each[1], repr(each[0]))))
        text = canonical(
            inside,
            machine.synced.keys,
            machine.synced.logs,
            [writes for _, _, writes in machine.unsynced],
            armed,
            (machine.lost, machine.corrupt, machine.torn, machine.incarnation > 0),
        )
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self.states)
            view, view_id = None, -1
            if engine is not None and machine.is_server:
                view = snapshot(engine.node.inspect())
                view_id = self.views.setdefault(canonical(view), len(self.views))
            self.states.append(Local(engine is not None, armed, len(machine.unsynced), view, view_id))
            self._origins.append(origin)
            self._parked[number] = machine
            if len(self._parked) > PARKED:
                self._parked.popitem(last=False)
        return number


def _apply(machine: Machine, what: Input, now: int, draws: tuple[int, ...]) -> tuple[Effects, str]:
    """Carry an input out, with the end of its batch; what a handler raised, in words."""
    machine.set_clock(now)
    machine.dice.load(draws)
    kind = what[0]
    try:
        if kind == "boot":
            effects = machine.boot(now)
        elif kind == "crash":
            machine.crash(what[1])
            return Effects(), ""
        elif kind == "sync":
            effects = machine.sync(now, now)
        elif kind == "deliver":
            effects = machine.turn(now, lambda engine: engine.receive(what[1], what[2]))
        elif kind == "timer":
            machine.armed.pop(what[1])
            effects = machine.turn(now, lambda engine: engine.fire(what[1]))
        else:
            effects = machine.turn(now, lambda engine: engine.request(what[1], what[2]))
        if machine.engine is not None and machine.engine.at_end:
            more = machine.turn(now, lambda engine: engine.batch_end())
            effects.sends += more.sends
            effects.replies += more.replies
            effects.fences += more.fences
    except DiskFull:
        raise
    except Exception as error:
        machine.crash(0)
        return Effects(), f"{machine.name}: {type(error).__name__}: {error}"
    if effects.fences:
        raise NotImplementedError("a protocol that shoots other nodes (fence) cannot be explored")
    return effects, ""
