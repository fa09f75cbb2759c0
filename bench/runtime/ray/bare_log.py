"""A part of the floor: a bare replicated log, of a leader and two followers, with group commit and fdatasync.

Independent of the runtime and pinned to cores, as :mod:`.bare` is, and with messages treated as there: a request and
its answer are a message each, encoded, decoded as one of a tagged union, and handled in a call of its own; so is what
leader and followers tell each other, once a group. What a tick of the loop brought is one group: sent to the followers,
then appended and synced on the loop itself, which costs a fast disk least; while a disk is at it, the next group
gathers in the sockets. An entry is a key and a value, and nothing is done with it but to keep it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from time import perf_counter

import msgspec

from .bare import Part, Stream, connect, dispatch, encode, opened, serve

MOST_TIMES = 100_000


class LogOrder(msgspec.Struct, frozen=True):
    """A part of the bare log: the file to append to, and the addresses of those to replicate to."""

    path: str
    followers: tuple[tuple[str, int], ...] = ()


class ClientsOrder(msgspec.Struct, frozen=True):
    """Closed loop of ``clients`` against the leader at this address for ``length_s``, after ``warmup_s``."""

    ip: str
    port: int
    clients: int
    warmup_s: float
    length_s: float
    value: bytes = bytes(16)


class Request(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A client, the source, asks that this be stored."""

    operation: int
    key: str
    value: bytes


class Done(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """To a client: a majority has it on disk."""

    operation: int


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Of the log."""

    key: str
    value: bytes


class Append(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """To a follower: entries up to number ``last``."""

    last: int
    entries: list[Entry]


class Stored(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """Of a follower: entries up to number ``last`` are on its disk."""

    last: int


class LogFile:
    """Appends, and syncs what one tick brought once the tick's messages have left.

    Attributes:
        times: s each sync took.
    """

    def __init__(self, path: str, synced: Callable[[int], None]) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)  # of this machine
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._buffer: list[bytes] = []
        self._last = 0
        self._synced = synced
        self.times: list[float] = []

    def append(self, last: int, data: bytes) -> None:
        """Take the entries up to ``last``; ``synced`` tells when they are safe."""
        if not self._buffer:
            asyncio.get_running_loop().call_soon(self._store)
        self._buffer.append(data)
        self._last = last

    def _store(self) -> None:
        if self._fd < 0:
            return  # closed meanwhile
        data, self._buffer = b"".join(self._buffer), []
        began = perf_counter()
        os.write(self._fd, data)
        os.fdatasync(self._fd)
        if len(self.times) < MOST_TIMES:
            self.times.append(perf_counter() - began)
        self._synced(self._last)

    def close(self) -> None:
        """Let go."""
        os.close(self._fd)
        self._fd = -1


_decode = msgspec.msgpack.Decoder(list[tuple[int, int, Request | Done | Append | Stored]]).decode


async def follower(ip: str, order: bytes) -> bytes:
    """Append what comes, and say up to where it is on disk."""
    plan = msgspec.msgpack.decode(order, type=LogOrder)
    leaders: list[Stream] = []

    def synced(last: int) -> None:
        leaders[0].send((1, 0, Stored(last)))
        leaders[0].flush()

    log = LogFile(plan.path, synced)
    opened.append(log)

    def append(stream: Stream, source: int, target: int, message: Append) -> None:
        if not leaders:
            leaders.append(stream)
        log.append(message.last, encode(message.entries))

    return encode(await serve(ip, dispatch({Append: append}, _decode)))


_leaders: list[LogFile] = []
"""The log of the leader in this process."""


async def leader(ip: str, order: bytes) -> bytes:
    """Number requests, append and replicate those of one tick together, answer what a majority has on disk."""
    plan = msgspec.msgpack.decode(order, type=LogOrder)
    durable = [0] * (1 + len(plan.followers))
    waiting: list[tuple[Stream, int, int]] = []  # of entries committed + 1, + 2 ...
    fresh: list[Entry] = []
    last = committed = 0

    def advance(who: int, index: int) -> None:
        nonlocal committed
        durable[who] = max(durable[who], index)
        reached = sorted(durable)[len(durable) // 2]
        if reached > committed:
            for stream, client, operation in waiting[: reached - committed]:
                stream.send((0, client, Done(operation)))
            del waiting[: reached - committed]
            committed = reached

    log = LogFile(plan.path, lambda index: advance(0, index))
    opened.append(log)
    _leaders[:] = [log]

    async def follow(who: int, ip: str, port: int) -> Stream:
        def stored(stream: Stream, source: int, target: int, message: Stored) -> None:
            advance(who, message.last)

        return await connect(ip, port, dispatch({Stored: stored}, _decode))

    followers = [await follow(who, *address) for who, address in enumerate(plan.followers, 1)]

    def flush() -> None:
        nonlocal last
        entries = fresh[:]
        fresh.clear()
        last += len(entries)
        for who, each in enumerate(followers, 1):
            each.send((0, who, Append(last, entries)))
            each.flush()
        log.append(last, encode(entries))

    def request(stream: Stream, source: int, target: int, message: Request) -> None:
        if not fresh:
            asyncio.get_running_loop().call_soon(flush)
        fresh.append(Entry(message.key, message.value))
        waiting.append((stream, source, message.operation))

    return encode(await serve(ip, dispatch({Request: request}, _decode)))


async def clients(ip: str, order: bytes) -> bytes:
    """Operations a second of a closed loop."""
    plan = msgspec.msgpack.decode(order, type=ClientsOrder)
    ended = 0
    over = False

    def done(stream: Stream, source: int, target: int, message: Done) -> None:
        nonlocal ended
        ended += 1
        if not over:
            stream.send((target, 0, Request(message.operation + 1, "k1", plan.value)))

    stream = await connect(plan.ip, plan.port, dispatch({Done: done}, _decode))
    for number in range(plan.clients):
        stream.send((number, 0, Request(0, "k1", plan.value)))
    await asyncio.sleep(plan.warmup_s)
    before, began = ended, perf_counter()
    await asyncio.sleep(plan.length_s)
    rate = (ended - before) / (perf_counter() - began)
    over = True
    return encode(rate)


async def sync_times(ip: str, order: bytes) -> bytes:
    """(median, 99th percentile) of the leader's syncs in s since the last time this was asked; zeros without any."""
    found = sorted(time for log in _leaders for time in log.times)
    for log in _leaders:
        log.times.clear()
    return encode(tuple(found[int(share * (len(found) - 1))] if found else 0.0 for share in (0.5, 0.99)))


PARTS: dict[str, Part] = {
    "follower": follower,
    "leader": leader,
    "clients": clients,
    "sync-times": sync_times,
}
"""What :meth:`.host.Host.bare` runs, by name."""
