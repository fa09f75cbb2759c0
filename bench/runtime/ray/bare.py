"""The parts of the floor that run in host processes: a bare link; :mod:`.bare_log` has a bare replicated log.

Written independently of the runtime they are the yardstick of: asyncio streams, a file, and nothing else. No elections,
no failures, no engine. Each process is pinned to one core meanwhile (:func:`pin`), so that what is measured does not
depend on where the kernel moves it. The bytes are the runtime's own (a test compares them): a header with checksum,
life, sequence and time of sending, then the messages of one tick of the loop as a msgpack list of (source, target,
message). What it does with a message is what anybody must: decode it as one of a tagged union, to its Struct; hand it
to the handler of its type, in a call of its own; make the Struct of the answer and encode that. One write a tick.
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


class Write(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """What a client asks for."""

    key: str
    value: bytes


class Ask(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """A client's request."""

    question: int
    request: Write


class Answer(msgspec.Struct, frozen=True, tag=True, array_like=True, gc=False):
    """To a request."""

    question: int
    result: bytes | None


class SpinOrder(msgspec.Struct, frozen=True):
    """Keep the core busy from ``at`` (ns of this machine's CLOCK_MONOTONIC) for ``length_s``."""

    at: int
    length_s: float


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

_decode = msgspec.msgpack.Decoder(list[tuple[int, int, Ask | Answer]]).decode


def dispatch(handlers: dict[type, Callable[[Stream, int, int, Any], None]], decode: Callable[[bytes], Any]) -> Frame:
    """Each message of a frame goes to the handler of its type, in a call of its own: (stream, source, target, message).

    ``decode``: of a body, to a list of (source, target, message).
    """

    def arrived(stream: Stream, stamp: int, body: bytes) -> None:
        for source, target, message in decode(body):
            handlers[type(message)](stream, source, target, message)

    return arrived


async def echo(ip: str, order: bytes) -> bytes:
    """Answer each request."""

    def ask(stream: Stream, source: int, target: int, message: Ask) -> None:
        stream.send((target, source, Answer(message.question, None)))

    return encode(await serve(ip, dispatch({Ask: ask}, _decode)))


async def link(ip: str, order: bytes) -> bytes:
    """(s a round trip, messages/s both ways together) of requests and answers, ``window`` of them under way.

    The round trip is the median time between two answers if one is under way alone, and 0 otherwise: where the rate
    counts, nobody looks at the clock but once a frame.
    """
    plan = msgspec.msgpack.decode(order, type=LinkOrder)
    done = asyncio.get_running_loop().create_future()
    gaps: list[float] = []
    answers = 0
    last = perf_counter()
    end = last + plan.length_s
    request = Write("k1", bytes(16))

    def answer(stream: Stream, source: int, target: int, message: Answer) -> None:
        nonlocal answers
        answers += 1
        stream.send((0, 1, Ask(message.question + plan.window, request)))

    handle = dispatch({Answer: answer}, _decode)

    def arrived(stream: Stream, stamp: int, body: bytes) -> None:
        nonlocal last
        now = perf_counter()
        if now < end:
            if plan.window == 1:
                gaps.append(now - last)
                last = now
            handle(stream, stamp, body)
        elif not done.done():
            done.set_result(now)

    stream = await connect(plan.ip, plan.port, arrived)
    began = last = perf_counter()
    end = began + plan.length_s
    for question in range(plan.window):
        stream.send((0, 1, Ask(question, request)))
    ended = await asyncio.wait_for(done, plan.length_s + 5)
    stream.transport.close()
    return encode((sorted(gaps)[len(gaps) // 2] if gaps else 0.0, 2 * answers / (ended - began)))


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


async def clock(ip: str, order: bytes) -> bytes:
    """CLOCK_MONOTONIC of this machine, ns."""
    return encode(monotonic_ns())


async def spin(ip: str, order: bytes) -> bytes:
    """How much this core gets done, in rounds of work on a dictionary a second."""
    wanted = msgspec.msgpack.decode(order, type=SpinOrder)
    length = round(wanted.length_s * 1e9)
    work, rounds = dict.fromkeys(range(256), 0), 0
    while monotonic_ns() < wanted.at:
        pass
    began = now = monotonic_ns()  # later than asked for, if the order was late: that is no slow core
    while now - began < length:
        for key in work:
            work[key] += 1
        rounds += 1
        now = monotonic_ns()
    return encode(rounds * 1e9 / (now - began))


PARTS: dict[str, Part] = {
    "echo": echo,
    "link": link,
    "stop": stop,
    "pin": pin,
    "unpin": unpin,
    "clock": clock,
    "spin": spin,
}
"""What :meth:`.host.Host.bare` runs, by name."""
