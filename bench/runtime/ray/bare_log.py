"""A part of the floor: a bare replicated log, of a leader and two followers, with group commit and fdatasync.

Independent of the runtime and pinned to cores, as :mod:`.bare` is. What a tick of the loop brought is one group: sent
to the followers, then appended and synced on the loop itself, which costs a fast disk least; while a disk is at it, the
next group gathers in the sockets.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from time import perf_counter

import msgspec

from .bare import Frame, Part, Stream, connect, encode, opened, serve

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


_groups = msgspec.msgpack.Decoder(list[tuple[int, list[bytes]]])
_requests = msgspec.msgpack.Decoder(list[list[tuple[int, bytes]]])
_numbers = msgspec.msgpack.Decoder(list[int])
_answers = msgspec.msgpack.Decoder(list[list[int]])


async def follower(ip: str, order: bytes) -> bytes:
    """Append what comes, and say up to where it is on disk."""
    plan = msgspec.msgpack.decode(order, type=LogOrder)
    leaders: list[Stream] = []

    def synced(last: int) -> None:
        leaders[0].send(last)
        leaders[0].flush()

    log = LogFile(plan.path, synced)
    opened.append(log)

    def entries(stream: Stream, stamp: int, body: bytes) -> None:
        if not leaders:
            leaders.append(stream)
        for last, values in _groups.decode(body):
            log.append(last, encode(values))

    return encode(await serve(ip, entries))


_leaders: list[LogFile] = []
"""The log of the leader in this process."""


async def leader(ip: str, order: bytes) -> bytes:
    """Number requests, append and replicate those of one tick together, answer what a majority has on disk."""
    plan = msgspec.msgpack.decode(order, type=LogOrder)
    durable = [0] * (1 + len(plan.followers))
    waiting: list[tuple[Stream, int]] = []  # of entries committed + 1, + 2 ...
    fresh: list[bytes] = []
    last = committed = 0

    def advance(who: int, index: int) -> None:
        nonlocal committed
        durable[who] = index
        reached = sorted(durable)[len(durable) // 2]
        if reached > committed:
            answers: dict[int, tuple[Stream, list[int]]] = {}
            for stream, client in waiting[: reached - committed]:
                answers.setdefault(id(stream), (stream, []))[1].append(client)
            del waiting[: reached - committed]
            committed = reached
            for stream, clients in answers.values():
                stream.send(clients)

    log = LogFile(plan.path, lambda index: advance(0, index))
    opened.append(log)
    _leaders[:] = [log]

    def acknowledged(who: int) -> Frame:
        return lambda stream, stamp, body: advance(who, max(_numbers.decode(body)))

    followers = [
        await connect(address[0], address[1], acknowledged(who)) for who, address in enumerate(plan.followers, 1)
    ]

    def flush() -> None:
        nonlocal last
        values = fresh[:]
        fresh.clear()
        last += len(values)
        for each in followers:
            each.send((last, values))
            each.flush()
        log.append(last, encode(values))

    def request(stream: Stream, stamp: int, body: bytes) -> None:
        if not fresh:
            asyncio.get_running_loop().call_soon(flush)
        for requests in _requests.decode(body):
            for client, value in requests:
                fresh.append(value)
                waiting.append((stream, client))

    return encode(await serve(ip, request))


async def clients(ip: str, order: bytes) -> bytes:
    """Operations a second of a closed loop."""
    plan = msgspec.msgpack.decode(order, type=ClientsOrder)
    ended = 0
    over = False

    def answer(stream: Stream, stamp: int, body: bytes) -> None:
        nonlocal ended
        for numbers in _answers.decode(body):
            ended += len(numbers)
            if not over:
                stream.send([(number, plan.value) for number in numbers])

    stream = await connect(plan.ip, plan.port, answer)
    stream.send([(number, plan.value) for number in range(plan.clients)])
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
