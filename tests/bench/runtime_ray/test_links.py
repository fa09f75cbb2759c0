"""TCP streams between hosts: who gets in, what gets through, and what happens when one breaks."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest
import uvloop

from bench.runtime.ray import interface
from bench.runtime.ray.codec import PLAIN, hello_frame
from bench.runtime.ray.link import Door, Outbound
from bench.runtime.ray.orders import Address

from .peers import Hub, answer, framed, hello, listening, until

MIB = 2**20

pytestmark = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])

Loop = Callable[[], asyncio.AbstractEventLoop]


def run(scenario: Callable[[], Coroutine[Any, Any, None]], loop: Loop) -> None:
    """In the kind of event loop that Ray's actors use, and in the standard one."""
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(scenario())


async def connected(hub: Hub, address: Address) -> Outbound:
    link = Outbound(hub, address)
    await asyncio.wait_for(link.ready.wait(), 3)
    return link


def test_frames_arrive_in_order_whole_and_from_whom_they_are(loop: Loop) -> None:
    async def scenario() -> None:
        a, b = Hub("a"), Hub("b")
        async with listening(b) as (address, _):
            link = await connected(a, address)
            bodies = [bytes([number % 256]) * size for number, size in enumerate((0, 1, 10, 70_000, 3, 2_000_000, 5))]
            assert all(link.send(PLAIN, 0, body) for body in bodies)
            await until(lambda: len(b.frames) == len(bodies), "all frames")
            assert b.frames == [("a", body) for body in bodies]
            link.close()

    run(scenario, loop)


def test_what_comes_byte_by_byte_comes_whole(loop: Loop) -> None:
    async def scenario() -> None:
        b = Hub("b")
        async with listening(b) as (address, _):
            _, writer = await asyncio.open_connection(address.ip, address.port)
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            data = (
                hello_frame(hello())
                + framed(PLAIN, 1, 1, b"")
                + framed(PLAIN, 1, 2, b"two")
                + framed(PLAIN, 1, 3, b"3")
            )
            for byte in data:
                writer.write(bytes([byte]))
                await asyncio.sleep(0)
            await until(lambda: b.bodies == [b"", b"two", b"3"], "three frames")
            writer.close()

    run(scenario, loop)


def test_the_door_is_open_at_its_own_address_only(loop: Loop) -> None:
    async def scenario() -> None:
        door = Door(lambda: Hub("b"))
        ip, port = await door.open("127.0.0.2")
        assert (ip, port) == await door.open("127.0.0.2"), "again: no effect"
        assert ip == "127.0.0.2"
        with socket.create_connection((ip, port), timeout=2):
            pass
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=2)
        door.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((ip, port), timeout=2)

    run(scenario, loop)


# --- lives ---------------------------------------------------------------------------------------------------------


def test_frames_of_an_earlier_life_or_again_are_not_delivered(loop: Loop) -> None:
    async def scenario() -> None:
        b = Hub("b")
        async with listening(b) as (address, _):
            reader, writer = await asyncio.open_connection(address.ip, address.port)
            writer.write(hello_frame(hello(life=2)))
            first = framed(PLAIN, 2, 1, b"first")
            writer.write(first + first + framed(PLAIN, 2, 5, b"later") + framed(PLAIN, 2, 4, b"late"))
            await until(lambda: b.stale == 2, "the repeated one and the late one")
            assert b.bodies == [b"first", b"later"]
            writer.write(framed(PLAIN, 1, 7, b"old life"))
            await answer(reader)  # a stream that speaks for another life than it said is not to be trusted
            assert len(b.frames) == 2 and b.refused == 1 and not b.inbound
            writer.close()

    run(scenario, loop)


def test_an_earlier_life_that_comes_late_is_not_let_in(loop: Loop) -> None:
    async def scenario() -> None:
        b = Hub("b")
        async with listening(b) as (address, _):
            link = await connected(Hub("a", life=2), address)
            reader, writer = await asyncio.open_connection(address.ip, address.port)
            writer.write(hello_frame(hello(life=1)) + framed(PLAIN, 1, 1, b"old life"))
            assert await answer(reader) == b""
            assert b.inbound["a"].life == 2 and b.frames == [] and b.refused == 1
            assert link.send(PLAIN, 0, b"new life")
            await until(lambda: b.bodies == [b"new life"], "the new life is heard")
            link.close()
            writer.close()

    run(scenario, loop)


def test_a_recorded_stream_says_nothing_twice(loop: Loop) -> None:
    """The same life, the same hello, the same frames: the stream takes the true one's place, but adds nothing."""

    async def scenario() -> None:
        b = Hub("b")
        async with listening(b) as (address, _):
            record = hello_frame(hello()) + framed(PLAIN, 1, 1, b"one") + framed(PLAIN, 1, 2, b"two")
            streams = []
            for _ in range(2):
                _, writer = await asyncio.open_connection(address.ip, address.port)
                writer.write(record)
                streams.append(writer)
                await until(lambda: len(b.frames) + b.stale == 2 * len(streams), "the frames are read")
            assert b.bodies == [b"one", b"two"] and b.stale == 2
            for writer in streams:
                writer.close()

    run(scenario, loop)


def test_who_listens_at_a_dead_peers_address_is_not_taken_for_it(loop: Loop) -> None:
    """Ports are used again: the next life, or another host, may listen where the old life did."""

    async def scenario() -> None:
        for now in (Hub("b", life=2), Hub("c", life=1)):
            a = Hub("a")
            async with listening(now) as (address, _):
                meant = msgspec.structs.replace(address, host="b", life=1)
                link = Outbound(a, meant)
                await until(lambda now=now: now.refused >= 3, "it is refused, again and again")
                assert not link.ready.is_set() and not link.send(PLAIN, 0, b"to the old life")
                assert now.frames == [] and now.inbound == {} and a.events == []
                link.close()
                if now.hello is not None and now.hello.host == "b":
                    link = await connected(a, address)
                    link.close()

    run(scenario, loop)


def test_a_second_stream_of_a_peer_replaces_the_first(loop: Loop) -> None:
    async def scenario() -> None:
        b = Hub("b")
        async with listening(b) as (address, _):
            first = await asyncio.open_connection(address.ip, address.port)
            first[1].write(hello_frame(hello()))
            assert await asyncio.wait_for(first[0].readexactly(1), 3) == b"\x01"
            second = await asyncio.open_connection(address.ip, address.port)
            second[1].write(hello_frame(hello()))
            assert await asyncio.wait_for(second[0].readexactly(1), 3) == b"\x01"
            assert await answer(first[0]) == b"", "the first is closed"
            assert b.mourned == [], "nobody has died"
            second[1].write(framed(PLAIN, 1, 1, b"by the second"))
            await until(lambda: b.bodies == [b"by the second"], "a frame")
            for _, writer in (first, second):
                writer.close()

    run(scenario, loop)


# --- breaks --------------------------------------------------------------------------------------------------------


def test_a_broken_stream_is_told_and_opened_again(loop: Loop) -> None:
    async def scenario() -> None:
        a, b = Hub("a"), Hub("b")
        async with listening(b) as (address, _):
            link = await connected(a, address)
            b.inbound["a"].close()
            await until(lambda: a.mourned == [("b", 1)], "the sender notices")
            await asyncio.wait_for(link.ready.wait(), 3)
            assert link.send(PLAIN, 0, b"back")
            await until(lambda: b.frames == [("a", b"back")], "a frame after the reconnection")
            link.close()
            await until(lambda: not b.inbound, "the receiver notices")
            assert b.mourned[-1] == ("a", 1)
            assert a.events == [("met", "b", 1), ("lost", "b", 1), ("met", "b", 1)]

    run(scenario, loop)


def test_a_peer_that_accepts_but_does_not_answer_is_tried_again(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the kernel of a stopped process does."""
    monkeypatch.setattr(interface, "HELLO_S", 0.05)

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as mute:
            mute.setblocking(False)
            link = Outbound(Hub("a"), Address("b", 1, *mute.getsockname()[:2], ("n2",)))
            for _ in range(2):
                taken, _ = await asyncio.wait_for(asyncio.get_running_loop().sock_accept(mute), 3)
                with taken:
                    taken.settimeout(3)
                    received = await asyncio.to_thread(drain, taken)
                    assert received == hello_frame(hello()), "it says who it is, and gives up"
            assert not link.ready.is_set()
            link.close()

    run(scenario, loop)


def drain(stream: socket.socket) -> bytes:
    found = b""
    try:
        while part := stream.recv(4096):
            found += part
    except ConnectionResetError:
        pass
    return found


def test_a_listener_that_talks_back_is_left(loop: Loop) -> None:
    async def scenario() -> None:
        async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)

        server = await asyncio.start_server(babble, "127.0.0.1", 0)
        a = Hub("a")
        link = Outbound(a, Address("b", 1, *server.sockets[0].getsockname()[:2], ("n2",)))
        await asyncio.sleep(0.1)
        assert not link.ready.is_set() and a.events == []
        link.close()
        server.close()

    run(scenario, loop)


def test_a_closed_link_lets_what_was_written_leave_and_does_not_come_back(loop: Loop) -> None:
    async def scenario() -> None:
        b = Hub("b")
        async with listening(b) as (address, door):
            link = await connected(Hub("a"), address)
            assert link.send(PLAIN, 0, bytes(4 * MIB))
            link.close()
            await until(lambda: [len(body) for body in b.bodies] == [4 * MIB], "the frame")
            assert not link.send(PLAIN, 0, b"too late")
            await until(lambda: not b.inbound, "the stream ends")
            await asyncio.sleep(0.05)
            assert not b.inbound and not door.strangers

    run(scenario, loop)


# --- slow readers --------------------------------------------------------------------------------------------------


def test_what_does_not_fit_is_dropped_and_counted_and_the_buffer_stays_bounded(loop: Loop) -> None:
    async def scenario() -> None:
        a, b = Hub("a"), Hub("b")
        async with listening(b) as (address, _):
            gone = replace_port(address)
            nobody = Outbound(a, gone)
            assert not nobody.send(PLAIN, 0, b"nobody is there") and nobody.dropped == 1
            nobody.close()
            link = await connected(a, address)
            b.keep = False
            b.inbound["a"].pause()
            block, largest = bytes(MIB), 0
            sent = 0
            for number in range(64):
                sent += link.send(PLAIN, 0, block)
                largest = max(largest, link.waiting)
                if number % 8 == 0:
                    await asyncio.sleep(0.001)
            assert link.dropped == 64 - sent > 0
            assert 8 * MIB < largest <= interface.BUFFER_LIMIT + MIB
            assert not link.send(PLAIN, 0, bytes(interface.BUFFER_LIMIT)), "one large frame does not get around it"
            b.keep = True
            b.inbound["a"].resume()
            await until(lambda: len(b.frames) == sent, "all that was not dropped arrives")
            await until(lambda: link.waiting == 0, "nothing waits")
            assert link.send(PLAIN, 0, b"and it goes on")
            await until(lambda: b.bodies[-1] == b"and it goes on", "the next frame")
            link.close()

    run(scenario, loop)


def replace_port(address: Address) -> Address:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return msgspec.structs.replace(address, port=free.getsockname()[1])
