"""A part of the floor: a bare link by Ray's actor calls, beside the bare TCP link of :mod:`.bare`.

As there: the same messages, encoded the same way, and nothing of the runtime's own links. A message goes one way in a
call to the other actor's ``bare``; what is queued while as many calls as allowed are under way leaves with the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import msgspec

from .bare import Part, Ping
from .raylink import dump_handle, load_handle
from .seat import answers

if TYPE_CHECKING:
    from .session import RaySession

RTT_S, RATE_S = 0.4, 0.6
ANSWER_S = 15.0
IN_FLIGHT = 2
"""Calls under way at once, as in :mod:`.raylink`."""
WINDOW = 256
"""Messages under way at once where the rate is measured, as in :mod:`.bare`."""

_encode = msgspec.msgpack.Encoder().encode
_frames = msgspec.msgpack.Decoder(list[tuple[int, int, Ping]])

OnPing = Callable[["Line", Ping], None]


class LineOrder(msgspec.Struct, frozen=True):
    """Talk to the actor with this handle (see :func:`.raylink.dump_handle`); lengths as in ``bare.LinkOrder``."""

    peer: bytes
    in_flight: int = IN_FLIGHT
    rtt_s: float = RTT_S
    rate_s: float = RATE_S
    window: int = WINDOW


class Line:
    """One direction; what is queued in one tick of the loop, and while calls are under way, leaves as one call."""

    def __init__(self, order: LineOrder, on_ping: OnPing) -> None:
        self.on_ping = on_ping
        self.failed: BaseException | None = None
        self._peer = load_handle(order.peer)
        self._most = order.in_flight
        self._calls = 0
        self._out: list[tuple[int, int, Ping]] = []
        self._due = False

    def send(self, ping: Ping) -> None:
        """Queue one message."""
        self._out.append((0, 1, ping))
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._due = False
        if self._out and self._calls < self._most:
            out, self._out = self._out, []
            self._calls += 1
            asyncio.wrap_future(self._peer.bare.remote("ray-take", _encode(out)).future()).add_done_callback(self._done)

    def _done(self, done: asyncio.Future[Any]) -> None:
        self._calls -= 1
        self.failed = self.failed or done.exception()
        self._flush()


_line: list[Line] = []
"""The one of this process."""


async def echo(ip: str, order: bytes) -> bytes:
    """From now on, answer each message with one like it."""
    plan = msgspec.msgpack.decode(order, type=LineOrder)
    _line[:] = [Line(plan, lambda line, ping: line.send(Ping(ping.number, ping.session, ping.key, ping.value)))]
    return _encode(None)


async def take(ip: str, order: bytes) -> bytes:
    """Messages of the other side."""
    for line in _line:
        for _, _, ping in _frames.decode(order):
            line.on_ping(line, ping)
    return b""


async def link(ip: str, order: bytes) -> bytes:
    """(median round trip of single messages in s, messages/s with a window of them under way, both ways together)."""
    plan = msgspec.msgpack.decode(order, type=LineOrder)
    trips, _ = await _volley(plan, 1, plan.rtt_s)
    _, rate = await _volley(plan, plan.window, plan.rate_s)
    return _encode((sorted(trips)[len(trips) // 2], rate))


async def _volley(plan: LineOrder, window: int, length_s: float) -> tuple[list[float], float]:
    """(gaps between answers, messages/s) of ``window`` messages that go back and forth for ``length_s``."""
    done = asyncio.Event()
    gaps: list[float] = []
    under_way = window
    began = last = perf_counter()

    def answered(line: Line, ping: Ping) -> None:
        nonlocal last, under_way
        now = perf_counter()
        gaps.append(now - last)
        last = now
        if now - began < length_s:
            line.send(Ping(ping.number + 1, ping.session, ping.key, ping.value))
        else:
            under_way -= 1
            if not under_way:
                done.set()

    line = Line(plan, answered)
    _line[:] = [line]
    for number in range(window):
        line.send(Ping(number, "c1.0123456789abcdef", "k1", bytes(16)))
    await asyncio.wait_for(done.wait(), length_s + 5)
    if line.failed is not None:
        raise line.failed
    return gaps, 2 * len(gaps) / (perf_counter() - began)


async def stop(ip: str, order: bytes) -> bytes:
    """Forget the other side."""
    _line.clear()
    return b""


PARTS: dict[str, Part] = {"ray-echo": echo, "ray-take": take, "ray-link": link, "ray-stop": stop}
"""What :meth:`.host.Host.bare` runs, by name."""


def measure_ray_link(session: RaySession, in_flight: int = IN_FLIGHT) -> tuple[float, float]:
    """Round trip (s, median) and messages/s, both ways together, of a bare link by actor calls, in about a second.

    Args:
        session: where.
        in_flight: calls under way at once in each direction.

    Raises:
        HarnessError: a process does not answer.
    """
    seats = session.pool.take(2)
    first, second = (seat.actor for seat in seats)
    try:
        ask = partial(answers, timeout_s=ANSWER_S, what="for the floor")
        ask({"echo": second.bare.remote("ray-echo", _encode(LineOrder(dump_handle(first), in_flight)))})
        order = _encode(LineOrder(dump_handle(second), in_flight))
        found = ask({"link": first.bare.remote("ray-link", order)})
        rtt, rate = msgspec.msgpack.decode(found["link"], type=tuple[float, float])
        ask({str(number): seat.actor.bare.remote("ray-stop", b"") for number, seat in enumerate(seats)})
    finally:
        session.pool.give_back(seats)
    return rtt, rate
