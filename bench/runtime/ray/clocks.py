"""The clocks of a trial's machines: compared with the driver's all the time, by small datagrams.

Processes on one machine share a clock, so one of them answers for all, in turn. A datagram to the port at which a host
listens for links takes some 0.1 ms there and back, and that is what the bound of the difference comes to; where none
gets through (a firewall that knows of TCP only), a Ray call is used, at a millisecond. See :mod:`.offsets` for what is
made of the exchanges.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...errors import HarnessError
from .hostclock import clock_id, monotonic_ns
from .offsets import DRIFT, Estimate, Exchange, estimate

if TYPE_CHECKING:
    from .seat import Seat

PERIOD_S = 0.1
"""Seconds between two questions to each machine."""
ENOUGH = 12
"""Exchanges with each machine before a trial's nodes boot."""
BURST_S = 1.0
"""Seconds that these may take by datagrams."""
CALL_S = 2.0
"""Seconds that a machine may take to answer a Ray call."""
SILENT = 5
"""Questions without an answer in a row after which Ray calls are used beside them."""
RECENT = 50
"""Exchanges from which orders' times are moved while the trial goes; its results rest on all."""
_KEPT_NS = 2_000_000_000
_NONCE = 16
_MAC = 16
_STAMP = struct.Struct("<q")


def _mac(token: bytes, *parts: bytes) -> bytes:
    return hmac.digest(token, b"clock".join(parts), "sha256")[:_MAC]


class Responder(asyncio.DatagramProtocol):
    """Says what the clock of this process shows, to whoever knows the trial's secret."""

    def __init__(self, token: Callable[[], bytes | None]) -> None:
        """``token``: of the trial under way; None between trials, when nobody is answered."""
        self._token = token
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.DatagramProtocol`."""
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        """See :class:`asyncio.DatagramProtocol`. An answer is hardly longer than its question."""
        now = _STAMP.pack(monotonic_ns())
        token = self._token()
        nonce = data[:_NONCE]
        if token and len(data) == _NONCE + _MAC and hmac.compare_digest(data[_NONCE:], _mac(token, nonce)):
            self._transport.sendto(nonce + now + _mac(token, nonce, now), address)


async def answer_time(ip: str, port: int, token: Callable[[], bytes | None]) -> None:
    """Answer datagrams at this address from now on, if it is free; without, there are Ray calls."""
    with suppress(OSError):
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: Responder(token), local_addr=(ip, port))


class Clocks:
    """The clocks of one trial's machines; see the module."""

    def __init__(self, token: bytes, *, corrected: bool = True) -> None:
        """Nothing is asked before :meth:`begin`.

        Args:
            token: the trial's secret.
            corrected: otherwise all clocks are taken for ours; for tests.
        """
        self._token = token
        self._corrected = corrected
        self._ours = clock_id()
        self._seats: dict[str, list[Seat]] = {}
        self._exchanges: dict[str, list[Exchange]] = {}
        self._silent: dict[str, int] = {}
        self._turn = 0
        self._asked: dict[bytes, tuple[str, int]] = {}
        self._sockets: dict[int, socket.socket] = {}
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    # --- what is known -----------------------------------------------------------------------------------------------

    def name(self, seat: Seat) -> str:
        """Of the clock of a process; empty for ours."""
        greeting = seat.greeting
        assert greeting is not None
        if not self._corrected:
            return ""
        if greeting.machine != self._ours:
            return greeting.machine
        # clones of one virtual machine believe that they are one: their clocks tell
        return "" if seat.asked_at <= greeting.now <= monotonic_ns() else f"{greeting.machine}@{greeting.ip}"

    @property
    def others(self) -> tuple[str, ...]:
        """All clocks of the trial that are not ours."""
        return tuple(self._exchanges)

    def of(self, seat: Seat) -> Estimate | None:
        """What all exchanges so far say of the clock of a process; None if it is ours.

        Raises:
            HarnessError: one of the clocks jumped.
        """
        name = self.name(seat)
        return self._estimate(name) if name else None

    def _estimate(self, name: str, last: int | None = None) -> Estimate:
        known = list(self._exchanges[name])
        return estimate(known if last is None else known[-last:], DRIFT)

    # --- asking ------------------------------------------------------------------------------------------------------

    def begin(self, seats: Iterable[Seat]) -> None:
        """Compare the clocks of these processes with ours, and go on doing so until :meth:`close`.

        Raises:
            HarnessError: a machine does not say what its clock shows.
        """
        for seat in seats:
            self._join(seat)
        if not self._exchanges:
            return
        until = time.monotonic() + BURST_S
        while time.monotonic() < until and min(map(len, self._exchanges.values())) < ENOUGH:
            self._round(0.01)
        for name, exchanges in self._exchanges.items():
            while len(exchanges) < ENOUGH // 2:
                self._call(name)
        self._refresh()
        self._thread = threading.Thread(target=self._run, daemon=True, name="clocks")
        self._thread.start()

    def _join(self, seat: Seat) -> str:
        name = self.name(seat)
        if name:
            seats = self._seats.setdefault(name, [])
            if seat not in seats:
                seats.append(seat)
            self._exchanges.setdefault(name, [])
            self._silent.setdefault(name, 0)
        return name

    def admit(self, seat: Seat) -> None:
        """A process takes a part: give it the offset of its clock, if that is known already."""
        seat.offset = 0
        if name := self._join(seat):
            if not self._exchanges[name] and self._thread is not None:
                while len(self._exchanges[name]) < ENOUGH // 2:
                    self._call(name)
            if self._exchanges[name]:
                seat.offset = self._estimate(name, RECENT).offset(self._exchanges[name][-1].there)

    def finish(self) -> None:
        """A last look at all clocks, after which nothing more is asked; best effort."""
        self._stop()
        until = time.monotonic() + 0.1
        before = {name: len(exchanges) for name, exchanges in self._exchanges.items()}
        while time.monotonic() < until and any(len(self._exchanges[name]) < before[name] + 3 for name in before):
            self._round(0.01)

    def close(self) -> None:
        """Ask nobody any more. Again: no effect."""
        self._stop()
        for each in self._sockets.values():
            each.close()
        self._sockets.clear()

    def _stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(2 * CALL_S)
            self._thread = None

    def _run(self) -> None:
        while not self._over.wait(PERIOD_S):
            self._round(PERIOD_S / 2)
            for name, silent in list(self._silent.items()):
                if silent >= SILENT:
                    with suppress(Exception):  # the process is dead or stopped: another is asked next time
                        self._call(name)
            with suppress(HarnessError):  # of a clock that jumped; whoever needs its estimate is told
                self._refresh()

    def _refresh(self) -> None:
        for name, exchanges in list(self._exchanges.items()):
            if exchanges:
                offset = self._estimate(name, RECENT).offset(exchanges[-1].there)
                for seat in list(self._seats[name]):
                    seat.offset = offset

    def _target(self, name: str) -> Seat | None:
        """Whom to ask: those that can answer take turns."""
        seats = [seat for seat in self._seats[name] if seat.alive and not seat.stopped]
        self._turn += 1
        return seats[self._turn % len(seats)] if seats else None

    def _round(self, patience_s: float) -> None:
        """Ask each machine once, and take what answers come meanwhile, to these questions or to earlier ones."""
        now = monotonic_ns()
        for nonce in [nonce for nonce, (_, sent) in self._asked.items() if now - sent > _KEPT_NS]:
            del self._asked[nonce]
        waiting = set()
        for name in list(self._exchanges):
            seat = self._target(name)
            if seat is None or seat.greeting is None:
                continue
            nonce = secrets.token_bytes(_NONCE)
            question = nonce + _mac(self._token, nonce)
            self._silent[name] += 1
            with suppress(OSError):
                link = self._socket(seat.greeting.ip)
                self._asked[nonce] = (name, monotonic_ns())
                link.sendto(question, (seat.greeting.ip, seat.greeting.port))
                waiting.add(nonce)
        ready = select.poll()  # not select(), which knows no descriptor above 1023
        for each in self._sockets.values():
            ready.register(each, select.POLLIN)
        until = time.monotonic() + patience_s
        while waiting and (left := until - time.monotonic()) > 0:
            for descriptor, _ in ready.poll(left * 1e3):
                waiting.discard(self._receive(descriptor))

    def _socket(self, ip: str) -> socket.socket:
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        found = self._sockets.get(family)
        if found is None:
            found = self._sockets[family] = socket.socket(family, socket.SOCK_DGRAM)
            found.setblocking(False)
        return found

    def _receive(self, descriptor: int) -> bytes:
        """Take one answer; the question's number."""
        try:
            data = next(each for each in self._sockets.values() if each.fileno() == descriptor).recv(256)
        except OSError:
            return b""
        received = monotonic_ns()
        nonce, stamp, mac = data[:_NONCE], data[_NONCE:-_MAC], data[-_MAC:]
        known = self._asked.get(nonce)
        if known is None or len(stamp) != _STAMP.size or not hmac.compare_digest(mac, _mac(self._token, nonce, stamp)):
            return b""
        del self._asked[nonce]
        name, sent = known
        self._exchanges[name].append(Exchange(sent, _STAMP.unpack(stamp)[0], received))
        self._silent[name] = 0
        return nonce

    def _call(self, name: str) -> None:
        """Ask by a Ray call, and wait for the answer.

        Raises:
            HarnessError: there is none.
        """
        from .seat import answers

        seat = self._target(name)
        if seat is None:
            raise HarnessError("a machine has no process left that could say what its clock shows")
        where = seat.place.name if seat.place.node else f"process {seat.pid}"
        sent = monotonic_ns()
        there = answers({where: seat.actor.clock.remote()}, CALL_S, "what its clock shows")[where]
        self._exchanges[name].append(Exchange(sent, int(there), monotonic_ns()))
