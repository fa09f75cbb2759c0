"""The parts of the floor that run in host processes: a bare link; :mod:`.bare_log` has a bare replicated log.

Written independently of the runtime they are the yardstick of: asyncio streams, a file, and nothing else. No elections,
no failures, no engine. Each process is pinned to one core meanwhile (:func:`pin`), so that what is measured does not
depend on where the kernel moves it. The bytes are the runtime's own (a test compares them): a header with checksum,
life, sequence and time of sending, then the messages of one tick of the loop as a msgpack list of (source, target,
message); a message is decoded to its Struct and handed to one call of a handler; one write a tick.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
from collections.abc import Awaitable, Callable
from time import monotonic_ns, perf_counter
from typing import Any
from zlib import crc32

import msgspec

from .listen import listen

encode = msgspec.msgpack.Encoder().encode
HEADER = struct.Struct("<IIBIQQ")
_CHECKED = struct.Struct("<IBIQQ")
_CHECKSUM, _KIND, _LIFE = 4, 1, 1
_KEY = crc32(b"bare")

Frame = Callable[["Stream", int, bytes], None]
"""(stream, time of sending, body)."""
Part = Callable[[str, bytes], Awaitable[bytes]]
"""(address of this machine, order) -> answer."""


class Ping(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A message of the size of a client's request."""

    number: int
    session: str
    key: str
    value: bytes


class LinkOrder(msgspec.Struct, frozen=True):
    """Measure the link to the echo at this address: ``window`` messages under way for ``length_s``."""

    ip: str
    port: int
    window: int
    length_s: float


def frame(key: int, sequence: int, stamp: int, body: bytes) -> bytes:
    """One frame; the checksum starts from ``key``."""
    checked = _CHECKED.pack(len(body), _KIND, _LIFE, sequence, stamp) + body
    return crc32(checked, key).to_bytes(_CHECKSUM, "little") + checked


class Stream(asyncio.Protocol):
    """Frames, either way; what is queued in one tick of the loop leaves as one frame and one write."""

    def __init__(self, on_frame: Frame) -> None:
        self._on_frame = on_frame
        self._rest = b""
        self._out: list[Any] = []
        self._sequence = 0
        self._expected = 1
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        if self._rest:
            data = self._rest + data
        offset, have = 0, len(data)
        view = memoryview(data)
        while have - offset >= HEADER.size:
            checksum, length, _, _, sequence, stamp = HEADER.unpack_from(data, offset)
            end = offset + HEADER.size + length
            if end > have:
                break
            if crc32(view[offset + _CHECKSUM : end], _KEY) != checksum or sequence != self._expected:
                raise RuntimeError(f"frame {self._expected} of the bare link came damaged, as number {sequence}")
            self._expected += 1
            self._on_frame(self, stamp, data[offset + HEADER.size : end])
            offset = end
        self._rest = data[offset:]

    def send(self, what: Any) -> None:
        """Queue one message."""
        if not self._out:
            asyncio.get_running_loop().call_soon(self.flush)
        self._out.append(what)

    def flush(self) -> None:
        """Let go what is queued, now."""
        out, self._out = self._out, []
        if out and not self.transport.is_closing():
            self._sequence += 1
            self.transport.write(frame(_KEY, self._sequence, monotonic_ns(), encode(out)))


opened: list[Any] = []
"""What this process has to close when the measurement is over."""


async def serve(ip: str, on_frame: Frame) -> int:
    """Listen at a free port, and say at which."""
    server = await listen(lambda: Stream(on_frame), ip)
    opened.append(server)
    port: int = server.sockets[0].getsockname()[1]
    return port


async def connect(ip: str, port: int, on_frame: Frame) -> Stream:
    """A stream to whoever listens there."""
    _, stream = await asyncio.get_running_loop().create_connection(lambda: Stream(on_frame), ip, port)
    opened.append(stream.transport)
    return stream


# --- the link ------------------------------------------------------------------------------------------------------

_pings = msgspec.msgpack.Decoder(list[tuple[int, int, Ping]])


async def echo(ip: str, order: bytes) -> bytes:
    """Answer each message with one like it."""

    def handle(stream: Stream, source: int, target: int, ping: Ping) -> None:
        stream.send((target, source, Ping(ping.number, ping.session, ping.key, ping.value)))

    def arrived(stream: Stream, stamp: int, body: bytes) -> None:
        for source, target, ping in _pings.decode(body):
            handle(stream, source, target, ping)

    return encode(await serve(ip, arrived))


async def link(ip: str, order: bytes) -> bytes:
    """(median s between answers, messages/s both ways together) of messages that go back and forth."""
    plan = msgspec.msgpack.decode(order, type=LinkOrder)
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    gaps: list[float] = []
    began = last = perf_counter()

    def handle(stream: Stream, source: int, target: int, ping: Ping) -> None:
        nonlocal last
        now = perf_counter()
        gaps.append(now - last)
        last = now
        if now - began < plan.length_s:
            stream.send((0, 1, Ping(ping.number + 1, ping.session, ping.key, ping.value)))
        elif not done.done():
            done.set_result(None)

    def arrived(stream: Stream, stamp: int, body: bytes) -> None:
        for source, target, ping in _pings.decode(body):
            handle(stream, source, target, ping)

    stream = await connect(plan.ip, plan.port, arrived)
    began = last = perf_counter()
    for number in range(plan.window):
        stream.send((0, 1, Ping(number, "c1.0123456789abcdef", "k1", bytes(16))))
    await asyncio.wait_for(done, plan.length_s + 5)
    rate = 2 * len(gaps) / (perf_counter() - began)
    stream.transport.close()
    return encode((sorted(gaps)[len(gaps) // 2], rate))


async def stop(ip: str, order: bytes) -> bytes:
    """Close everything."""
    for each in opened:
        each.close()
    opened.clear()
    return b""


# --- cores ---------------------------------------------------------------------------------------------------------

_allowed: set[int] = set()
"""The cores that this process may use, while it is pinned."""


async def pin(ip: str, order: bytes) -> bytes:
    """Keep the thread of the event loop on one of the cores allowed: the n-th, if ``order`` is n, cyclically."""
    if not _allowed:
        _allowed.update(os.sched_getaffinity(0))
    cores = sorted(_allowed)
    core = cores[msgspec.msgpack.decode(order, type=int) % len(cores)]
    os.sched_setaffinity(0, {core})
    return encode(core)


async def unpin(ip: str, order: bytes) -> bytes:
    """Let the process use all its cores again, with all its threads: one started meanwhile was born pinned."""
    if _allowed:
        for thread in os.listdir("/proc/self/task"):
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.sched_setaffinity(int(thread), _allowed)
        _allowed.clear()
    return b""


PARTS: dict[str, Part] = {"echo": echo, "link": link, "stop": stop, "pin": pin, "unpin": unpin}
"""What :meth:`.host.Host.bare` runs, by name."""
