"""The data plane without Ray: two hosts in one event loop, over real sockets and real files."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import msgspec
import pytest

from bench.runtime.ray import stage as stage_module
from bench.runtime.ray.alarm import Alarm
from bench.runtime.ray.link import Inbound
from bench.runtime.ray.orders import Address, Conditions, Event, LinkTrouble, NodeTrouble, Peers, Plan
from bench.runtime.ray.stage import Stage
from bench.trial import Trial
from protocols.node import Context, Durable, Fenced, Node, on, on_disconnect, on_event, on_timer


class Count(msgspec.Struct, frozen=True, tag=True):
    number: int


class Odd(msgspec.Struct, frozen=True, tag=True):
    number: int


class Undeclared(msgspec.Struct, frozen=True, tag=True):
    number: int


class Tally(Node):
    """A child that adds up what the tallies of other nodes send it."""

    messages: ClassVar[Any] = Count
    stored: ClassVar[dict[str, Any]] = {"seen": Count}

    def start(self, ctx: Context, durable: Durable) -> None:
        self.seen = [each.number for each in durable.log("seen").entries]

    @on(Count)
    def count(self, ctx: Context, source: str, message: Count) -> None:
        self.seen.append(message.number)
        ctx.append("seen", (message,))
        if message.number % 2:
            ctx.emit(Odd(message.number))


class Counter(Node):
    """Counts to its peers, itself and through its child, and can be told to misbehave."""

    messages: ClassVar[Any] = Count

    def start(self, ctx: Context, durable: Durable) -> None:
        self.tally = Tally(None)
        self.tally_ctx = ctx.child("tally", self.tally)
        self.heard: list[tuple[str, int]] = []
        self.odd: list[int] = []
        self.gone: list[str] = []
        self.fenced: list[str] = []
        self.fired: list[int] = []

    def inspect(self) -> Any:
        return SimpleNamespace(term=0)

    @on(Count)
    def count(self, ctx: Context, source: str, message: Count) -> None:
        self.heard.append((source, message.number))
        if message.number == 13:
            raise RuntimeError("thirteen")
        if message.number == 99:
            ctx.fence("n2")

    @on_event("tally", Odd)
    def odd_seen(self, ctx: Context, child: str, event: Odd) -> None:
        self.odd.append(event.number)

    @on_event("runtime", Fenced)
    def is_fenced(self, ctx: Context, child: str, event: Fenced) -> None:
        self.fenced.append(event.node)

    @on_disconnect
    def disconnected(self, ctx: Context, peer: str) -> None:
        self.gone.append(peer)

    @on_timer("tick")
    def tick(self, ctx: Context, key: int) -> None:
        self.fired.append(key)


FAMILY = SimpleNamespace(server=Counter, client=Counter, functions=("read",), leader=None, lies=())


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_module, "load_family", lambda *names: FAMILY)
    monkeypatch.setattr(stage_module, "build_configs", lambda *arguments: (None, None))


class Pair:
    """Two hosts: the first with n1 and n3, the second with n2."""

    def __init__(self, folder: Path, alarm: Alarm, early: bool) -> None:
        self.folder = folder
        self.alarm = alarm
        self.early = early
        self.stages: dict[str, Stage] = {}
        self.servers: dict[str, asyncio.Server] = {}
        self.addresses: list[Address] = []

    async def open(self) -> None:
        for host, nodes in (("h1", ("n1", "n3")), ("h2", ("n2",))):
            plan = Plan(
                trial=Trial(protocol="toy", runtime="ray"),
                token=b"token",
                host=host,
                life=1,
                nodes=nodes,
                servers=("n1", "n2", "n3"),
                clients=(),
                folder=str(self.folder),
                peers=Peers(0, ()),
                early=self.early,
            )
            stage = self.stages[host] = Stage(plan, self.alarm, "machine")
            loop = asyncio.get_running_loop()
            server = await loop.create_server(lambda stage=stage: Inbound(stage.wires), "127.0.0.1", 0)  # type: ignore[misc]
            self.servers[host] = server
            self.addresses.append(Address(host, 1, "127.0.0.1", server.sockets[0].getsockname()[1], nodes))
        for stage in self.stages.values():
            stage.wires.apply_peers(Peers(1, tuple(self.addresses)))
            for link in stage.wires.outbound.values():
                await asyncio.wait_for(link.ready.wait(), 3)
            for node in stage.nodes.values():
                stage.boot(node)

    def close(self) -> None:
        for stage in self.stages.values():
            stage.close()
        for server in self.servers.values():
            server.close()

    def local(self, name: str) -> Any:
        return next(stage.nodes[name] for stage in self.stages.values() if name in stage.nodes)

    def stage_of(self, name: str) -> Stage:
        return next(stage for stage in self.stages.values() if name in stage.nodes)

    def node(self, name: str) -> Any:
        return self.local(name).engine.node

    def say(self, source: str, target: str, message: Any, *, child: bool = False) -> None:
        """A node sends a message outside any handler."""
        local, stage = self.local(source), self.stage_of(source)
        (local.engine.node.tally_ctx if child else local.engine).send(target, message)
        stage._release(local, local.engine)
        stage.wires.flush()

    def events(self, name: str) -> list[Event]:
        queue = self.stage_of(name).events
        return [queue.get_nowait() for _ in range(queue.qsize())]


@asynccontextmanager
async def pair(folder: Path, *, early: bool = False) -> AsyncIterator[Pair]:
    alarm = Alarm(asyncio.get_running_loop())
    both = Pair(folder, alarm, early)
    try:
        await both.open()
        yield both
    finally:
        both.close()
        alarm.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(3):
        while not condition():
            await asyncio.sleep(0.001)


def run(scenario: Callable[[Pair], Any], folder: Path, **options: bool) -> None:
    async def main() -> None:
        async with pair(folder, **options) as both:
            await scenario(both)

    asyncio.run(main())


def test_messages_reach_nodes_and_children_on_both_hosts(tmp_path: Path) -> None:
    async def scenario(both: Pair) -> None:
        both.say("n1", "n2", Count(1))
        both.say("n1", "n3", Count(2))  # the same host: no socket between them
        both.say("n1", "n2", Count(3), child=True)
        both.say("n2", "n3", Count(4), child=True)
        await until(lambda: both.node("n3").tally.seen and both.node("n2").odd)
        assert both.node("n2").heard == [("n1", 1)] and both.node("n3").heard == [("n1", 2)]
        assert both.node("n2").tally.seen == [3] and both.node("n2").odd == [3]
        assert both.node("n3").tally.seen == [4]

    run(scenario, tmp_path)


def test_a_raising_handler_crashes_that_node_alone_and_it_returns_with_its_state(tmp_path: Path) -> None:
    async def scenario(both: Pair) -> None:
        both.say("n1", "n2", Count(5), child=True)
        await until(lambda: both.local("n2").wal.durable_turn and both.node("n2").odd)
        both.say("n1", "n2", Count(13))
        await until(lambda: both.local("n2").engine is None)
        await until(lambda: both.node("n1").gone == ["n2"] and both.node("n3").gone == ["n2"])
        (event,) = both.events("n2")
        assert (event.kind, event.node, event.reason) == ("crash", "n2", "thirteen")
        assert "thirteen" in both.local("n2").report().crashes[0]
        assert both.stage_of("n2").boot(both.local("n2")) == 1
        assert both.node("n2").tally.seen == [5], "its child's log was read back"
        assert both.local("n2").engine.incarnation == 2

    run(scenario, tmp_path)


def test_what_a_role_does_not_declare_is_a_handler_crash(tmp_path: Path) -> None:
    async def scenario(both: Pair) -> None:
        both.say("n1", "n2", Undeclared(1))
        await until(lambda: both.local("n2").report().crashes)
        assert "cannot be decoded" in both.local("n2").report().crashes[0]

    run(scenario, tmp_path)


def test_a_fence_is_reported_and_confirmed(tmp_path: Path) -> None:
    async def scenario(both: Pair) -> None:
        both.say("n3", "n1", Count(99))
        await until(lambda: not both.stage_of("n1").events.empty())
        assert both.events("n1") == [Event("fence", "n2", "n1")]
        both.stage_of("n1").arrive(both.local("n1"), 5, "n2", None)
        await until(lambda: both.node("n1").fenced == ["n2"])

    run(scenario, tmp_path)


def test_cuts_are_directed_and_end(tmp_path: Path) -> None:
    async def scenario(both: Pair) -> None:
        cut = Conditions(2, {"n1": {"n2": LinkTrouble(cut=True)}})
        for stage in both.stages.values():
            stage.apply_conditions(cut)
            stage.apply_conditions(Conditions(1))  # comes late, and is ignored
        both.say("n1", "n2", Count(1))
        both.say("n2", "n1", Count(2))
        both.say("n3", "n2", Count(3))
        await until(lambda: both.node("n1").heard and both.node("n2").heard)
        assert both.node("n1").heard == [("n2", 2)] and both.node("n2").heard == [("n3", 3)]
        for stage in both.stages.values():
            stage.apply_conditions(Conditions(3))
        both.say("n1", "n2", Count(4))
        await until(lambda: len(both.node("n2").heard) == 2)
        assert both.node("n2").heard[1] == ("n1", 4)

    run(scenario, tmp_path)


def test_a_paused_node_handles_what_waited_when_it_continues(tmp_path: Path) -> None:
    async def scenario(both: Pair) -> None:
        host = both.stage_of("n3")
        host.apply_conditions(Conditions(2, {}, {"n3": NodeTrouble(paused=True)}))
        both.local("n3").engine.set_timer("tick", 1_000_000, 1)
        both.say("n2", "n3", Count(1))
        both.say("n2", "n1", Count(1))
        await until(lambda: both.node("n1").heard)
        await until(lambda: len(both.local("n3").waiting) == 2)
        assert both.node("n3").heard == [] and both.node("n3").fired == []
        host.apply_conditions(Conditions(3))
        await until(lambda: both.node("n3").heard and both.node("n3").fired)

    run(scenario, tmp_path)


def test_a_clock_fault_moves_one_nodes_clocks(tmp_path: Path) -> None:
    async def scenario(both: Pair) -> None:
        second = 1_000_000_000
        both.stage_of("n1").apply_conditions(Conditions(2, {}, {"n1": NodeTrouble(clock_offset=5 * second)}))
        ahead = both.local("n1").engine.wall() - both.local("n3").engine.wall()
        assert 4.9 * second < ahead < 5.1 * second
        both.stage_of("n1").apply_conditions(Conditions(3, {}, {"n1": NodeTrouble(clock_rate=2.0)}))
        before = both.local("n1").engine.monotonic(), both.local("n3").engine.monotonic()
        await asyncio.sleep(0.05)
        after = both.local("n1").engine.monotonic(), both.local("n3").engine.monotonic()
        ratio = (after[0] - before[0]) / (after[1] - before[1])
        assert 1.9 < ratio < 2.1

    run(scenario, tmp_path)


def test_timers_can_be_put_off_and_cancelled(tmp_path: Path) -> None:
    async def scenario(both: Pair) -> None:
        engine = both.local("n1").engine
        ms = 1_000_000
        engine.set_timer("tick", 2 * ms, 1)
        engine.set_timer("tick", 20 * ms, 1)  # put off
        engine.set_timer("tick", 3 * ms, 2)
        engine.cancel_timer("tick", 2)
        engine.set_timer("tick", 30 * ms, 3)
        engine.set_timer("tick", 4 * ms, 3)  # brought forward
        await until(lambda: len(both.node("n1").fired) == 2)
        await asyncio.sleep(0.03)
        assert both.node("n1").fired == [3, 1]

    run(scenario, tmp_path)


def test_effects_wait_for_the_disk_and_early_ones_are_caught(tmp_path: Path) -> None:
    async def held(both: Pair) -> None:
        both.local("n2").wal.extra = 60_000_000_000
        both.say("n1", "n2", Count(1), child=True)
        await until(lambda: both.local("n2").engine.unsynced)
        both.local("n2").engine.send("n1", Count(3))
        both.local("n2").engine.end()  # of a turn that wrote nothing, after one that did
        both.stage_of("n2")._release(both.local("n2"), both.local("n2").engine)
        both.stage_of("n2").wires.flush()
        await asyncio.sleep(0.05)
        assert ("n2", 3) not in both.node("n1").heard

    async def broken(both: Pair) -> None:
        both.local("n2").wal.extra = 60_000_000_000
        both.say("n1", "n2", Count(1), child=True)
        await until(lambda: both.local("n2").engine.unsynced_turn)
        both.say("n2", "n1", Count(3))
        await asyncio.sleep(0.02)
        assert both.node("n1").heard == []
        assert [event.kind for event in both.events("n2")] == ["broken"]

    run(held, tmp_path / "held")
    run(broken, tmp_path / "broken", early=True)
