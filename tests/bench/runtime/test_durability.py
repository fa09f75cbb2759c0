"""Durability where it can be seen: unsynced writes are lost and torn, and a node stands still before it speaks.

Each property is also put to mutant engines that break it (:data:`tests.toys.rig.MUTANT_ENGINES`): a test of durability
that an engine without durability passes is no test.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bench.runtime.sim.lives as lives_module
from bench.network import Constant, Network
from bench.runtime.engine import Engine
from bench.runtime.image import Image
from bench.runtime.sim.disk import SimDisk
from bench.runtime.sim.world import World
from bench.trial import ServiceTimes
from protocols.node import Node
from tests.toys.rig import MUTANT_ENGINES, Rig
from tests.toys.scribe import Ask, Count, Line, Reader, Scribe, on_disk
from tests.toys.worlds import arrive

MS = 1_000_000


def rig(engine: type[Engine] = Engine) -> Rig:
    return Rig(lambda: Scribe(None), syncs=False, engine=engine)


# --- prefix durability -----------------------------------------------------------------------------------------------


def test_an_answer_waits_for_the_writes_of_earlier_turns() -> None:
    """Turn 1 writes; turn 2 writes nothing and answers from what turn 1 wrote. Nothing leaves before the sync."""
    node = rig()
    assert node.receive("r1", Line()) == []
    assert node.receive("r2", Ask()) == []
    assert node.sync() == [("r1", Count(1)), ("r2", Count(1))]


def test_effects_leave_in_the_order_of_their_turns_whichever_sync_frees_them() -> None:
    node = rig()
    for _ in range(2):
        node.receive("r1", Line())
        node.receive("r2", Ask())
    first = node.disk.unsynced[0][0]
    assert node.sync(first) == [("r1", Count(1)), ("r2", Count(1))]
    node.receive("r3", Ask())
    assert node.sync() == [("r1", Count(2)), ("r2", Count(2)), ("r3", Count(2))]


def test_an_answer_that_depends_on_no_unsynced_write_leaves_at_once() -> None:
    node = rig()
    node.receive("r1", Line())
    node.sync()
    assert node.receive("r2", Ask()) == [("r2", Count(1))]


Step = tuple[str, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("line"), st.integers(0, 1)),
        st.tuples(st.just("ask"), st.just(0)),
        st.tuples(st.just("sync"), st.integers(0, 3)),
        st.tuples(st.just("crash"), st.integers(0, 1_000_000)),
    ),
    max_size=40,
)


def play(steps: list[Step], engine: type[Engine]) -> str:
    """Run the steps and say what promise was broken, if any.

    The model: ``records[k]`` is everything on disk after the first k write turns. A crash must leave exactly one of
    them, at least the synced one; and no count may have been told that does not survive every crash from then on.
    """
    node = rig(engine)
    told = 0
    history = [on_disk(node.engine.image.keys, node.engine.image.logs)]  # after 0, 1, 2, ... write turns
    synced = 0
    for what, number in [*steps, ("crash", 1)]:
        if what == "line":
            node.receive("r", Line(bool(number)))
            history.append(on_disk(node.engine.image.keys, node.engine.image.logs))
        elif what == "ask":
            node.receive("r", Ask())
        elif what == "sync":
            waiting = [turn for turn, _ in node.disk.unsynced]
            if waiting:
                covered = min(number, len(waiting) - 1)
                node.sync(waiting[covered])
                synced += covered + 1
        told = max([told, *(message.lines for _, message in node.sent)])
        if what == "crash":
            node.crash(Random(number))
            found = on_disk(node.disk.synced.keys, node.disk.synced.logs)
            # The same state twice in the history would blur which prefix survived: each line has its own number.
            if found not in history[synced:]:
                return f"what survived is no prefix of turns that includes the {synced} synced ones: {found}"
            survived = synced + history[synced:].index(found)
            if told > survived:
                return f"{told} lines were promised, {survived} survived"
            assert node.node.lines == survived
            del history[survived + 1 :]
            synced = survived
    return ""


@settings(max_examples=150, deadline=None, derandomize=True)
@given(STEPS)
def test_what_survives_is_a_prefix_of_turns_that_includes_every_promise(steps: list[Step]) -> None:
    """Over two logs with cuts, keys, and a child's scope: a turn survives with all of its writes or with none."""
    assert play(steps, Engine) == ""


@pytest.mark.parametrize("engine", MUTANT_ENGINES)
def test_mutant_engines_are_caught_by_the_same_steps(engine: type[Engine]) -> None:
    def steps(seed: int) -> list[Step]:
        rng = Random(seed)
        kinds = ("line", "line", "ask", "sync", "crash")
        return [(rng.choice(kinds), rng.randrange(4)) for _ in range(30)]

    assert all(play(steps(seed), Engine) == "" for seed in range(100))
    assert any("promised" in play(steps(seed), engine) for seed in range(100))


def test_a_turn_that_is_written_in_two_records_is_caught() -> None:
    """Atomicity has teeth: split each record in two, and a crash between the halves shows."""

    class Split(SimDisk):
        def write(self, turn: int, writes: list[Any]) -> None:
            for write in writes:
                super().write(turn, [write])

    found = set()
    for seed in range(20):
        node = rig()
        node.disk = Split()
        node.boot()
        node.receive("r", Line())
        node.receive("r", Line())
        node.crash(Random(seed))
        image = node.disk.synced
        found.add((image.keys.get("lines"), len(image.logs["text"].entries) if "text" in image.logs else None))
    assert any(lines != length for lines, length in found)


# --- the disk --------------------------------------------------------------------------------------------------------


def test_a_crash_loses_tears_or_keeps_unsynced_records_but_keeps_only_a_prefix() -> None:
    outcomes: set[tuple[int, int]] = set()
    for seed in range(200):
        disk = SimDisk()
        for turn in range(1, 5):
            disk.write(turn, [(2, "log", (turn,))])
        disk.sync(1)
        torn = disk.crash(Random(seed))
        entries = disk.synced.logs["log"].entries
        assert entries == list(range(1, len(entries) + 1))
        assert disk.unsynced == []
        outcomes.add((len(entries), torn))
    assert {length for length, _ in outcomes} == {1, 2, 3, 4}, "everything from nothing to all of it survives somewhere"
    assert {torn for length, torn in outcomes if length == 1} == {0, 1, 2, 3}, "torn ones are counted"


def test_torn_records_are_reported_at_boot() -> None:
    seen = set()
    for seed in range(40):
        node = rig()
        for _ in range(3):
            node.receive("r", Line())
        torn = node.disk.crash(Random(seed))
        node.boot(torn=torn)
        seen.add(torn)
        assert node.engine._inherited is not None
        assert node.engine._inherited.torn == torn
    assert len(seen) > 1


def test_a_replaced_disk_is_empty_and_says_so() -> None:
    disk = SimDisk()
    disk.lose()
    assert not disk.lost, "nothing was on it"
    disk.write(1, [(0, "key", 1)])
    disk.sync(1)
    disk.lose()
    assert disk.lost
    assert disk.synced.keys == {}


def test_an_image_copy_is_independent() -> None:
    image = Image()
    image.apply([(0, "k", 1), (2, "log", (1, 2))])
    other = image.copy()
    other.apply([(0, "k", 2), (2, "log", (3,)), (3, "log", 1)])
    assert image.keys == {"k": 1}
    assert image.logs["log"].entries == [1, 2]


# --- in the simulated world ------------------------------------------------------------------------------------------


def scribes(seed: int, *, fsync: int = 2 * MS) -> World:
    world = World(seed, Network(latency=Constant(MS // 10)), ServiceTimes(fsync=fsync), hashing=False)
    world.add("n1", lambda: Scribe(None), server=True)
    world.add("n2", lambda: Reader(None), server=True)
    for machine in world.machines.values():
        world.boot(machine)
    return world


def inject(world: World, at: int, message: Any, source: str = "n2") -> None:
    """Have ``source`` send a message to n1 at that time, as an outside hand would."""
    arrive(world, at, "n1", message, source)


def state_of(world: World, name: str) -> Any:
    """The node of the machine's present life."""
    engine = world.machines[name].engine
    assert engine is not None
    return engine.node


def reboot(world: World) -> None:
    """Boot the scribe, and note if what survived is less than what the reader was told."""
    world.boot(world.machines["n1"])
    promised, kept = max(state_of(world, "n2").heard, default=0), state_of(world, "n1").lines
    if promised > kept:
        world.handler_crashes.append(f"{promised} promised, {kept} kept")


def broken_promises(seed: int, disturb: Callable[[World, Random], None]) -> list[str]:
    """A scribe under fire, and a reader that never crashes: what it was told must be there after each crash."""
    world, rng = scribes(seed), Random(f"{seed}/test")
    for _ in range(60):
        inject(world, rng.randrange(200 * MS), Line(rng.random() < 0.3) if rng.random() < 0.5 else Ask())
    disturb(world, rng)
    world.run(400 * MS)
    reboot(world)
    assert len(state_of(world, "n2").heard) > 5, "the run said something"
    return world.handler_crashes


def crashes(world: World, rng: Random) -> None:
    """Several quick crashes, at any moment: before, during and after syncs."""
    machine = world.machines["n1"]
    for _ in range(6):
        at = rng.randrange(200 * MS)
        world.at(at, lambda: world.crash(machine))
        world.at(at + 3 * MS, lambda: reboot(world))


def stalls(world: World, rng: Random) -> None:
    """A turn is computed, the node stands still, and dies before it spoke."""
    machine = world.machines["n1"]
    for _ in range(6):
        at = rng.randrange(200 * MS)
        world.at(at, lambda: setattr(machine, "stall", 5 * MS))
        world.at(at + rng.randrange(8 * MS), lambda: world.crash(machine))
        world.at(at + 9 * MS, lambda: reboot(world))


def slow_syncs(world: World, rng: Random) -> None:
    """fsync takes as long as it likes."""
    machine = world.machines["n1"]
    for _ in range(20):
        at, extra = rng.randrange(200 * MS), rng.randrange(30 * MS)
        world.at(at, lambda extra=extra: setattr(machine, "slow_disk", extra))  # type: ignore[misc]
    crashes(world, rng)


def pauses(world: World, rng: Random) -> None:
    """Stopped for a while; in part of the cases it never wakes up."""
    machine = world.machines["n1"]

    def pause(length: int) -> None:
        life = world.pause(machine)
        world.at(world.now + length, lambda: world.resume(machine, life))

    for _ in range(5):
        at, length = rng.randrange(200 * MS), rng.randrange(10 * MS)
        world.at(at, lambda length=length: pause(length))  # type: ignore[misc]
    crashes(world, rng)


@pytest.mark.parametrize("disturb", [crashes, stalls, slow_syncs, pauses])
def test_no_promise_is_broken(disturb: Callable[[World, Random], None]) -> None:
    assert [problem for seed in range(25) for problem in broken_promises(seed, disturb)] == []


@pytest.mark.parametrize("engine", MUTANT_ENGINES)
@pytest.mark.parametrize("disturb", [crashes, slow_syncs])
def test_a_world_with_a_mutant_engine_breaks_them(
    monkeypatch: pytest.MonkeyPatch, engine: type[Engine], disturb: Callable[[World, Random], None]
) -> None:
    monkeypatch.setattr(lives_module, "Engine", engine)
    assert any(broken_promises(seed, disturb) for seed in range(25))


def test_nothing_leaves_before_the_sync_ends_and_a_delayed_sync_delays_it() -> None:
    for extra in (0, 50 * MS):
        world = scribes(1, fsync=2 * MS)
        world.machines["n1"].slow_disk = extra
        inject(world, 10 * MS, Line())
        world.run(12 * MS + extra)
        reader = world.machines["n2"].engine
        assert reader is not None
        assert state_of(world, "n2").heard == []
        world.run(13 * MS + extra)
        assert state_of(world, "n2").heard == [1]


def test_a_stall_stands_between_computing_and_speaking() -> None:
    """A lease is checked, then the node stands still: its words, and its next turn, come when the stall is over."""
    world = scribes(1, fsync=0)
    scribe = world.machines["n1"]
    scribe.stall = 100 * MS
    inject(world, 10 * MS, Line())
    inject(world, 20 * MS, Line())
    world.run(50 * MS)
    assert state_of(world, "n1").lines == 1, "computed"
    assert state_of(world, "n2").heard == []
    world.run(120 * MS)
    assert state_of(world, "n2").heard == [1, 2]


def test_a_crash_during_a_stall_takes_the_turns_words_back() -> None:
    world = scribes(1, fsync=0)
    scribe = world.machines["n1"]
    scribe.stall = 100 * MS
    inject(world, 10 * MS, Line())
    world.at(50 * MS, lambda: world.crash(scribe))
    world.run(200 * MS)
    assert state_of(world, "n2").heard == []


def test_messages_of_an_earlier_life_are_delivered() -> None:
    """A crash does not call back what is under way: the next life may be answered for what its predecessor said."""
    world = World(1, Network(latency=Constant(50 * MS)), ServiceTimes(fsync=0), hashing=False)
    world.add("n1", lambda: Scribe(None), server=True)
    world.add("n2", lambda: Reader(None), server=True)
    for machine in world.machines.values():
        world.boot(machine)
    inject(world, 10 * MS, Line())
    world.at(20 * MS, lambda: world.crash(world.machines["n1"]))
    world.at(30 * MS, lambda: world.boot(world.machines["n1"]))
    world.run(100 * MS)
    assert state_of(world, "n2").heard == [1]


def test_a_sync_of_an_earlier_life_says_nothing_to_the_next() -> None:
    world = scribes(1, fsync=20 * MS)
    scribe = world.machines["n1"]
    inject(world, 10 * MS, Line())
    world.at(15 * MS, lambda: world.crash(scribe))
    world.at(16 * MS, lambda: world.boot(scribe))
    inject(world, 20 * MS, Line())
    world.run(35 * MS)  # the old sync would have ended at 30 ms
    assert state_of(world, "n2").heard == []
    world.run(60 * MS)
    assert len(state_of(world, "n2").heard) == 1


def test_syncs_are_shared_by_what_was_written_while_one_was_under_way() -> None:
    """Group commit: a hundred turns within one fsync cost two of them, not a hundred."""
    world = scribes(1, fsync=20 * MS)
    scribe = world.machines["n1"]
    for number in range(100):
        inject(world, 10 * MS + number * MS // 10, Line())
    world.run(100 * MS)
    assert scribe.disk.fsyncs == 2
    assert state_of(world, "n1").lines == 100


def test_nodes_are_made_afresh_in_each_life() -> None:
    made: list[Node] = []
    world = World(1, hashing=False)

    def make() -> Node:
        made.append(Scribe(None))
        return made[-1]

    machine = world.add("n1", make, server=True)
    world.boot(machine)
    world.crash(machine)
    world.boot(machine)
    assert len(made) == 2
    assert machine.incarnation == 2
