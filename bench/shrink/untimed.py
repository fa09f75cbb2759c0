"""Shrinks the schedule of steps of a failing run: what is left out leaves everything else as it was."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random

import msgspec

from ..checkers.registry import checks_for
from ..checkers.verdict import Verdict
from ..run import prepare
from ..runtime.explore.rng import TurnRandom
from ..runtime.explore.steps import KINDS, TICK, Cluster, Step
from ..trial import Trial
from ..workload.spec import Workload
from .ddmin import ddmin
from .oracle import BUDGET_S

SHARES = (4, 16, 64)
FAULTS = ("crash", "lose", "full", "admin")
"""Steps that a fault makes. A boot undoes a crash, and a stream that broke follows from one."""


@dataclass(frozen=True)
class Schedule:
    """Steps that end in a violation, and the cluster they are carried out in.

    Attributes:
        trial: names the protocol, its parameters, the numbers of servers and clients, and the seed of all that nodes
            draw.
        steps: each of them can be carried out, and the last completes the violation.
        verdict: of the check that fails.
        seeded: whether nodes draw what they draw in the simulator, or what they draw in an exploration.
    """

    trial: Trial
    steps: tuple[Step, ...]
    verdict: Verdict
    seeded: bool = True

    @property
    def faults(self) -> int:
        """Crashes, lost and full disks, orders of the operator, messages delivered twice."""
        return sum(step.kind in FAULTS or step.copy for step in self.steps)

    @property
    def operations(self) -> int:
        """That clients are asked for."""
        return sum(step.kind == "request" for step in self.steps)

    def __str__(self) -> str:
        parts = ((self.faults, "fault"), (self.operations, "operation"), (len(self.steps), "step"))
        return ", ".join(f"{count} {what}{'' if count == 1 else 's'}" for count, what in parts)


def bare(trial: Trial) -> Trial:
    """Of a trial, what steps need: the protocol, how many nodes, and the seed of what they draw."""
    return Trial(
        protocol=trial.protocol,
        mutant=trial.mutant,
        nodes=trial.nodes,
        seed=trial.seed,
        params=trial.params,
        workload=Workload(clients=trial.workload.clients),
    )


def cluster_of(trial: Trial, *, tracing: bool = False, seeded: bool = True) -> Cluster:
    """The nodes of a trial, none of them booted; each draws what it draws in the simulator, unless not ``seeded``."""
    family, server_config, client_config = prepare(trial)

    def rng_of(name: str, incarnation: int) -> Random:
        return Random(f"{trial.seed}/node/{name}/{incarnation}") if seeded else TurnRandom(name, incarnation)

    clients = trial.workload.clients
    return Cluster(family, server_config, client_config, trial.nodes, clients, rng_of, tracing=tracing)


def play(
    trial: Trial, steps: Sequence[Step], check: str, *, tracing: bool = False, seeded: bool = True
) -> tuple[Cluster, Verdict | None]:
    """Carry the steps out, up to the violation of that check if it is one of global state; the verdict that fails."""
    cluster = cluster_of(trial, tracing=tracing, seeded=seeded)
    cluster.play(steps, check)
    found = next((verdict for verdict in cluster.violations if verdict.name == check), None)
    if found is None and not any(each.name == check for each in cluster.invariants):
        history = cluster.history()
        family, server_config, client_config = prepare(trial)
        models = family.models(server_config, client_config, trial.nodes) if len(history) else ()
        for judge in (judge for model in models for judge in checks_for(model)):
            verdict = judge(history, BUDGET_S)
            if verdict.name == check and verdict.verdict == "invalid":
                found = verdict
    return cluster, found


class UntimedShrinker:
    """One shrink under way; ``best`` is the smallest schedule so far. See :class:`.reduce.Shrinker`."""

    def __init__(
        self,
        schedule: Schedule,
        *,
        budget_s: float = 60.0,
        say: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.best = schedule
        self.check = schedule.verdict.name
        self.runs = 0
        self.ended = ""
        self._say = say
        self._clock = clock
        self._deadline = clock() + budget_s

    def run(self) -> Schedule:
        """Shrink until no step can be left out, or the time is up."""
        try:
            self._without(lambda step: step.kind == "disconnect")
            self._without(lambda step: step.kind == "request")
            self._only_what_shows_it()
            self._without(lambda step: step.copy)
            for share in SHARES:  # of long schedules first whatever goes in large chunks, of any kind
                for groups in (_singly, _faults, _requests):
                    self._leave_out(groups, share)
            while True:
                before = len(self.best.steps)
                self._leave_out(_requests)
                self._leave_out(_faults)
                self._leave_out(_singly)
                self._fewer_nodes()
                if len(self.best.steps) == before:
                    break
            self._canonical()
            self.ended = "no step could be left out"
        except TimeoutError:
            self.ended = "the time was up"
        return self.best

    def _try(self, trial: Trial, steps: Sequence[Step]) -> bool:
        if self._clock() > self._deadline:
            raise TimeoutError
        self.runs += 1
        self._say(f"{self.best}; {self.runs} schedules tried")
        cluster, verdict = play(trial, steps, self.check, seeded=self.best.seeded)
        if verdict is None:
            return False
        steps = tuple(cluster.done[: _last(cluster, verdict)])
        self.best = replace(self.best, trial=trial, steps=steps, verdict=verdict)
        return True

    def _without(self, leave_out: Callable[[Step], bool]) -> None:
        rest = [step for step in self.best.steps if not leave_out(step)]
        if len(rest) < len(self.best.steps):
            self._try(self.best.trial, rest)

    def _only_what_shows_it(self) -> None:
        """Of a history: the operations that show the violation, or at least no other keys'."""
        rows = self.best.verdict.rows
        if not rows:
            return
        requests = [step for step in self.best.steps if step.kind == "request"]  # a row each, in this order
        shown = {requests[row].operation for row in rows if row < len(requests)}
        keys = {getattr(step.request, "key", None) for step in requests if step.operation in shown}
        before = len(requests)
        self._without(lambda step: step.kind == "request" and step.operation not in shown)
        if sum(step.kind == "request" for step in self.best.steps) == before:
            self._without(lambda step: step.kind == "request" and getattr(step.request, "key", None) not in keys)

    def _leave_out(self, grouped: Callable[[Sequence[Step]], list[frozenset[int]]], share: int = 0) -> None:
        """Delta debugging over groups of steps, in chunks of at least that share of them; steps of no group stay."""
        steps = self.best.steps
        groups = grouped(steps)
        mine = frozenset().union(*groups)
        number = {id(step): index for index, step in enumerate(steps)}

        def fails(some: list[frozenset[int]]) -> Sequence[frozenset[int]] | None:
            kept = frozenset().union(*some)
            rest = [step for index, step in enumerate(steps) if index not in mine or index in kept]
            if not self._try(self.best.trial, rest):
                return None
            left = {number[id(step)] for step in self.best.steps}
            return [group for group in some if group & left]

        ddmin(groups, fails, max(1, len(groups) // share) if share else 1)

    def _fewer_nodes(self) -> None:
        """Nodes at which nothing happens, or whose part another can play."""
        for letter in ("c", "n"):
            count = self.best.trial.workload.clients if letter == "c" else self.best.trial.nodes
            for gone in range(count, 0, -1):
                if count == 1:
                    break
                if self._try(*_without_node(self.best, letter, gone)):
                    count -= 1

    def _canonical(self) -> None:
        """Steps at whole milliseconds, one after the other, on clocks that agree as far as may be."""
        cluster, _ = play(self.best.trial, self.best.steps, self.check, seeded=self.best.seeded)
        for clocks in ((), ("timer",), KINDS):
            if self._try(self.best.trial, canonical(cluster, clocks)):
                return


def settled(schedule: Schedule) -> Schedule:
    """The same with steps at 1 ms, 2 ms, ..., as notations have them, if they are not; with all clocks as they were."""
    if all(step.at == number * TICK for number, step in enumerate(schedule.steps, 1)):
        return schedule
    cluster, _ = play(schedule.trial, schedule.steps, schedule.verdict.name, seeded=schedule.seeded)
    return replace(schedule, steps=tuple(canonical(cluster, KINDS)))


def canonical(cluster: Cluster, clocks: Collection[str] = ()) -> list[Step]:
    """The steps that a cluster has carried out, at 1 ms, 2 ms, ...; messages and syncs refer to these times.

    Steps of the kinds in ``clocks`` still find on the node's monotonic clock what it showed.
    """
    steps = []
    for index, (step, sent, nth) in enumerate(zip(cluster.done, cluster.since, cluster.places, strict=True)):
        at = (index + 1) * TICK
        drift = step.at + step.drift - at if step.kind in clocks else 0
        since = (sent + 1) * TICK if step.kind in ("deliver", "sync") else 0
        steps.append(msgspec.structs.replace(step, at=at, drift=drift, offset=0, sent=since, nth=nth))
    return steps


def _last(cluster: Cluster, verdict: Verdict) -> int:
    """How many of the steps were needed until the violation was complete."""
    if not verdict.rows:
        return len(cluster.done)
    history = cluster.history()
    moment = max(int(history.completed[row]) for row in verdict.rows if history.outcome[row] == 0)
    return moment // TICK


# --- groups ---------------------------------------------------------------------------------------------------------


def _requests(steps: Sequence[Step]) -> list[frozenset[int]]:
    return [frozenset((index,)) for index, step in enumerate(steps) if step.kind == "request"]


def _faults(steps: Sequence[Step]) -> list[frozenset[int]]:
    """A crash with the boot after it and what became of the disk between; a disk that fills, until it has space."""
    groups: list[frozenset[int]] = []
    for index, step in enumerate(steps):
        if step.kind in ("crash", "full"):
            end = "boot" if step.kind == "crash" else "space"
            group = [index]
            for later in range(index + 1, len(steps)):
                other = steps[later]
                if other.node == step.node and other.kind in (end, "lose"):
                    group.append(later)
                    if other.kind == end:
                        break
            groups.append(frozenset(group))
        elif step.kind == "admin" or step.copy:
            groups.append(frozenset((index,)))
    return groups


def _singly(steps: Sequence[Step]) -> list[frozenset[int]]:
    """Every step by itself, except that a crash goes with its boot."""
    faults = [group for group in _faults(steps) if len(group) > 1]
    taken = frozenset().union(*faults)
    singles = [frozenset((index,)) for index in range(len(steps)) if index not in taken]
    return sorted([*faults, *singles], key=min)


def _without_node(schedule: Schedule, letter: str, gone: int) -> tuple[Trial, list[Step]]:
    """Without the node; those after it get the names before theirs. A client's part goes to another."""
    trial = schedule.trial
    name = f"{letter}{gone}"

    def renamed(node: str) -> str:
        if not node.startswith(letter) or not node[1:].isdigit() or int(node[1:]) < gone:
            return node
        return f"{letter}{max(1, int(node[1:]) - 1)}"

    kept: Iterable[Step] = schedule.steps
    if letter == "n":
        kept = [step for step in kept if name not in (step.node, step.peer)]
        trial = msgspec.structs.replace(trial, nodes=trial.nodes - 1)
    else:
        workload = msgspec.structs.replace(trial.workload, clients=trial.workload.clients - 1)
        trial = msgspec.structs.replace(trial, workload=workload)
    return trial, [msgspec.structs.replace(step, node=renamed(step.node), peer=renamed(step.peer)) for step in kept]
