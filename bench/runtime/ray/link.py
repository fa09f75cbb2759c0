"""TCP links between hosts: one stream a direction, one write a tick, and none without the trial's token.

A stream is opened by the sender, who introduces itself and is answered by one byte. It reconnects with a growing
backoff as long as the peers' table names that address. What cannot be written is lost and counted, as on any network.
"""

from __future__ import annotations

import asyncio
import hmac
from typing import Any, Protocol

from .codec import ACCEPTED, HEADER, HELLO, MAX_FRAME, MAX_HELLO, BadFrame, Hello, frame, hello_frame, read_hello
from .orders import Address

HELLO_S = 2.0
"""Seconds a stranger has to introduce itself."""
FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.002, 0.25
BUFFER_LIMIT = 16 * 2**20
"""Bytes waiting for a slow reader above which frames to it are dropped."""


class Hub(Protocol):
    """What links need of the host they belong to."""

    refused: int
    stale: int
    inbound: dict[str, Inbound]
    """The streams of peers that have introduced themselves."""
    seen: dict[str, tuple[int, int]]
    """(life, sequence) of the last frame of each peer."""

    def introduction(self) -> Hello | None:
        """How this host introduces itself now; None between trials."""
        ...

    def arrived(self, stream: Inbound, kind: int, stamp: int, body: bytes) -> None:
        """A frame of a known peer."""
        ...

    def lost(self, peer: str, life: int) -> None:
        """A stream from or to this life of the peer broke."""
        ...


class Nobody:
    """The hub of a host that has no part in a trial: it refuses everybody."""

    def __init__(self) -> None:
        self.refused = self.stale = 0
        self.inbound: dict[str, Inbound] = {}
        self.seen: dict[str, tuple[int, int]] = {}

    def introduction(self) -> Hello | None:
        """See :class:`Hub`."""
        return None

    def arrived(self, stream: Inbound, kind: int, stamp: int, body: bytes) -> None:
        """See :class:`Hub`."""

    def lost(self, peer: str, life: int) -> None:
        """See :class:`Hub`."""


class Inbound(asyncio.Protocol):
    """The receiving end of a stream.

    Attributes:
        peer: the host at the other end, once it has introduced itself; empty before.
        same_clock: whether it runs on this machine, so that its times can be compared with ours.
    """

    def __init__(self, hub: Hub) -> None:
        self.peer = ""
        self.life = 0
        self.same_clock = False
        self._hub = hub
        self._rest = bytearray()
        self._need = HEADER.size
        self._transport: Any = None
        self._hello_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        self._transport = transport
        self._hello_timer = asyncio.get_running_loop().call_later(HELLO_S, self._refuse)

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._need:
                return
            data = bytes(self._rest)
            self._rest.clear()
        offset, size, have = 0, HEADER.size, len(data)
        while have - offset >= size:
            length, kind, life, sequence, stamp = HEADER.unpack_from(data, offset)
            if length > (MAX_FRAME if self.peer else MAX_HELLO) or (not self.peer and kind != HELLO):
                self._refuse()
                return
            end = offset + size + length
            if end > have:
                break
            self._frame(kind, life, sequence, stamp, data[offset + size : end])
            if self._transport.is_closing():
                return
            offset = end
        if offset < have:
            self._rest += data[offset:]
            self._need = size if have - offset < size else size + HEADER.unpack_from(data, offset)[0]

    def _frame(self, kind: int, life: int, sequence: int, stamp: int, body: bytes) -> None:
        if not self.peer:
            self._greet(body)
        elif life != self.life or (life, sequence) <= self._hub.seen[self.peer]:
            self._hub.stale += 1
        else:
            self._hub.seen[self.peer] = (life, sequence)
            self._hub.arrived(self, kind, stamp, body)

    def _greet(self, body: bytes) -> None:
        mine = self._hub.introduction()
        try:
            hello = read_hello(body)
        except BadFrame:
            self._refuse()
            return
        known = self._hub.seen.get(hello.host, (0, 0))
        if mine is None or not hmac.compare_digest(hello.token, mine.token) or hello.life < known[0] or not hello.host:
            self._refuse()
            return
        self.peer, self.life, self.same_clock = hello.host, hello.life, hello.machine == mine.machine
        if hello.life > known[0]:
            self._hub.seen[self.peer] = (hello.life, 0)
        older = self._hub.inbound.get(self.peer)
        self._hub.inbound[self.peer] = self
        if older is not None:
            older.close()
        if self._hello_timer is not None:
            self._hello_timer.cancel()
        self._transport.write(ACCEPTED)

    def _refuse(self) -> None:
        if self._hub.introduction() is not None:
            self._hub.refused += 1
        self.close()

    def close(self) -> None:
        """Drop the stream."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        if self._hello_timer is not None:
            self._hello_timer.cancel()
        if self.peer and self._hub.inbound.get(self.peer) is self:
            del self._hub.inbound[self.peer]
            self._hub.lost(self.peer, self.life)


class Outbound(asyncio.Protocol):
    """The sending end of a stream to one life of a host, over all its connections.

    Attributes:
        address: of the peer.
        ready: set while the peer has accepted us.
        dropped: frames that could not be written.
        frames, bytes_sent: written so far.
    """

    def __init__(self, hub: Hub, address: Address) -> None:
        self.address = address
        self.ready = asyncio.Event()
        self.dropped = 0
        self.frames = 0
        self.bytes_sent = 0
        self._hub = hub
        self._sequence = 0
        self._backoff = FIRST_BACKOFF_S
        self._transport: Any = None
        self._up = False
        self._closed = False
        self._life = 0
        self._task: asyncio.Task[None] | None = None
        self._connect()

    def send(self, kind: int, stamp: int, body: bytes) -> bool:
        """Write one frame; False if it was dropped, because nobody is there or reads too slowly."""
        if not self._up or self._transport.get_write_buffer_size() > BUFFER_LIMIT or len(body) > MAX_FRAME:
            self.dropped += 1
            return False
        self._sequence += 1
        data = frame(kind, self._life, self._sequence, stamp, body)
        self._transport.write(data)
        self.frames += 1
        self.bytes_sent += len(data)
        return True

    def close(self) -> None:
        """Close for good, after what was written has left."""
        self._closed = True
        self._up = False
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.close()

    def _connect(self) -> None:
        if not self._closed:
            self._task = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(HELLO_S):
                loop = asyncio.get_running_loop()
                await loop.create_connection(lambda: self, self.address.ip, self.address.port)
        except (OSError, TimeoutError):
            self._again()

    def _again(self) -> None:
        if not self._closed:
            asyncio.get_running_loop().call_later(self._backoff, self._connect)
            self._backoff = min(2 * self._backoff, LAST_BACKOFF_S)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        hello = self._hub.introduction()
        self._transport = transport
        if self._closed or hello is None:
            self._transport.abort()
            return
        self._life = hello.life
        self._transport.write(hello_frame(hello))

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`: the peer says nothing but that it accepts us."""
        if data != ACCEPTED or self._up:
            self._transport.abort()
            return
        self._up = True
        self._backoff = FIRST_BACKOFF_S
        self.ready.set()

    def connection_lost(self, error: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        was_up, self._up = self._up, False
        self.ready.clear()
        self._transport = None
        if not self._closed:
            if was_up:
                self._hub.lost(self.address.host, self.address.life)
            self._again()
