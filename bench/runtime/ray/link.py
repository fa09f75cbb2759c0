"""TCP links between hosts: one stream a direction, one write a tick, and none without the trial's token.

A stream is opened by the sender, who introduces itself and is answered by one byte. It reconnects with a growing
backoff as long as nobody closes it. What cannot be written is lost and counted, as on any network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from . import interface
from .codec import ACCEPTED, HEADER, MAX_FRAME, BadFrame, Hello, checksum_key, frame, hello_frame
from .interface import FIRST_BACKOFF_S, LAST_BACKOFF_S, Hub, Incoming
from .listen import listen
from .orders import Address

MOST_STRANGERS = 64
"""Connections that have not introduced themselves yet. One more costs the oldest of them its place: a peer says who it
is as soon as it is connected, so whoever has waited longest is the least likely to be one."""
LINGER_S = 1.0
"""Seconds that what was written may take to leave a closed link."""


class Door:
    """Where a host listens, at one address and no other."""

    def __init__(self, hub: Callable[[], Hub]) -> None:
        """``hub``: who is asked about each connection."""
        self.strangers: dict[Inbound, None] = {}
        self._hub = hub
        self._server: asyncio.Server | None = None

    async def open(self, ip: str) -> tuple[str, int]:
        """Listen at a free port of this address; (ip, port). Again: no effect."""
        if self._server is None:
            self._server = await listen(self._knock, ip)
        found: tuple[str, int] = self._server.sockets[0].getsockname()[:2]
        return found

    def close(self) -> None:
        """Stop to listen, and send strangers away."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for stranger in list(self.strangers):
            stranger.close()

    def _knock(self) -> Inbound:
        return Inbound(self._hub(), self.strangers)


class Inbound(Incoming, asyncio.Protocol):
    """The receiving end of a stream."""

    def __init__(self, hub: Hub, strangers: dict[Inbound, None] | None = None) -> None:
        """``strangers``: where it is listed, oldest first, until it has introduced itself."""
        super().__init__(hub)
        self._strangers = {} if strangers is None else strangers
        self._rest = bytearray()
        self._need = HEADER.size
        self._transport: Any = None
        self._hello_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        self._transport = transport
        self._hello_timer = asyncio.get_running_loop().call_later(interface.HELLO_S, self._refuse)
        self._strangers[self] = None
        if len(self._strangers) > MOST_STRANGERS:
            next(iter(self._strangers))._refuse()

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        if not self.open:
            return
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return
            data = bytes(self._rest)
            self._rest.clear()
        try:
            used = self.feed(data)
        except BadFrame:
            self._refuse()
            return
        if used < len(data) and self.open:
            self._rest += data[used:]
            left, size = len(data) - used, HEADER.size
            self._need = size if left < size else size + HEADER.unpack_from(data, used)[1]

    def admitted(self) -> None:
        """See :class:`Incoming`."""
        self._known()
        self._transport.write(ACCEPTED)

    def _known(self) -> None:
        self._strangers.pop(self, None)
        if self._hello_timer is not None:
            self._hello_timer.cancel()
            self._hello_timer = None

    def _refuse(self) -> None:
        if self.open and self._hub.introduction() is not None:
            self._hub.refused += 1
        self.close()

    def close(self) -> None:
        """See :class:`Incoming`."""
        super().close()
        self._known()
        self._rest.clear()
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """See :class:`Incoming`."""
        if self.open and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """See :class:`Incoming`."""
        if self.open and not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self._known()
        self.ended()


class Outbound:
    """The sending end: see :class:`.interface.Link`."""

    def __init__(self, hub: Hub, address: Address) -> None:
        self.address = address
        self.ready = asyncio.Event()
        self.dropped = 0
        self.frames = 0
        self.bytes_sent = 0
        self._hub = hub
        self._sequence = 0
        self._backoff = FIRST_BACKOFF_S
        self._stream: _Stream | None = None
        self._closed = False
        self._life = 0
        self._key = 0
        self._task: asyncio.Task[None] | None = None
        self._connect()

    @property
    def waiting(self) -> int:
        """Bytes that wait in this process; the kernel holds some more."""
        size = 0 if self._stream is None or self._stream.gone else self._stream.transport.get_write_buffer_size()
        return int(size)

    def send(self, kind: int, stamp: int, body: bytes) -> bool:
        """See :class:`.interface.Link`."""
        stream = self._stream
        if stream is None or not stream.up or stream.gone or len(body) > MAX_FRAME:
            self.dropped += 1
            return False
        waiting = stream.transport.get_write_buffer_size()
        if waiting and waiting + len(body) > interface.BUFFER_LIMIT:
            self.dropped += 1
            return False
        self._sequence += 1
        data = frame(self._key, kind, self._life, self._sequence, stamp, body)
        stream.transport.write(data)
        self.frames += 1
        self.bytes_sent += len(data)
        return True

    def close(self) -> None:
        """See :class:`.interface.Link`."""
        self._closed = True
        self.ready.clear()
        if self._task is not None:
            self._task.cancel()
        if self._stream is not None:
            self._stream.up = False
            transport = self._stream.transport
            transport.close()
            asyncio.get_running_loop().call_later(LINGER_S, transport.abort)

    def _connect(self) -> None:
        if not self._closed:
            self._task = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        """Connect and wait for the answer: a host that is stopped accepts, by its kernel, but does not answer."""
        loop = asyncio.get_running_loop()
        stream = _Stream(self)
        try:
            async with asyncio.timeout(interface.HELLO_S):
                await loop.create_connection(lambda: stream, self.address.ip, self.address.port)
                await stream.answered.wait()
        except (OSError, TimeoutError):
            if stream.transport is None:
                self._again()
            else:
                stream.transport.abort()  # its end is heard, and then it is tried again

    def _again(self) -> None:
        if not self._closed:
            asyncio.get_running_loop().call_later(self._backoff, self._connect)
            self._backoff = min(2 * self._backoff, LAST_BACKOFF_S)

    # --- what its streams tell ---------------------------------------------------------------------------------------

    def connected(self, stream: _Stream) -> Hello | None:
        """A stream is open; how to introduce ourselves, None: not at all."""
        hello = self._hub.introduction()
        if self._closed or hello is None:
            return None
        self._stream = stream
        self._life, self._key = hello.life, checksum_key(hello.token)
        return Hello(hello.token, hello.host, hello.life, hello.machine, self.address.host, self.address.life)

    def accepted(self) -> None:
        """The peer knows us now."""
        self._backoff = FIRST_BACKOFF_S
        self.ready.set()
        self._hub.met(self.address.host, self.address.life)

    def disconnected(self, stream: _Stream, was_up: bool) -> None:
        """A stream is over."""
        if self._stream is stream:
            self._stream = None
            self.ready.clear()
        if not self._closed:
            if was_up:
                self._hub.lost(self.address.host, self.address.life)
            self._again()


class _Stream(asyncio.Protocol):
    """One connection of an :class:`Outbound`."""

    def __init__(self, link: Outbound) -> None:
        self.up = self.gone = False
        self.answered = asyncio.Event()
        self.transport: Any = None
        self._link = link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        self.transport = transport
        hello = self._link.connected(self)
        if hello is None:
            self.transport.abort()
        else:
            self.transport.write(hello_frame(hello))

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`: the peer says nothing but that it accepts us."""
        if data != ACCEPTED or self.up or self._link._closed:
            self.gone = True
            self.transport.abort()
            return
        self.up = True
        self.answered.set()
        self._link.accepted()

    def eof_received(self) -> bool:
        """See :class:`asyncio.Protocol`: what is written from here on reaches nobody."""
        self.gone = True
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        was_up, self.up, self.gone = self.up, False, True
        self.answered.set()
        self._link.disconnected(self, was_up)
