"""Exhaustive search of a small scope: every order of deliveries, timeouts, syncs and crashes, up to given bounds.

Breadth first, so that the first violation found is one with the fewest steps. States are told apart exactly: by the
states of all nodes, what is under way, the time, what is left of the bounds, what the invariants remember, and what
clients have seen so far (of each operation: its answer, and which operations had ended before it began). Nothing is
taken for the same because it looks alike: there is no reduction by symmetry.

Time: all clocks agree. It moves only when a timer runs out, to that timer's deadline; any timer that is set may run
out next, however late, and a message may take as long as it likes. A message that never arrives is one that is still
under way at the end, so loss needs no step of its own. Of chance, only choices among few are explored, and only if the
scope says so (see :mod:`.rng`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from protocols.family import Family
from protocols.node import Node

from ...checkers.registry import checks_for
from ...checkers.verdict import Verdict
from .histories import NOT_BEGUN, Histories
from .locals import Input, Move, NodeStates
from .monitors import Monitors
from .numbers import Numbers
from .scope import Found, Scope
from .steps import TICK, Step, name_of

__all__ = ["Explorer", "Found", "Scope"]

SAY_EVERY_S = 1.0
LOOK_EVERY = 256
"""States expanded between two looks at the budgets."""


State = tuple[int, ...]
"""(locals, messages, time, timeouts, crashes, duplicates, history, monitor), all but time and bounds by number."""
LOCALS, FLIGHTS, NOW, TIMEOUTS, CRASHES, DUPLICATES, HISTORY, MONITOR = range(8)

Origin = tuple[int, Input, int, tuple[int, ...]]
"""Of a state: number of the one before, the input, the node, how its choices fell."""


class Explorer:
    """One search. Interrupt :meth:`run` whenever you like: ``found`` says how far it got."""

    def __init__(
        self,
        family: Family,
        server_config: Any,
        client_config: Any,
        scope: Scope,
        *,
        states: int = 1_000_000,
        budget_s: float = 60.0,
        say: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.scope = scope
        self.found = Found()
        self._most = states
        self._clock = clock
        self._began = clock()
        self._deadline = self._began + budget_s
        self._said = float("-inf")
        self._say = say
        bootstrap = tuple(sorted(f"n{number + 1}" for number in range(scope.nodes)))

        def make(kind: type[Node], config: Any) -> Callable[[], Node]:
            return lambda: kind(config)

        chance = scope.chance
        views: dict[str, int] = {}
        self._views = views
        self.nodes = [
            *(
                NodeStates(f"n{number + 1}", make(family.server, server_config), bootstrap, views, chance)
                for number in range(scope.nodes)
            ),
            *(
                NodeStates(f"c{number + 1}", make(family.client, client_config), bootstrap, views, chance)
                for number in range(scope.clients)
            ),
        ]
        self._index = {node.name: index for index, node in enumerate(self.nodes)}
        models = family.models(server_config, client_config, scope.nodes) if scope.operations else ()
        self._locals = Numbers()
        self._flights = Numbers()
        self._histories = Histories(scope.operations, [check for model in models for check in checks_for(model)])
        self._monitors = Monitors(family.invariants(), self.nodes, scope.nodes)
        self._messages: list[tuple[int, int, Any]] = []  # (source, target, message)
        self._message_numbers: dict[tuple[int, int, Any], int] = {}

    # --- the search --------------------------------------------------------------------------------------------------

    def run(self) -> Found:
        """Search until all is seen, a violation is found, or a budget is spent."""
        found = self.found
        try:
            self._search()
        except KeyboardInterrupt:
            found.cut = "interrupted"
        found.turns = sum(node.turns for node in self.nodes)
        found.histories = len(self._histories.judged)
        found.took_s = self._clock() - self._began
        return found

    def _search(self) -> None:
        found, scope = self.found, self.scope
        first = self._initial()
        known: dict[State, int] = {first: 0}
        origins: list[Origin] = [(-1, (), -1, ())]
        frontier = [first]
        for node in range(len(self.nodes)):  # every node boots before anything else happens
            booted: list[State] = []
            for state in frontier:
                for after, verdict, draws in self._take(state, node, ("boot",)):
                    if verdict is not None:
                        found.verdict = verdict
                        found.steps = self._steps([*_path(origins, known[state]), (("boot",), node, draws)])
                        return
                    if after not in known:
                        known[after] = len(origins)
                        origins.append((known[state], ("boot",), node, draws))
                        booted.append(after)
            frontier = booted
        before = len(known) - len(frontier)  # states of a cluster that is not there yet
        found.states = len(frontier)
        while frontier:
            if scope.depth is not None and found.depth >= scope.depth:
                found.cut = "depth"
                return
            following: list[State] = []
            for state in frontier:
                number = known[state]
                alone = True
                for node, what, after, verdict, draws in self._successors(state):
                    alone = False
                    found.transitions += 1
                    if verdict is not None:
                        found.verdict = verdict
                        found.steps = self._steps([*_path(origins, number), (what, node, draws)])
                        return
                    if after not in known:
                        known[after] = len(origins)
                        origins.append((number, what, node, draws))
                        following.append(after)
                found.terminal += alone
                found.expanded += 1
                found.states = len(known) - before
                if found.expanded % LOOK_EVERY == 0 and self._over(len(known), len(frontier)):
                    return
            frontier = following
            found.depth += bool(following)
        return

    def _over(self, known: int, frontier: int) -> bool:
        now = self._clock()
        if now - self._said > SAY_EVERY_S:
            self._said = now
            depth, took = self.found.depth, now - self._began
            self._say(f"{known:,} states, {depth} steps deep, {frontier:,} at that depth, {took:.0f} s")
        if known >= self._most:
            self.found.cut = "states"
        elif now > self._deadline:
            self.found.cut = "time"
        return bool(self.found.cut)

    def _initial(self) -> State:
        """Nothing has happened, not even a boot."""
        scope = self.scope
        locals_ = (0,) * len(self.nodes)
        history = tuple(NOT_BEGUN for _ in scope.operations)
        return (
            self._locals[locals_],
            self._flights[()],
            0,
            scope.timeouts,
            scope.crashes,
            scope.duplicates,
            self._histories[history],
            0,
        )

    # --- steps -------------------------------------------------------------------------------------------------------

    def _successors(self, state: State) -> Iterator[tuple[int, Input, State, Verdict | None, tuple[int, ...]]]:
        """Everything that can happen next: (node, input, state after it, verdict if that is a violation, draws)."""
        for node, what in self._enabled(state):
            for after, verdict, draws in self._take(state, node, what):
                yield node, what, after, verdict, draws

    def _enabled(self, state: State) -> Iterator[tuple[int, Input]]:
        locals_ = self._locals.of(state[LOCALS])
        up = [self.nodes[index].states[number].up for index, number in enumerate(locals_)]
        last = -1
        for message in self._flights.of(state[FLIGHTS]):
            if message != last:
                source, target, content = self._messages[message]
                if up[target]:
                    yield target, ("deliver", self.nodes[source].name, content)
                    if state[DUPLICATES]:
                        yield target, ("deliver", self.nodes[source].name, content, "again")
            last = message
        for index, number in enumerate(locals_):
            local = self.nodes[index].states[number]
            server = index < self.scope.nodes
            if not local.up:
                if server:
                    yield index, ("boot",)
                continue
            if local.unsynced:
                yield index, ("sync",)
            if state[TIMEOUTS]:
                for timer, _ in local.armed:
                    yield index, ("timer", timer)
            if server and state[CRASHES]:
                for kept in range(local.unsynced + 1):
                    yield index, ("crash", kept)
        history = self._histories.of(state[HISTORY])
        busy = {client for (client, _), entry in zip(self.scope.operations, history, strict=True) if entry[0] == 1}
        for operation, (client, request) in enumerate(self.scope.operations):
            if history[operation] == NOT_BEGUN and client not in busy:
                busy.add(client)
                yield self.scope.nodes + client, ("request", operation + 1, request)

    def _take(self, state: State, index: int, what: Input) -> Iterator[tuple[State, Verdict | None, tuple[int, ...]]]:
        node = self.nodes[index]
        locals_ = self._locals.of(state[LOCALS])
        local = locals_[index]
        now, timeouts, crashes, duplicates = state[NOW], state[TIMEOUTS], state[CRASHES], state[DUPLICATES]
        history = state[HISTORY]
        flights = list(self._flights.of(state[FLIGHTS]))
        key: Any = None
        kind = what[0]
        again = kind == "deliver" and len(what) == 4
        if kind == "deliver":
            key = self._message(self._index[what[1]], index, what[2])
            if again:
                duplicates -= 1
                what = what[:3]
            else:
                flights.remove(key)
        elif kind == "timer":
            timeouts -= 1
            now = max(now, dict(node.states[local].armed)[what[1]])
        elif kind == "crash":
            crashes -= 1
        elif kind == "request":
            history = self._histories.begun(history, what[1] - 1)
        bounds = (now, timeouts, crashes, duplicates)
        for move in node.moves(local, what, now, key):
            following, verdict = self._after(state, index, kind, move, list(flights), bounds, history)
            yield following, verdict, move.draws

    def _after(
        self,
        state: State,
        index: int,
        kind: str,
        move: Move,
        flights: list[int],
        bounds: tuple[int, int, int, int],
        history: int,
    ) -> tuple[State, Verdict | None]:
        """The state that a move leads to, and the verdict if it is a violation."""
        locals_ = self._locals.of(state[LOCALS])
        after = (*locals_[:index], move.after, *locals_[index + 1 :])
        for target, message in move.sends:
            if target in self._index:
                flights.append(self._message(index, self._index[target], message))
        if len(move.sends):
            flights.sort()
        for operation, outcome in move.replies:
            history = self._histories.ended(history, operation - 1, outcome)
        monitor, name, problem = self._monitors.step(state[MONITOR], index, kind, after)
        following = (
            self._locals[after],
            self._flights[tuple(flights)],
            *bounds,
            history,
            monitor,
        )
        return following, self._violation(move, name, problem, history if move.replies else -1)

    def _message(self, source: int, target: int, message: Any) -> int:
        key = (source, target, message)  # messages are immutable, and hashable all the way down
        number = self._message_numbers.get(key)
        if number is None:
            number = self._message_numbers[key] = len(self._messages)
            self._messages.append((source, target, message))
        return number

    def _violation(self, move: Move, name: str, problem: str, history: int) -> Verdict | None:
        if move.error:
            return Verdict(name="no_handler_crash", verdict="invalid", reason=move.error)
        if name:
            return Verdict(name=name, verdict="invalid", reason=problem)
        return self._histories.judge(history) if history >= 0 and self._histories.checks else None

    # --- the way there -----------------------------------------------------------------------------------------------

    def _steps(self, path: list[tuple[Input, int, tuple[int, ...]]]) -> list[Step]:
        """The steps of a path, boots first, in the form that :class:`.steps.Cluster` carries out."""
        locals_ = [0] * len(self.nodes)
        now = 0
        sent: dict[int, list[tuple[int, int]]] = {}  # message -> (step, which of several), not yet delivered
        gone: dict[int, tuple[int, int]] = {}
        written: dict[int, int] = {}
        steps: list[Step] = []
        for number, (what, index, draws) in enumerate(path, 1):
            node = self.nodes[index]
            kind = what[0]
            fields: dict[str, Any] = {}
            if kind == "timer":
                now = max(now, dict(node.states[locals_[index]].armed)[what[1]])
                fields["what"] = what[1]
            elif kind == "deliver":
                message = self._message(self._index[what[1]], index, what[2])
                again = len(what) == 4
                if not again:
                    gone[message] = sent[message].pop(0)
                step, nth = sent[message][0] if again and sent.get(message) else gone[message]
                fields = {"peer": what[1], "what": name_of(what[2]), "sent": step * TICK, "nth": nth, "copy": again}
            elif kind == "sync":
                fields["sent"] = written[index] * TICK
            elif kind == "crash":
                fields["kept"] = what[1]
            elif kind == "request":
                fields = {"operation": what[1], "request": what[2]}
            before = node.states[locals_[index]].unsynced
            moves = node.moves(locals_[index], what[:3], now)
            move = next(each for each in moves if each.draws == draws)
            locals_[index] = move.after
            if node.states[move.after].unsynced > (0 if kind == "sync" else before):
                written[index] = number
            counts: dict[tuple[int, str], int] = {}
            for target, message_ in move.sends:
                if target in self._index:
                    key = (self._index[target], name_of(message_))
                    place = (number, counts.get(key, 0))
                    counts[key] = place[1] + 1
                    sent.setdefault(self._message(index, self._index[target], message_), []).append(place)
            at = number * TICK
            steps.append(Step(kind=kind, node=node.name, at=at, drift=now - at, draws=draws, **fields))
        return steps


def _path(origins: list[Origin], number: int) -> list[tuple[Input, int, tuple[int, ...]]]:
    path = []
    while number > 0:
        number, what, node, draws = origins[number]
        path.append((what, node, draws))
    return path[::-1]
