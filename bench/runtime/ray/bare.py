"""The parts of the floor that run in host processes: a bare link, and a bare replicated log.

Written independently of the runtime they are the yardstick of: asyncio streams, the same kind of frames, a file, and
nothing else. No elections, no failures, no engine.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import msgspec

_encode = msgspec.msgpack.Encoder().encode
_SIZE = 4

Frame = Callable[["Stream", bytes], None]


class Ping(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A message of the size of a client's request."""

    number: int
    session: str
    key: str
    value: bytes


class LinkOrder(msgspec.Struct, frozen=True):
    """Measure the link to the echo at this address: round trips for ``rtt_s``, then a full window for ``rate_s``."""

    ip: str
    port: int
    rtt_s: float
    rate_s: float
    window: int = 256


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


class Stream(asyncio.Protocol):
    """Length-prefixed frames, either way; what is queued in one tick of the loop leaves as one write."""

    def __init__(self, on_frame: Frame) -> None:
        self._on_frame = on_frame
        self._rest = b""
        self._out: list[bytes] = []
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        data = self._rest + data
        offset, have = 0, len(data)
        while have - offset >= _SIZE:
            end = offset + _SIZE + int.from_bytes(data[offset : offset + _SIZE], "little")
            if end > have:
                break
            self._on_frame(self, data[offset + _SIZE : end])
            offset = end
        self._rest = data[offset:]

    def send(self, what: Any) -> None:
        """Queue one frame."""
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        body = _encode(what)
        self._out.append(len(body).to_bytes(_SIZE, "little") + body)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if not self.transport.is_closing():
            self.transport.write(b"".join(out))


_open: list[Any] = []
"""What this process has to close when the measurement is over."""


async def _serve(ip: str, on_frame: Frame) -> int:
    server = await asyncio.get_running_loop().create_server(lambda: Stream(on_frame), ip, 0)
    _open.append(server)
    port: int = server.sockets[0].getsockname()[1]
    return port


async def _connect(ip: str, port: int, on_frame: Frame) -> Stream:
    _, stream = await asyncio.get_running_loop().create_connection(lambda: Stream(on_frame), ip, port)
    _open.append(stream.transport)
    return stream


# --- the link ------------------------------------------------------------------------------------------------------

_ping = msgspec.msgpack.Decoder(tuple[int, int, Ping])


async def echo(ip: str, order: bytes) -> bytes:
    """Answer each message with one like it."""

    def answer(stream: Stream, body: bytes) -> None:
        source, target, ping = _ping.decode(body)
        stream.send((target, source, Ping(ping.number, ping.session, ping.key, ping.value)))

    return _encode(await _serve(ip, answer))


async def link(ip: str, order: bytes) -> bytes:
    """(median round trip of single messages in s, messages/s with a window of them under way, both ways together)."""
    plan = msgspec.msgpack.decode(order, type=LinkOrder)
    trips, _ = await _volley(plan, 1, plan.rtt_s)
    _, rate = await _volley(plan, plan.window, plan.rate_s)
    return _encode((sorted(trips)[len(trips) // 2], rate))


async def _volley(plan: LinkOrder, window: int, length_s: float) -> tuple[list[float], float]:
    """(gaps between answers, messages/s) of ``window`` messages that go back and forth for ``length_s``."""
    done = asyncio.Event()
    gaps: list[float] = []
    began = last = perf_counter()

    def answered(stream: Stream, body: bytes) -> None:
        nonlocal last
        _, _, ping = _ping.decode(body)
        now = perf_counter()
        gaps.append(now - last)
        last = now
        if now - began < length_s:
            stream.send((0, 1, Ping(ping.number + 1, ping.session, ping.key, ping.value)))
        else:
            done.set()

    stream = await _connect(plan.ip, plan.port, answered)
    began = last = perf_counter()
    for number in range(window):
        stream.send((0, 1, Ping(number, "c1.0123456789abcdef", "k1", bytes(16))))
    await asyncio.wait_for(done.wait(), length_s + 5)
    rate = 2 * len(gaps) / (perf_counter() - began)
    stream.transport.close()
    return gaps, rate


# --- the log -------------------------------------------------------------------------------------------------------


class LogFile:
    """Appends and syncs in a thread; what arrives meanwhile is the next group."""

    def __init__(self, path: str, synced: Callable[[int], None]) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._thread = ThreadPoolExecutor(1)
        self._buffer: list[bytes] = []
        self._last = 0
        self._busy = False
        self._synced = synced

    def append(self, last: int, data: bytes) -> None:
        """Take the entries up to ``last``; ``synced`` tells when they are safe."""
        self._buffer.append(data)
        self._last = last
        if not self._busy:
            self._busy = True
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        data, self._buffer = b"".join(self._buffer), []
        future = asyncio.get_running_loop().run_in_executor(self._thread, self._store, data)
        last = self._last
        future.add_done_callback(lambda _: self._done(last))

    def _store(self, data: bytes) -> None:
        os.write(self._fd, data)
        os.fdatasync(self._fd)

    def _done(self, last: int) -> None:
        if self._buffer:
            self._begin()
        else:
            self._busy = False
        self._synced(last)

    def close(self) -> None:
        """Let go."""
        self._thread.shutdown(wait=True)
        os.close(self._fd)


_group = msgspec.msgpack.Decoder(tuple[int, list[bytes]])
_requests = msgspec.msgpack.Decoder(list[tuple[int, bytes]])


async def follower(ip: str, order: bytes) -> bytes:
    """Append what comes, and say up to where it is on disk."""
    plan = msgspec.msgpack.decode(order, type=LogOrder)
    leaders: list[Stream] = []

    def synced(last: int) -> None:
        leaders[0].send(last)

    log = LogFile(plan.path, synced)
    _open.append(log)

    def entries(stream: Stream, body: bytes) -> None:
        if not leaders:
            leaders.append(stream)
        last, values = _group.decode(body)
        log.append(last, _encode(values))

    return _encode(await _serve(ip, entries))


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
    _open.append(log)

    def acknowledged(who: int) -> Frame:
        return lambda stream, body: advance(who, msgspec.msgpack.decode(body, type=int))

    followers = [
        await _connect(address[0], address[1], acknowledged(who)) for who, address in enumerate(plan.followers, 1)
    ]

    def flush() -> None:
        nonlocal last
        values = fresh[:]
        fresh.clear()
        last += len(values)
        for each in followers:
            each.send((last, values))
        log.append(last, _encode(values))

    def request(stream: Stream, body: bytes) -> None:
        if not fresh:
            asyncio.get_running_loop().call_soon(flush)
        for client, value in _requests.decode(body):
            fresh.append(value)
            waiting.append((stream, client))

    return _encode(await _serve(ip, request))


async def clients(ip: str, order: bytes) -> bytes:
    """Operations a second of a closed loop."""
    plan = msgspec.msgpack.decode(order, type=ClientsOrder)
    ended = 0
    over = False

    def answer(stream: Stream, body: bytes) -> None:
        nonlocal ended
        numbers = msgspec.msgpack.decode(body, type=list[int])
        ended += len(numbers)
        if not over:
            stream.send([(number, plan.value) for number in numbers])

    stream = await _connect(plan.ip, plan.port, answer)
    stream.send([(number, plan.value) for number in range(plan.clients)])
    await asyncio.sleep(plan.warmup_s)
    before, began = ended, perf_counter()
    await asyncio.sleep(plan.length_s)
    rate = (ended - before) / (perf_counter() - began)
    over = True
    return _encode(rate)


async def stop(ip: str, order: bytes) -> bytes:
    """Close everything."""
    for each in _open:
        each.close()
    _open.clear()
    return b""


Part = Callable[[str, bytes], Awaitable[bytes]]
PARTS: dict[str, Part] = {
    "echo": echo,
    "link": link,
    "follower": follower,
    "leader": leader,
    "clients": clients,
    "stop": stop,
}
