"""Links by Ray's actor calls: the same guarantees as a stream, from calls that keep no order and can fail."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from random import Random
from typing import Any

import pytest

from bench.errors import UsageError
from bench.faults.spec import Crash, Pause
from bench.run import run_trial
from bench.runtime.ray import raylink
from bench.runtime.ray.bare_ray import measure_ray_link
from bench.runtime.ray.codec import PLAIN, hello_frame
from bench.runtime.ray.interface import BUFFER_LIMIT
from bench.runtime.ray.orders import Address
from bench.runtime.ray.raylink import RayDoor, RayLink, dump_handle
from bench.runtime.ray.session import RaySession
from bench.trial import Trial
from bench.workload.spec import Workload

from .peers import DoorHost, Hub, framed, hello, memory, until

MS = 1_000_000
MIB = 2**20


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(scenario())


# --- the door, called by hand --------------------------------------------------------------------------------------


def call(number: int) -> bytes:
    """Call ``number`` of a stream: two frames."""
    return framed(PLAIN, 1, 2 * number - 1, b"%d" % number) + framed(PLAIN, 1, 2 * number, b"and %d" % number)


def in_order(count: int) -> list[bytes]:
    return [body for number in range(1, count + 1) for body in (b"%d" % number, b"and %d" % number)]


@pytest.mark.parametrize("seed", range(5))
def test_calls_that_overtook_others_wait_for_them(seed: int) -> None:
    async def scenario() -> None:
        hub = Hub("b")
        door = RayDoor(hub)
        key = door.open(hello_frame(hello()))
        numbers = list(range(1, 41))
        rng = Random(seed)
        # no call overtakes more than a few others: its sender has no more under way
        numbers.sort(key=lambda number: number + rng.random() * 20)
        calls = []
        for number in numbers:
            calls.append(asyncio.create_task(door.frames(key, number, call(number))))
            if rng.random() < 0.5:
                await asyncio.sleep(0)
        assert await asyncio.wait_for(asyncio.gather(*calls), 3) == [True] * 40
        assert hub.bodies == in_order(40)
        assert hub.stale == hub.refused == 0
        door.close()

    run(scenario)


@pytest.mark.parametrize("number", [0, 1, 10_000], ids=["below the first", "again", "far ahead"])
def test_a_call_that_cannot_be_ends_the_stream(number: int) -> None:
    async def scenario() -> None:
        hub = Hub("b")
        door = RayDoor(hub)
        key = door.open(hello_frame(hello()))
        watch = asyncio.create_task(door.watch(key))
        assert await door.frames(key, 1, call(1))
        assert not await door.frames(key, number, call(number or 1))
        await asyncio.wait_for(watch, 3)
        assert hub.bodies == in_order(1) and hub.refused == 1
        assert hub.mourned == [("a", 1)] and hub.inbound == {}
        assert not await door.frames(key, 2, call(2)), "there is no such stream any more"
        assert hub.stale == 1

    run(scenario)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 300,
        hello_frame(hello(token=b"wrong token")),
        hello_frame(hello(to="c")),
        hello_frame(hello(to_life=2)),
        hello_frame(hello(life=0)),
        hello_frame(hello()) + b"more",
        framed(PLAIN, 1, 1, b"not introduced"),
    ],
    ids=["nothing", "garbage", "wrong token", "another host", "another life", "no life", "more", "no hello"],
)
def test_strangers_get_no_key(data: bytes) -> None:
    async def scenario() -> None:
        hub = Hub("b")
        door = RayDoor(hub)
        assert door.open(data) == b""
        assert hub.refused == 1 and hub.inbound == {} and hub.frames == []
        assert not await door.frames(b"", 1, call(1)) and not await door.frames(b"guess", 1, call(1))
        await asyncio.wait_for(door.watch(b"guess"), 3)
        assert hub.frames == []

    run(scenario)


def test_a_damaged_call_delivers_nothing_and_lets_the_waiting_ones_go() -> None:
    async def scenario() -> None:
        hub = Hub("b")
        door = RayDoor(hub)
        key = door.open(hello_frame(hello()))
        third = asyncio.create_task(door.frames(key, 3, call(3)))
        second = asyncio.create_task(door.frames(key, 2, call(2)))
        await asyncio.sleep(0)
        damaged = bytearray(call(1))
        damaged[-1] ^= 1
        assert not await door.frames(key, 1, bytes(damaged))
        assert await asyncio.wait_for(asyncio.gather(second, third), 3) == [False, False]
        assert hub.bodies == [b"1"], "what came before the damage was whole"
        assert hub.refused == 1

    run(scenario)


def test_a_receiver_with_too_much_to_do_lets_calls_wait() -> None:
    async def scenario() -> None:
        hub = Hub("b")
        door = RayDoor(hub)
        key = door.open(hello_frame(hello()))
        hub.inbound["a"].pause()
        calls = [asyncio.create_task(door.frames(key, number, call(number))) for number in (2, 1)]
        await asyncio.sleep(0.01)
        assert hub.frames == [] and not any(each.done() for each in calls)
        hub.inbound["a"].resume()
        assert await asyncio.wait_for(asyncio.gather(*calls), 3) == [True, True]
        assert hub.bodies == in_order(2)
        door.close()

    run(scenario)


def test_a_new_life_ends_the_stream_of_the_old_one_and_cannot_be_replaced_by_it() -> None:
    async def scenario() -> None:
        hub = Hub("b")
        door = RayDoor(hub)
        old = door.open(hello_frame(hello(life=1)))
        held = asyncio.create_task(door.frames(old, 2, call(2)))
        await asyncio.sleep(0)
        new = door.open(hello_frame(hello(life=2)))
        assert not await asyncio.wait_for(held, 3)
        assert not await door.frames(old, 1, call(1)), "a call of the old life that was late"
        assert door.open(hello_frame(hello(life=1))) == b""
        assert await door.frames(new, 1, framed(PLAIN, 2, 1, b"new life"))
        assert hub.bodies == [b"new life"] and hub.mourned == []
        door.close()

    run(scenario)


# --- between real actors -------------------------------------------------------------------------------------------


@pytest.fixture
def actor(ray_session: RaySession) -> Iterator[Any]:
    import ray

    made = ray.remote(num_cpus=0.001, max_restarts=0, max_concurrency=100)(DoorHost).remote("b", 1)
    yield made
    ray.kill(made)


def address(actor: Any, life: int = 1) -> Address:
    return Address("b", life, "", 0, ("n2",), dump_handle(actor))


async def bodies(actor: Any) -> list[bytes]:
    return list(await asyncio.wrap_future(actor.bodies.remote().future()))


@pytest.mark.live
def test_frames_reach_an_actor_in_order_and_streams_are_opened_again(actor: Any) -> None:
    async def scenario() -> None:
        hub = Hub("a")
        link = RayLink(hub, address(actor))
        await asyncio.wait_for(link.ready.wait(), 10)
        sent = []
        for number in range(600):
            sent.append(b"%d" % number + bytes(Random(number).choice((0, 10, 3000))))
            assert link.send(PLAIN, 0, sent[-1])
            if number % 50 == 0:
                await asyncio.sleep(0.002)
        await until(lambda: link.waiting == 0, "all calls are answered", 20)
        assert await bodies(actor) == sent
        await asyncio.wrap_future(actor.hang_up.remote().future())
        await until(lambda: ("lost", "b", 1) in hub.events, "the sender notices that its stream is over")
        await asyncio.wait_for(link.ready.wait(), 10)
        assert link.send(PLAIN, 0, b"back")
        await until(lambda: link.waiting == 0, "the answer")
        assert (await bodies(actor))[-1] == b"back"
        link.close()
        assert not link.send(PLAIN, 0, b"closed")

    run(scenario)


@pytest.mark.live
def test_a_stopped_actor_costs_a_bounded_buffer_and_a_killed_one_is_noticed(actor: Any) -> None:
    import ray

    pid = ray.get(actor.set_slow.remote(0.0))

    async def scenario() -> None:
        hub = Hub("a")
        link = RayLink(hub, address(actor))
        await asyncio.wait_for(link.ready.wait(), 10)
        os.kill(pid, signal.SIGSTOP)
        before, block, largest = memory("self"), bytes(64 * 1024), 0
        sent = 0
        for number in range(4 * BUFFER_LIMIT // len(block)):
            sent += link.send(PLAIN, 0, block)
            largest = max(largest, link.waiting)
            if number % 100 == 0:
                await asyncio.sleep(0.005)
        assert link.dropped > 0 and BUFFER_LIMIT // 2 < largest <= BUFFER_LIMIT + len(block)
        assert memory("self") - before < 3 * BUFFER_LIMIT
        os.kill(pid, signal.SIGCONT)
        await until(lambda: link.waiting == 0, "what was kept arrives", 30)
        assert len(await bodies(actor)) == sent
        os.kill(pid, signal.SIGKILL)
        await until(lambda: hub.mourned == [("b", 1)], "its death, without having sent anything", 10)
        assert not link.send(PLAIN, 0, b"to the dead") and not link.ready.is_set()
        await until(link._task.done, "nobody comes back under that handle")
        link.close()

    run(scenario)


@pytest.mark.live
@pytest.mark.parametrize("wrong", [{"life": 2}, {"host": "c"}])
def test_the_actor_must_be_who_is_meant(actor: Any, wrong: dict[str, Any]) -> None:
    import msgspec

    async def scenario() -> None:
        link = RayLink(Hub("a"), msgspec.structs.replace(address(actor), **wrong))
        await asyncio.sleep(0.3)
        assert not link.ready.is_set() and not link.send(PLAIN, 0, b"x")
        link.close()

    run(scenario)


# --- whole trials --------------------------------------------------------------------------------------------------


def trial(**fields: Any) -> Trial:
    defaults: dict[str, Any] = {
        "protocol": "raft",
        "runtime": "ray",
        "link": "ray",
        "seed": 7,
        "duration": 1500 * MS,
        "workload": Workload(clients=8),
        "params": {"election_timeout_s": (0.15, 0.3)},
    }
    return Trial(**(defaults | fields))


def test_an_unknown_link_is_refused_before_anything_starts() -> None:
    with pytest.raises(UsageError, match="link 'udp' is unknown: tcp or ray"):
        trial(link="udp").validate()


@pytest.mark.live
def test_raft_survives_a_crash_and_a_pause_over_actor_calls(ray_session: RaySession) -> None:
    faults = (
        Crash(at=300 * MS, target="leader", down=300 * MS),
        Pause(at=1000 * MS, target="leader", length=300 * MS),
    )
    result, record = run_trial(trial(faults=faults, duration=1700 * MS), session=ray_session)
    assert result.verdict == "valid", result.checks
    assert result.trial == "complete", result.void_reason
    assert [fault.kind for fault in record.faults] == ["crash", "pause"]
    victim = record.faults[0].targets[0]
    assert len(ray_session.pids[victim]) == 2 and ray_session.recovered[victim] > 0
    assert len({node for _, node in record.leaders}) >= 2
    assert result.recovery_s.detect is not None


@pytest.mark.live
@pytest.mark.slow
@pytest.mark.parametrize("link", ["tcp", "ray"])
def test_servers_killed_one_after_the_other_under_load_rejoin_in_their_new_lives(
    ray_session: RaySession, link: str
) -> None:
    """Each of five kills begins while the last victim is still coming back or has just done so."""
    faults = tuple(Crash(at=(200 + 400 * i) * MS, target=f"n{1 + i % 3}", down=200 * MS) for i in range(5))
    workload = Workload(clients=12, keys=4)
    result, record = run_trial(
        trial(link=link, faults=faults, duration=2600 * MS, workload=workload), session=ray_session
    )
    assert result.verdict == "valid", (result.checks, result.violations)
    assert result.trial == "complete", result.void_reason
    assert sum(len(fault.targets) for fault in record.faults) == 5
    pids = [pid for name in ("n1", "n2", "n3") for pid in ray_session.pids[name]]
    assert len(pids) == len(set(pids)) == 8, "each life is a process of its own"
    assert all(ray_session.recovered[name] > 0 for name in ("n1", "n2", "n3"))
    last = record.faults[-1].end
    assert last is not None and int((record.history.completed > last).sum()) > 5, "it serves after the last restart"
    assert record.bias is not None and record.bias.refused < 200, "no stream is refused for long"


@pytest.mark.live
def test_nodes_that_share_actors_and_the_null_protocol_run_over_actor_calls(ray_session: RaySession) -> None:
    faults = (Crash(at=200 * MS, target="leader", down=200 * MS),)
    result, _ = run_trial(trial(nodes=4, actor_nodes=2, faults=faults, duration=800 * MS), session=ray_session)
    assert result.verdict == "valid", result.checks
    result, _ = run_trial(trial(protocol="null", nodes=1, params={}, duration=400 * MS), session=ray_session)
    assert result.verdict == "valid", result.checks


@pytest.mark.live
def test_the_bare_link_by_actor_calls_is_measured(ray_session: RaySession) -> None:
    for in_flight in (1, raylink.IN_FLIGHT):
        rtt_s, messages_s = measure_ray_link(ray_session, in_flight)
        assert 0.0001 < rtt_s < 0.5
        assert messages_s > 2 / rtt_s, "a batch a call: more than one message a round trip"
        print(f"{in_flight} calls in flight: {rtt_s * 1e3:.2f} ms, {messages_s:.0f} messages/s")
