"""Hosts that only send and listen, for tests of links."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from bench.runtime.ray.codec import Hello, checksum_key, frame
from bench.runtime.ray.interface import Incoming
from bench.runtime.ray.link import Door
from bench.runtime.ray.orders import Address
from bench.runtime.ray.raylink import RayDoor

TOKEN = b"0123456789abcdef"


class Hub:
    """A host that keeps whatever arrives."""

    def __init__(self, name: str, life: int = 1, token: bytes = TOKEN) -> None:
        self.hello: Hello | None = Hello(token, name, life, "machine")
        self.refused = self.stale = 0
        self.inbound: dict[str, Incoming] = {}
        self.seen: dict[str, tuple[int, int]] = {}
        self.frames: list[tuple[str, bytes]] = []
        self.events: list[tuple[str, str, int]] = []
        self.keep = True

    def introduction(self) -> Hello | None:
        return self.hello

    def arrived(self, stream: Incoming, kind: int, stamp: int, body: bytes) -> None:
        if self.keep:
            self.frames.append((stream.peer, body))

    def met(self, peer: str, life: int) -> None:
        self.events.append(("met", peer, life))

    def lost(self, peer: str, life: int) -> None:
        self.events.append(("lost", peer, life))

    @property
    def mourned(self) -> list[tuple[str, int]]:
        return [(peer, life) for what, peer, life in self.events if what == "lost"]

    @property
    def bodies(self) -> list[bytes]:
        return [body for _, body in self.frames]


def hello(host: str = "a", life: int = 1, to: str = "b", to_life: int = 1, token: bytes = TOKEN) -> Hello:
    """How ``host`` introduces itself to ``to``."""
    return Hello(token, host, life, "machine", to, to_life)


def framed(kind: int, life: int, sequence: int, body: bytes, token: bytes = TOKEN) -> bytes:
    """A frame of the trial with this token."""
    return frame(checksum_key(token), kind, life, sequence, 0, body)


async def until(condition: Callable[[], object], what: str, within_s: float = 5) -> None:
    """Wait for the condition, or fail with ``what``."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while not condition():
                await asyncio.sleep(0.001)
    assert condition(), f"not within {within_s:g} s: {what}"


@asynccontextmanager
async def listening(hub: Hub) -> AsyncIterator[tuple[Address, Door]]:
    """The host's door, and its address as its peers know it."""
    door = Door(lambda: hub)
    ip, port = await door.open("127.0.0.1")
    assert hub.hello is not None
    try:
        yield Address(hub.hello.host, hub.hello.life, ip, port, ("n2",)), door
    finally:
        door.close()
        for stream in list(hub.inbound.values()):
            stream.close()


async def answer(reader: asyncio.StreamReader, within_s: float = 3) -> bytes:
    """All that comes up to the end of a stream, whether it is closed or reset."""
    found = b""
    with suppress(ConnectionResetError):
        while part := await asyncio.wait_for(reader.read(64), within_s):
            found += part
    return found


def rss() -> int:
    """Bytes of memory that this process has."""
    return memory("self")


def memory(pid: Any) -> int:
    """Bytes of memory that a process has."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) * 1024


class DoorHost:
    """A host that is nothing but the door of links by actor calls; tests make a Ray actor of it."""

    def __init__(self, name: str, life: int) -> None:
        self._hub = Hub(name, life)
        self._door = RayDoor(self._hub)
        self._slow_s = 0.0

    async def set_slow(self, seconds: float) -> int:
        """Take each call so late; the process' id."""
        self._slow_s = seconds
        return os.getpid()

    async def link_open(self, hello: bytes) -> bytes:
        return self._door.open(hello)

    async def link_frames(self, key: bytes, number: int, data: bytes) -> bool:
        await asyncio.sleep(self._slow_s)
        return await self._door.frames(key, number, data)

    async def link_watch(self, key: bytes) -> None:
        await self._door.watch(key)

    async def bodies(self) -> list[bytes]:
        return self._hub.bodies

    async def hang_up(self) -> None:
        self._door.close()
