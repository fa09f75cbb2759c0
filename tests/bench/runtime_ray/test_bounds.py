"""What waits inside a host is bounded too: what is delayed, what is paused, what has not been handled yet."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.network import Constant
from bench.runtime.ray import local as local_module
from bench.runtime.ray import wires as wires_module
from bench.runtime.ray.local import DROPPED, OVERFLOWED
from bench.runtime.ray.orders import Conditions, LinkTrouble, NodeTrouble, Peers

from .test_stage import Count, Pair, run, toy, until

__all__ = ["toy"]

MS = 1_000_000


def lost(both: Pair, name: str) -> tuple[int, int]:
    """(dropped, overflowed) as the node reports them."""
    report = both.local(name).report()
    return report.dropped, report.overflowed


def test_delayed_messages_beyond_the_limit_are_dropped_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wires_module, "BUFFER_LIMIT", 500)

    async def scenario(both: Pair) -> None:
        slow = LinkTrouble(extra=(Constant(200 * MS),))
        both.stage_of("n2").apply_conditions(Conditions(2, {"n1": {"n2": slow}}))
        for number in range(300):
            both.say("n1", "n2", Count(1000 + number))
        (injector,) = [
            each for (source, _), each in both.stage_of("n2").wires._injectors.items() if source == 0 and not each.plain
        ]
        await until(lambda: lost(both, "n2")[1] > 0)
        assert 0 < injector.held < 600
        await until(lambda: len(both.node("n2").heard) + lost(both, "n2")[0] == 300)
        heard = [number for _, number in both.node("n2").heard]
        assert heard == list(range(1000, 1000 + len(heard))) and 5 < len(heard) < 100
        assert injector.held == 0, "there is room again"
        assert lost(both, "n2") == (300 - len(heard), 300 - len(heard))
        both.say("n1", "n2", Count(5))
        await until(lambda: both.node("n2").heard[-1] == ("n1", 5))

    run(scenario, tmp_path)


def test_a_paused_node_keeps_only_so_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_module, "BUFFER_LIMIT", 500)

    async def scenario(both: Pair) -> None:
        host, node = both.stage_of("n3"), both.local("n3")
        host.apply_conditions(Conditions(2, {}, {"n3": NodeTrouble(paused=True)}))
        for number in range(300):
            both.say("n2", "n3", Count(1000 + number))
        node.engine.set_timer("tick", MS, 7)
        await until(lambda: node.counters[OVERFLOWED] + len(node.waiting) == 301)
        assert 5 < len(node.waiting) < 100
        assert node.counters[DROPPED] == node.counters[OVERFLOWED] == 301 - len(node.waiting)
        host.apply_conditions(Conditions(3))
        await until(lambda: both.node("n3").fired == [7])  # a timer is not a message: it is never dropped
        both.say("n2", "n3", Count(1))
        await until(lambda: both.node("n3").heard[-1] == ("n2", 1))

    run(scenario, tmp_path)


def test_a_host_that_cannot_keep_up_reads_no_more_until_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wires_module, "BUFFER_LIMIT", 1000)

    async def scenario(both: Pair) -> None:
        wires, (stream,) = both.stage_of("n2").wires, both.stage_of("n2").wires.inbound.values()
        calls: list[str] = []
        monkeypatch.setattr(stream, "pause", lambda pause=stream.pause: (calls.append("pause"), pause()))
        monkeypatch.setattr(stream, "resume", lambda resume=stream.resume: (calls.append("resume"), resume()))
        for number in range(2000):
            both.say("n1", "n2", Count(1000 + number))
            if number % 500 == 0:
                await asyncio.sleep(0)
        await until(lambda: len(both.node("n2").heard) == 2000)
        assert [number for _, number in both.node("n2").heard] == list(range(1000, 3000)), "nothing is lost"
        assert calls.count("pause") >= 1 and calls[-1] == "resume"
        assert wires.unhandled == 0

    run(scenario, tmp_path)


def test_more_than_a_frame_holds_goes_in_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wires_module, "MAX_FRAME", 300)

    async def scenario(both: Pair) -> None:
        node, stage = both.local("n1"), both.stage_of("n1")
        for number in range(200):
            node.engine.send("n2", Count(1000 + number))
        stage._release(node, node.engine)
        before = stage.wires.outbound["h2"].frames
        stage.wires.flush()
        assert stage.wires.outbound["h2"].frames - before > 4
        await until(lambda: len(both.node("n2").heard) == 200)
        assert [number for _, number in both.node("n2").heard] == list(range(1000, 1200))

    run(scenario, tmp_path)


def test_a_message_that_cannot_be_encoded_is_its_senders_fault(tmp_path: Path) -> None:
    async def scenario(both: Pair) -> None:
        both.say("n1", "n2", Count(2**80))
        both.say("n1", "n2", Count(2))
        await until(lambda: both.node("n2").heard == [("n1", 2)])
        assert "n1: a message cannot be encoded" in both.local("n1").report().crashes[0]

    run(scenario, tmp_path)


def test_a_peer_that_was_out_of_reach_is_mourned_when_it_really_dies(tmp_path: Path) -> None:
    """A stream that breaks and is opened again is a hint; the death that follows in the same life is another."""

    async def scenario(both: Pair) -> None:
        h1, h2 = both.stages["h1"].wires, both.stages["h2"].wires
        h2.inbound["h1"].close()
        await until(lambda: both.node("n1").gone == ["n2"])
        await asyncio.wait_for(h1.outbound["h2"].ready.wait(), 3)
        assert both.node("n1").gone == ["n2"], "once"
        await until(lambda: both.node("n2").gone == ["n1", "n3"])
        both.servers["h2"].close()
        both.stages["h2"].close()
        await until(lambda: both.node("n1").gone == ["n2", "n2"])
        await asyncio.sleep(0.05)
        assert both.node("n3").gone == ["n2", "n2"], "both directions broke, but it is one death"

    run(scenario, tmp_path)


def test_the_next_life_gets_a_link_of_its_own_and_nothing_meant_for_the_old_one(tmp_path: Path) -> None:
    async def scenario(both: Pair) -> None:
        from bench.runtime.ray.link import Door
        from bench.runtime.ray.stage import Stage

        h1 = both.stages["h1"].wires
        plan = both.stages["h2"].plan
        both.servers["h2"].close()
        both.stages["h2"].close()
        await until(lambda: not h1.outbound["h2"].ready.is_set())
        both.say("n1", "n2", Count(1))  # to nobody
        second = Stage(msgspec.structs.replace(plan, life=2), both.alarm, "machine")
        door = Door(lambda: second.wires)
        ip, port = await door.open("127.0.0.1")
        both.stages["h2"] = second
        old = h1.outbound["h2"]
        first, address = both.addresses
        both.addresses = [first, msgspec.structs.replace(address, life=2, ip=ip, port=port)]
        for stage in both.stages.values():
            stage.wires.apply_peers(Peers(2, tuple(both.addresses)))
        h1.apply_peers(Peers(1, (first, address)))  # comes late, and is ignored
        link: Any = h1.outbound["h2"]
        assert link is not old and link.address.life == 2
        await asyncio.wait_for(link.ready.wait(), 3)
        second.boot(second.nodes["n2"])
        assert not old.send(1, 0, b"\x90")
        both.say("n1", "n2", Count(2))
        await until(lambda: both.node("n2").heard == [("n1", 2)])
        assert second.wires.stale == 0
        door.close()

    run(scenario, tmp_path)
