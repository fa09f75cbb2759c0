"""Streams between hosts: who gets in, what gets through, and what happens when one breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bench.runtime.ray.codec import HEADER, PLAIN, Hello, frame, hello_frame
from bench.runtime.ray.link import Inbound, Outbound
from bench.runtime.ray.orders import Address

TOKEN = b"0123456789abcdef"


class Hub:
    """A host that only listens."""

    def __init__(self, name: str, life: int = 1, token: bytes = TOKEN) -> None:
        self.hello: Hello | None = Hello(token, name, life, "machine")
        self.refused = self.stale = 0
        self.inbound: dict[str, Inbound] = {}
        self.seen: dict[str, tuple[int, int]] = {}
        self.frames: list[tuple[str, bytes]] = []
        self.mourned: list[tuple[str, int]] = []

    def introduction(self) -> Hello | None:
        return self.hello

    def arrived(self, stream: Inbound, kind: int, stamp: int, body: bytes) -> None:
        self.frames.append((stream.peer, body))

    def lost(self, peer: str, life: int) -> None:
        self.mourned.append((peer, life))


async def until(condition: Callable[[], object], what: str) -> None:
    async with asyncio.timeout(3):
        while not condition():
            await asyncio.sleep(0.001)
    assert condition(), what


@asynccontextmanager
async def listening(hub: Hub, port: int = 0) -> AsyncIterator[Address]:
    server = await asyncio.get_running_loop().create_server(lambda: Inbound(hub), "127.0.0.1", port)
    try:
        yield Address("b", 1, "127.0.0.1", server.sockets[0].getsockname()[1], ("n2",))
    finally:
        server.close()
        for stream in list(hub.inbound.values()):
            stream.close()


def test_frames_arrive_in_order_whole_and_from_whom_they_are() -> None:
    async def run() -> None:
        a, b = Hub("a"), Hub("b")
        async with listening(b) as address:
            link = Outbound(a, address)
            await asyncio.wait_for(link.ready.wait(), 3)
            bodies = [bytes([number % 256]) * size for number, size in enumerate((0, 1, 10, 70_000, 3, 2_000_000, 5))]
            assert all(link.send(PLAIN, 0, body) for body in bodies)
            await until(lambda: len(b.frames) == len(bodies), "all frames")
            assert b.frames == [("a", body) for body in bodies]
            link.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "bytes_sent",
    [
        hello_frame(Hello(b"wrong token", "a", 1, "machine")),
        hello_frame(Hello(TOKEN, "", 1, "machine")),
        b"GET / HTTP/1.1\r\nHost: example\r\n\r\n" * 3,
        frame(PLAIN, 1, 1, 0, b"not introduced"),
        HEADER.pack(2**31, 0, 1, 0, 0),
        frame(0, 1, 0, 0, b"\xc1 not msgpack"),
    ],
    ids=["wrong token", "no name", "http", "no hello", "oversized", "not msgpack"],
)
def test_strangers_are_refused(bytes_sent: bytes) -> None:
    async def run() -> None:
        b = Hub("b")
        async with listening(b) as address:
            reader, writer = await asyncio.open_connection(address.ip, address.port)
            writer.write(bytes_sent)
            try:
                answer = await asyncio.wait_for(reader.read(), 3)
            except ConnectionResetError:
                answer = b""
            assert answer == b""
            assert b.refused == 1 and b.frames == [] and b.inbound == {}
            writer.close()

    asyncio.run(run())


def test_a_stranger_that_says_nothing_is_shown_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.runtime.ray.link.HELLO_S", 0.05)

    async def run() -> None:
        b = Hub("b")
        async with listening(b) as address:
            reader, writer = await asyncio.open_connection(address.ip, address.port)
            with pytest.raises(ConnectionResetError):
                if await asyncio.wait_for(reader.read(), 3) == b"":
                    raise ConnectionResetError
            assert b.refused == 1
            writer.close()

    asyncio.run(run())


def test_frames_of_an_earlier_life_or_out_of_order_are_dropped() -> None:
    async def run() -> None:
        b = Hub("b")
        async with listening(b) as address:
            _, writer = await asyncio.open_connection(address.ip, address.port)
            writer.write(hello_frame(Hello(TOKEN, "a", 2, "machine")))
            writer.write(frame(PLAIN, 2, 1, 0, b"first") + frame(PLAIN, 2, 1, 0, b"again"))
            writer.write(frame(PLAIN, 1, 7, 0, b"old life") + frame(PLAIN, 2, 5, 0, b"later"))
            await until(lambda: len(b.frames) == 2, "two frames")
            assert [body for _, body in b.frames] == [b"first", b"later"] and b.stale == 2
            # a stream of the earlier life that comes late is not let in at all
            reader, old = await asyncio.open_connection(address.ip, address.port)
            old.write(hello_frame(Hello(TOKEN, "a", 1, "machine")))
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await asyncio.wait_for(reader.readexactly(1), 3)
            assert b.inbound["a"].life == 2
            writer.close()

    asyncio.run(run())


def test_a_broken_stream_is_told_and_opened_again() -> None:
    async def run() -> None:
        a, b = Hub("a"), Hub("b")
        async with listening(b) as address:
            link = Outbound(a, address)
            await asyncio.wait_for(link.ready.wait(), 3)
            b.inbound["a"].close()
            await until(lambda: a.mourned == [("b", 1)], "the sender notices")
            await asyncio.wait_for(link.ready.wait(), 3)
            assert link.send(PLAIN, 0, b"back")
            await until(lambda: b.frames == [("a", b"back")], "a frame after the reconnection")
            link.close()
            await until(lambda: not b.inbound, "the receiver notices")
            assert b.mourned[-1] == ("a", 1)

    asyncio.run(run())


def test_what_cannot_be_sent_is_dropped_and_counted() -> None:
    async def run() -> None:
        a, b = Hub("a"), Hub("b")
        async with listening(b) as address:
            port = address.port
        link = Outbound(a, Address("b", 1, "127.0.0.1", port, ("n2",)))
        assert not link.send(PLAIN, 0, b"nobody is there") and link.dropped == 1
        async with listening(b, port):
            await asyncio.wait_for(link.ready.wait(), 3)
            assert link.send(PLAIN, 0, b"now somebody is")
            b.inbound["a"]._transport.pause_reading()
            block = bytes(2**20)
            dropped = [not link.send(PLAIN, 0, block) for _ in range(40)]
            assert any(dropped) and not all(dropped), "a slow reader costs frames, not memory"
        link.close()

    asyncio.run(run())
