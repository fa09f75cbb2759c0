"""Exhaustive search: counts that can be derived by hand or by brute force, mutants of Raft, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import msgspec
import pytest

from bench.cli.exploring import operations_of, schedule_of
from bench.mutation import find_mutant, load_family
from bench.params import build_configs
from bench.run import prepare
from bench.runtime.explore.rng import TurnRandom
from bench.runtime.explore.search import Explorer, Found, Scope
from bench.runtime.explore.steps import TICK, Cluster, Step
from bench.shrink.recording import record_steps
from bench.shrink.untimed import play
from bench.torture import torture
from bench.trial import Trial
from bench.workload.spec import Workload
from protocols.family import Family
from protocols.node import Context, Durable, Node, on, on_timer
from protocols.null import ClientConfig, ServerConfig
from protocols.null import family as null
from protocols.registry import MODULES


class Hello(msgspec.Struct, frozen=True, tag=True):
    """Somebody says hello."""


class Greeter(Node):
    """Says hello to everybody when its timer runs out, and counts on its disk who says it."""

    messages: ClassVar[Any] = Hello
    stored: ClassVar[dict[str, Any]] = {"heard": int}

    def start(self, ctx: Context, durable: Durable) -> None:
        """Only n1 has a timer."""
        self.heard = durable.get("heard", 0)
        if ctx.id == "n1":
            ctx.set_timer("speak", 1000)

    @on_timer("speak")
    def speak(self, ctx: Context, key: Any) -> None:
        """Once a life."""
        ctx.broadcast(Hello())

    @on(Hello)
    def hello(self, ctx: Context, source: str, message: Hello) -> None:
        """Remember."""
        self.heard += 1
        ctx.persist("heard", self.heard)

    def inspect(self) -> int:
        """How often it was said."""
        return self.heard


class NeverTwice:
    """Nobody is told twice."""

    name = "never_twice"

    def restarted(self, node: str) -> None:
        """Nothing is forgotten."""

    def step(self, node: str, view: int, views: Any) -> str | None:
        """Look."""
        return f"{node} was told {view} times" if view > 1 else None


greeting = replace(null, name="greeting", server=Greeter, invariants=list)


def explorer(family: Family, scope: Scope, params: dict[str, Any] | None = None, **fields: Any) -> Explorer:
    return Explorer(family, *build_configs(family, params or {}, scope.nodes), scope, **fields)


def explored(family: Family, scope: Scope, params: dict[str, Any] | None = None, **fields: Any) -> Found:
    return explorer(family, scope, params, **fields).run()


# --- counts ---------------------------------------------------------------------------------------------------------


def test_a_count_made_by_hand() -> None:
    """Before the timer: 1. After it, for each of two listeners: message under way, handled, handled and synced."""
    found = explored(greeting, Scope(nodes=3, clients=0, timeouts=1))
    assert (found.states, found.terminal, found.depth) == (1 + 3 * 3, 1, 5)
    # of the ten: 1 with one step; of the nine, each listener that is not done has one
    assert found.transitions == 1 + 2 * (2 * 3)
    assert found.word == "valid"


def test_a_crash_may_keep_what_was_not_synced_or_not() -> None:
    """One listener, one crash of anybody at any time: all by hand.

    Without the crash 1 + 3 states. n1 may die before or after it spoke, n2 in any of its states; either may be back.
    """
    found = explored(greeting, Scope(nodes=2, clients=0, timeouts=1, crashes=1))
    assert found.word == "valid"
    assert found.states == brute_force(greeting, Scope(nodes=2, clients=0, timeouts=1, crashes=1))


@pytest.mark.parametrize(
    "scope",
    [
        Scope(nodes=2, clients=0, timeouts=2, crashes=1),
        Scope(nodes=3, clients=0, timeouts=1, crashes=1),
        Scope(nodes=3, clients=0, timeouts=1, duplicates=1),
        Scope(nodes=2, clients=0, timeouts=1, crashes=2),
    ],
)
def test_as_many_states_as_brute_force_finds(scope: Scope) -> None:
    """Every sequence of steps carried out from the start by another world, and what it comes to told apart."""
    assert explored(greeting, scope).states == brute_force(greeting, scope)


def brute_force(family: Family, scope: Scope) -> int:
    """States that sequences of steps lead to, each replayed from the beginning; without memory of states."""
    seen: set[Any] = set()

    def replayed(steps: list[Step]) -> Cluster:
        configs = build_configs(family, {}, scope.nodes)
        cluster = Cluster(family, *configs, scope.nodes, scope.clients, TurnRandom)
        for step in steps:
            assert cluster.carry_out(step)
        return cluster

    def state(cluster: Cluster, left: tuple[int, int, int]) -> Any:
        nodes = []
        for machine in cluster.machines.values():
            up = machine.engine is not None
            heard = machine.engine.node.heard if machine.engine is not None else -1  # type: ignore[attr-defined]
            on_disk = machine.synced.keys.get("heard", 0)
            waiting = tuple(writes[0][2] for _, _, writes in machine.unsynced)
            nodes.append((up, heard, on_disk, waiting, tuple(machine.armed.items()), machine.torn))
        under_way = sorted((f.source, f.target) for each in cluster._flights.values() for f in each)
        now = max(machine.clock for machine in cluster.machines.values())
        return tuple(nodes), tuple(under_way), now, left

    def following(cluster: Cluster, left: tuple[int, int, int], at: int) -> Iterator[tuple[Step, tuple[int, int, int]]]:
        timeouts, crashes, duplicates = left
        now = max(machine.clock for machine in cluster.machines.values())
        drift = now - at
        for (source, target, what), flights in cluster._flights.items():
            if cluster.machines[target].engine is None:
                continue
            for flight in flights:
                fields: dict[str, Any] = {"peer": source, "what": what, "sent": flight.sent, "nth": flight.nth}
                for copy in (False, True) if duplicates else (False,):
                    step = Step(kind="deliver", node=target, at=at, drift=drift, copy=copy, **fields)
                    yield step, (timeouts, crashes, duplicates - copy)
        for name, machine in cluster.machines.items():
            if machine.engine is None:
                yield Step(kind="boot", node=name, at=at, drift=drift), left
                continue
            if machine.unsynced:
                yield Step(kind="sync", node=name, at=at, drift=drift, sent=at), left
            for timer, deadline in list(machine.armed.items()) if timeouts else ():
                late = max(now, deadline) - at
                yield Step(kind="timer", node=name, at=at, drift=late, what=timer), (timeouts - 1, crashes, duplicates)
            for kept in range(len(machine.unsynced) + 1) if crashes else ():
                step = Step(kind="crash", node=name, at=at, drift=drift, kept=kept)
                yield step, (timeouts, crashes - 1, duplicates)

    first = [Step(kind="boot", node=f"n{n + 1}", at=TICK, drift=-TICK) for n in range(scope.nodes)]
    todo = [(first, (scope.timeouts, scope.crashes, scope.duplicates))]
    while todo:
        steps, left = todo.pop()
        cluster = replayed(steps)
        key = state(cluster, left)
        if key in seen:
            continue
        seen.add(key)
        for step, then in following(cluster, left, (len(steps) + 1) * TICK):
            todo.append(([*steps, step], then))
    return len(seen)


def test_the_states_of_one_election_of_raft_are_pinned() -> None:
    """Three servers, one election timeout, no PreVote: a change of any of these is a change of the protocol's paths."""
    found = explored(load_family("raft"), Scope(clients=0, timeouts=1), {"pre_vote": False})
    assert (found.states, found.transitions, found.terminal, found.depth) == (943, 2400, 12, 14)
    assert found.word == "valid"


def test_it_is_the_same_again() -> None:
    one, other = (explored(load_family("raft"), Scope(clients=0, timeouts=1), {"pre_vote": False}) for _ in "12")
    assert replace(one, took_s=0.0) == replace(other, took_s=0.0)


# --- violations -----------------------------------------------------------------------------------------------------


def test_the_first_violation_is_one_with_the_fewest_steps() -> None:
    family = replace(greeting, invariants=lambda: [NeverTwice()])
    found = explored(family, Scope(nodes=3, clients=0, timeouts=1, duplicates=1))
    assert found.verdict is not None
    assert found.verdict.name == "never_twice"
    # three boots; the timer, the message, and its copy
    assert [step.kind for step in found.steps] == ["boot"] * 3 + ["timer", "deliver", "deliver"]
    assert sorted(step.copy for step in found.steps)[-2:] == [False, True]


def test_a_handler_that_raises_is_a_violation() -> None:
    class Broken(Greeter):
        """Fails."""

        def hello(self, ctx: Context, source: str, message: Hello) -> None:
            raise ValueError("no")

    found = explored(replace(greeting, server=Broken), Scope(nodes=2, clients=0, timeouts=1))
    assert found.verdict is not None
    assert found.verdict.name == "no_handler_crash"
    assert "ValueError: no" in found.verdict.reason


def test_what_clients_see_is_judged() -> None:
    """Servers that replicate nothing are no register once clients ask different ones; one client sees none of it."""
    register = replace(null, model="register")
    for clients, word in ((1, "valid"), (3, "invalid")):
        scope = Scope(nodes=3, clients=clients, operations=operations_of(register, 3, clients), timeouts=0)
        found = explored(register, scope)
        assert found.word == word, clients
    assert found.verdict is not None
    assert found.verdict.name == "linearizable"


SHORT = {
    "half-is-a-majority": (Scope(clients=0, timeouts=2), 4),
    "double-vote": (Scope(clients=0, timeouts=2), 9),
    "vote-not-persisted": (Scope(clients=0, timeouts=2, crashes=1, depth=11), 11),
}
"""Mutant -> the smallest scope that shows it, and the steps after the boots that are needed: no way is shorter."""


@pytest.mark.parametrize(
    "name", [pytest.param(each, marks=pytest.mark.slow if SHORT[each][0].crashes else ()) for each in SHORT]
)
def test_mutants_are_found_by_shorter_ways_than_seeds_find(name: str) -> None:
    scope, length = SHORT[name]
    family = load_family("raft", name)
    found = explored(family, scope, {"pre_vote": False}, budget_s=300)
    assert found.verdict is not None
    assert found.verdict.name == "election_safety"
    assert len(found.steps) - scope.nodes == length
    # the same steps, by another world
    trial = Trial(protocol="raft", mutant=name, params={"pre_vote": False}, workload=Workload(clients=1))
    schedule = schedule_of(trial, found)
    assert play(trial, schedule.steps, "election_safety", seeded=False)[1] is not None
    # the seed that is noted with the mutant needs more, whatever it is
    by_seed = torture("raft", find_mutant(load_family("raft"), name).seed, name)
    steps, record = record_steps(by_seed, *prepare(by_seed))
    assert any(verdict.verdict == "invalid" for verdict in record.verdicts)
    assert len(steps) > 2 * length


def test_the_real_protocol_passes_where_the_mutants_fail() -> None:
    """As far as the shortest of their ways: nothing within so many steps."""
    for scope, length in list(SHORT.values())[:2]:
        found = explored(load_family("raft"), replace(scope, depth=length), {"pre_vote": False}, budget_s=300)
        assert found.verdict is None


@pytest.mark.parametrize("name", sorted(MODULES))
def test_every_protocol_can_be_explored(name: str) -> None:
    family = load_family(name)
    number = 1 if set(family.functions) & {"read", "write", "cas"} else 0
    scope = Scope(nodes=3, clients=number, operations=operations_of(family, number, number), timeouts=1, crashes=1)
    try:
        found = explored(family, scope, states=400, budget_s=20)
    except NotImplementedError as error:
        pytest.skip(str(error))
    assert found.verdict is None
    assert found.states > 3


# --- how it ends ----------------------------------------------------------------------------------------------------


def test_budgets_end_it_and_say_so() -> None:
    scope = Scope(clients=0, timeouts=2)
    ticks = iter(range(100_000))
    for fields, cut in (
        ({"states": 1000}, "states"),
        ({"budget_s": 5, "clock": lambda: float(next(ticks))}, "time"),
    ):
        found = explored(load_family("raft"), scope, **fields)  # type: ignore[arg-type]
        assert (found.cut, found.word) == (cut, "unknown")
    found = explored(load_family("raft"), replace(scope, depth=3))
    assert (found.cut, found.word, found.depth) == ("depth", "unknown", 3)


def test_an_interrupt_ends_it_and_keeps_the_counts() -> None:
    def say(text: str) -> None:
        raise KeyboardInterrupt

    search = explorer(load_family("raft"), Scope(clients=0, timeouts=2), say=say)
    found = search.run()
    assert found.cut == "interrupted"
    assert found.states > 100


def test_configs_are_used() -> None:
    assert isinstance(build_configs(null, {}, 3)[0], ServerConfig)
    assert isinstance(build_configs(null, {}, 3)[1], ClientConfig)
