"""Whole simulated trials of toys: what their verdicts say, and that a healed trial has everything up again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from bench.faults.spec import ClockDrift, Crash, Fault, FullDisk, Nemesis, Partition, Pause
from bench.history import OK
from bench.network import Constant, Network, Uniform
from bench.runtime.record import RunRecord
from bench.runtime.sim.run import Simulation
from bench.trial import Trial
from bench.workload.spec import Workload
from protocols.family import Family
from protocols.node import Context, Durable, Node, Ok, on, on_request, on_timer
from protocols.requests import Cas, Read, Write
from tests.toys.small import Echo, Ping, Pong
from tests.toys.worlds import MS, NoConfig, Prompt, Stuck, family_of

S = 1000 * MS


def trial(**fields: Any) -> Trial:
    base: dict[str, Any] = {
        "protocol": "toy",
        "duration": 500 * MS,
        "liveness": 300 * MS,
        "network": Network(latency=Constant(MS)),
        "workload": Workload(clients=2, rate=100.0),
    }
    return Trial(**(base | fields))


def run(family: Family, **fields: Any) -> tuple[RunRecord, Simulation]:
    simulation = Simulation(trial(**fields), family, NoConfig(), NoConfig())
    return simulation.run(), simulation


def verdict(record: RunRecord, name: str) -> tuple[str, str]:
    (found,) = [each for each in record.verdicts if each.name == name]
    return found.verdict, found.reason


# --- liveness --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [100.0, None])
def test_a_protocol_that_serves_is_live(rate: float | None) -> None:
    record, _ = run(family_of(Echo), workload=Workload(clients=2, rate=rate), duration=50 * MS)
    assert verdict(record, "liveness") == ("valid", "")
    assert verdict(record, "no_handler_crash") == ("valid", "")


@pytest.mark.parametrize("rate", [100.0, None])
def test_a_protocol_that_is_safe_because_it_stopped_is_found(rate: float | None) -> None:
    record, _ = run(family_of(Echo, Stuck), workload=Workload(clients=2, rate=rate))
    word, reason = verdict(record, "liveness")
    assert word == "invalid"
    assert reason == "2 of 2 clients were not served within 0.3 s although every node was up and connected"


class Caller(Prompt):
    """Asks the first server, once, and waits."""

    messages = Pong

    def start(self, ctx: Context, durable: Durable) -> None:
        super().start(ctx, durable)
        self.waiting: list[int] = []

    @on_request(Read, Write, Cas)
    def request(self, ctx: Context, operation: int, request: Any) -> None:
        self.waiting.append(operation)
        ctx.attempt(operation)
        ctx.send("n1", Ping(operation))
        ctx.set_timer("again", 20 * MS, operation)

    @on_timer("again")
    def again(self, ctx: Context, operation: int) -> None:
        if operation in self.waiting:
            ctx.send("n1", Ping(operation))
            ctx.set_timer("again", 20 * MS, operation)

    @on(Pong)
    def pong(self, ctx: Context, source: str, message: Pong) -> None:
        if message.number in self.waiting:
            self.waiting.remove(message.number)
            ctx.reply(message.number, Ok(None))


class Closing(Node):
    """A client that takes nothing up any more when the load is over, but still ends, late, what it took up before."""

    def start(self, ctx: Context, durable: Durable) -> None:
        self.born = ctx.monotonic()

    @on_request(Read, Write, Cas)
    def request(self, ctx: Context, operation: int, request: Any) -> None:
        if ctx.monotonic() - self.born < 500 * MS:
            ctx.set_timer("late", 400 * MS, operation)

    @on_timer("late")
    def late(self, ctx: Context, operation: int) -> None:
        ctx.reply(operation, Ok(None))


def test_what_was_begun_before_the_heal_is_no_sign_of_life() -> None:
    record, _ = run(family_of(Echo, Closing), workload=Workload(clients=2, rate=100.0, mix=(("write", 1.0),)))
    ended = record.history.completed[record.history.outcome == OK]
    assert (ended > 500 * MS).sum() >= 4, "operations did end in the liveness phase"
    assert verdict(record, "liveness")[0] == "invalid"


class Jammed(Echo):
    """Stops answering for ever once a message is more than 100 ms late: it never recovers from a pause or partition."""

    def start(self, ctx: Context, durable: Durable) -> None:
        super().start(ctx, durable)
        self.jammed = False
        ctx.set_timer("beat", 10 * MS)
        self.last = ctx.monotonic()

    @on_timer("beat")
    def beat(self, ctx: Context, key: Any) -> None:
        self.jammed = self.jammed or ctx.monotonic() - self.last > 100 * MS
        self.last = ctx.monotonic()
        ctx.set_timer("beat", 10 * MS)

    @on(Ping)
    def ping(self, ctx: Context, source: str, message: Ping) -> None:
        if not self.jammed:
            super().ping(ctx, source, message)


def test_one_that_does_not_live_again_after_a_fault_is_found_though_it_lived_before() -> None:
    pause: tuple[Fault, ...] = (Pause(at=100 * MS, target="n1", length=200 * MS),)
    assert verdict(run(family_of(Echo, Caller), faults=pause)[0], "liveness")[0] == "valid"
    assert verdict(run(family_of(Jammed, Caller))[0], "liveness")[0] == "valid"
    assert verdict(run(family_of(Jammed, Caller), faults=pause)[0], "liveness")[0] == "invalid"


def test_the_heal_comes_before_the_judgement() -> None:
    """Faults that would last for ever end with the load; everything is up, connected, and as fast as before."""
    faults: tuple[Fault, ...] = (
        Crash(at=100 * MS, target="n1", down=None),
        Pause(at=100 * MS, target="n2", length=100 * S),
        Partition(at=150 * MS, shape="isolate", target="n3", length=100 * S),
        ClockDrift(at=150 * MS, target="n3", ppm=500.0, length=100 * S),
        FullDisk(at=200 * MS, target="n3", length=100 * S),
        Crash(at=200 * MS, target="c1", down=None),
        Crash(at=600 * MS, target="n2", down=None),  # after the load: never
    )
    record, simulation = run(family_of(Echo, Caller), faults=faults)
    assert verdict(record, "liveness") == ("valid", "")
    world = simulation.world
    for machine in world.machines.values():
        assert machine.engine is not None
        assert not machine.engine.disk_full
        assert not machine.paused
        assert all(link.plain for link in machine.links.values())
    assert [machine.incarnation for machine in world.servers] == [2, 1, 1]
    assert len(record.faults) == 6
    assert all(fault.end is not None for fault in record.faults)


def test_a_nemesis_is_followed_by_a_partition_that_a_majority_must_survive() -> None:
    """Here n1 serves alone: cut off one way, it is missed although a majority is up."""
    record, _ = run(family_of(Echo, Caller), nemesis=Nemesis(interval=100 * MS, length=50 * MS, kinds=("pause",)))
    shapes = {fault.kind for fault in record.faults}
    assert "partition" in shapes
    assert verdict(record, "liveness")[0] == "valid", "clients reach every server, so Echo serves even so"


# --- other verdicts --------------------------------------------------------------------------------------------------


class Fragile(Echo):
    """Raises on the tenth ping of each life."""

    @on(Ping)
    def ping(self, ctx: Context, source: str, message: Ping) -> None:
        super().ping(ctx, source, message)
        if len(self.seen) == 10:
            raise ZeroDivisionError("the tenth")


def test_a_handler_that_raises_is_a_verdict_of_its_own() -> None:
    record, _ = run(family_of(Fragile, Caller))
    word, reason = verdict(record, "no_handler_crash")
    assert word == "invalid"
    assert reason.startswith("n1: ZeroDivisionError: the tenth (in ping:")


class Counts:
    """An invariant that a toy breaks: no server sees a fifth ping."""

    name = "at_most_four"

    def __init__(self) -> None:
        self.restarts: list[str] = []

    def restarted(self, node: str) -> None:
        self.restarts.append(node)

    def step(self, node: str, view: Any, views: Mapping[str, Any]) -> str | None:
        assert views[node] == view
        return f"{node} saw {view}" if view > 4 else None


class Viewed(Echo):
    def inspect(self) -> int:
        return len(self.seen)


def test_a_broken_invariant_stops_the_run_and_says_when() -> None:
    record, simulation = run(family_of(Viewed, Caller, lambda: [Counts()]))
    assert verdict(record, "at_most_four") == ("invalid", "n1 saw 5")
    assert verdict(record, "liveness")[0] == "unknown", "what follows a violation proves nothing"
    (found,) = [each for each in record.verdicts if each.name == "at_most_four"]
    assert 0 < found.at < 500 * MS
    assert found.at == simulation.world.now - simulation.started
    assert len(simulation.world.machines["n1"].engine.node.seen) == 5  # type: ignore[union-attr]


def test_a_held_invariant_is_valid_by_name_and_a_switch_leaves_them_out() -> None:
    record, _ = run(family_of(Viewed, Prompt, lambda: [Counts()]))
    assert verdict(record, "at_most_four") == ("valid", "")
    without, _ = run(family_of(Viewed, Caller, lambda: [Counts()]), invariants=False)
    assert [each.name for each in without.verdicts] == ["no_handler_crash", "liveness"]
    assert without.verdicts[1].verdict == "valid"


def test_invariants_hear_of_restarts() -> None:
    counts = Counts()
    faults = (Crash(at=100 * MS, target="n2", down=50 * MS),)
    run(family_of(Viewed, Prompt, lambda: [counts]), faults=faults)
    assert counts.restarts == ["n1", "n2", "n3", "n2"]


# --- operations of clients that die ----------------------------------------------------------------------------------


def test_operations_of_a_dead_client_may_have_happened_and_those_it_never_got_did_not() -> None:
    """``info`` for what was under way, ``fail`` for what came while it was down; the process id does not return."""
    faults = (Crash(at=200 * MS, target="c1", down=100 * MS), Crash(at=100 * MS, target="n1", down=200 * MS))
    record, _ = run(family_of(Echo, Caller), faults=faults, workload=Workload(clients=1, rate=200.0))
    history = record.history
    outcomes = list(history.outcome)
    info = [row for row, outcome in enumerate(outcomes) if outcome == 2]
    fail = [row for row, outcome in enumerate(outcomes) if outcome == 1]
    assert len(info) > 5
    assert len(fail) > 5
    dead = {int(history.process[row]) for row in info if history.completed[row] < 10**18}
    assert dead
    last = max(int(history.completed[row]) for row in info if history.completed[row] < 10**18)
    later = {int(history.process[row]) for row in range(len(outcomes)) if history.invoked[row] > last}
    assert later
    assert not dead & later, "after Info the client goes on as another process"
    assert all(200 * MS <= history.invoked[row] <= 300 * MS for row in fail)


# --- switches --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("switch", [{"trace": True}, {"codec": True}, {"invariants": False}])
def test_watching_a_trial_does_not_change_it(switch: dict[str, bool]) -> None:
    fields: dict[str, Any] = {
        "network": Network(latency=Uniform(0, 5 * MS), loss=0.1, duplication=0.1),
        "nemesis": Nemesis(interval=50 * MS, length=50 * MS, quiet=0),
        "clock_offset": 5 * MS,
        "clock_drift_ppm": 200.0,
    }
    plain, _ = run(family_of(Viewed, Caller), **fields)
    watched, _ = run(family_of(Viewed, Caller), **fields, **switch)
    assert len(plain.faults) > 2
    assert plain.trace_hash == watched.trace_hash
    assert list(plain.history.completed) == list(watched.history.completed)


def test_messages_are_counted_by_kind_of_link() -> None:
    record, simulation = run(family_of(Echo, Caller))
    assert record.messages_server == 0
    assert record.messages_client == sum(
        link.sent for m in simulation.world.machines.values() for link in m.links.values()
    )
    assert record.messages_client > 50


class Roll(Node):
    """Emits to the record at boot."""

    def start(self, ctx: Context, durable: Durable) -> None:
        ctx.emit(Pong(int(ctx.id[1:])))


def test_what_a_root_emits_is_recorded() -> None:
    _, simulation = run(family_of(Roll))
    assert [(node, event.number) for _, node, event in simulation.world.emitted] == [("n1", 1), ("n2", 2), ("n3", 3)]


def test_clocks_differ_within_what_the_trial_says() -> None:
    _, simulation = run(family_of(Echo), clock_offset=5 * MS, clock_drift_ppm=100.0)
    clocks = [machine.clock for machine in simulation.world.machines.values()]
    assert len({clock.offset for clock in clocks}) == len(clocks)
    assert all(abs(clock.offset) <= 5 * MS == clock.uncertainty for clock in clocks)
    assert all(abs(clock.rate - 1) <= 1e-4 for clock in clocks)
    assert len({clock.rate for clock in clocks}) == len(clocks)
