"""What a link is, whatever carries it: :mod:`.link` (TCP streams) and :mod:`.raylink` (actor calls) are the two kinds.

A link goes one way, from a host to one life of another. Its frames arrive in the order of sending, each at most once,
and some not at all: what waits is bounded in bytes, and what does not fit is dropped and counted by the sender.
Protocols are promised less (:mod:`protocols.node` says nothing about order), but ``Network.fifo`` is a promise, and a
comparison of two kinds of links should not compare two networks.
"""

from __future__ import annotations

import asyncio
import hmac
from typing import Protocol

from .codec import (
    CHECKED_AT,
    GONE,
    HEADER,
    HELLO,
    MAX_FRAME,
    MAX_HELLO,
    PLAIN,
    SCOPED,
    BadFrame,
    Hello,
    checksum_key,
    intact,
    read_hello,
)
from .orders import Address

HELLO_S = 2.0
"""Seconds a stranger has to introduce itself, and a peer to answer."""
FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.002, 0.25
BUFFER_LIMIT = 16 * 2**20
"""Bytes that may wait for a slow reader; a frame that would exceed it is dropped."""

_KINDS = (PLAIN, SCOPED, GONE)


class Hub(Protocol):
    """What links need of the host they belong to."""

    refused: int
    stale: int
    inbound: dict[str, Incoming]
    """The streams of peers that have introduced themselves."""
    seen: dict[str, tuple[int, int]]
    """(life, sequence) of the last frame of each peer."""

    def introduction(self) -> Hello | None:
        """How this host introduces itself now; None between trials."""
        ...

    def arrived(self, stream: Incoming, kind: int, stamp: int, body: bytes) -> None:
        """A frame of a known peer."""
        ...

    def met(self, peer: str, life: int) -> None:
        """A stream from or to this life of the peer is open."""
        ...

    def lost(self, peer: str, life: int) -> None:
        """A stream from or to this life of the peer broke."""
        ...


class Link(Protocol):
    """The sending end of a link to one life of a host, over all its connections.

    Attributes:
        address: of the peer.
        ready: set while the peer has accepted us.
        dropped: frames that could not be sent.
        frames, bytes_sent: sent so far.
    """

    address: Address
    ready: asyncio.Event
    dropped: int
    frames: int
    bytes_sent: int

    @property
    def waiting(self) -> int:
        """Bytes that wait here for the peer."""
        ...

    def send(self, kind: int, stamp: int, body: bytes) -> bool:
        """Send one frame; False if it was dropped, because nobody is there or reads too slowly."""
        ...

    def close(self) -> None:
        """Close for good, after what was sent has left, if that is soon."""
        ...


class Nobody:
    """The hub of a host that has no part in a trial: it refuses everybody."""

    def __init__(self) -> None:
        self.refused = self.stale = 0
        self.inbound: dict[str, Incoming] = {}
        self.seen: dict[str, tuple[int, int]] = {}

    def introduction(self) -> Hello | None:
        """See :class:`Hub`."""
        return None

    def arrived(self, stream: Incoming, kind: int, stamp: int, body: bytes) -> None:
        """See :class:`Hub`."""

    def met(self, peer: str, life: int) -> None:
        """See :class:`Hub`."""

    def lost(self, peer: str, life: int) -> None:
        """See :class:`Hub`."""


class Incoming:
    """The receiving end of a stream: admits its sender, and passes on the frames that are its own, new and whole.

    Attributes:
        peer: the host at the other end, once it has introduced itself; empty before.
        life: of that host.
        same_clock: whether it runs on this machine, so that its times can be compared with ours.
        open: it has not been closed.
    """

    def __init__(self, hub: Hub) -> None:
        self.peer = ""
        self.life = 0
        self.same_clock = False
        self.open = True
        self._hub = hub
        self._key = 0

    def feed(self, data: bytes) -> int:
        """Take the whole frames at the start of ``data``; how many bytes that were.

        Raises:
            BadFrame: the sender is not admitted, or these are not its frames: nothing more can be made of the stream.
        """
        offset, size, have = 0, HEADER.size, len(data)
        view = memoryview(data)
        while have - offset >= size:
            checksum, length, kind, life, sequence, stamp = HEADER.unpack_from(data, offset)
            if not self.peer:
                if kind != HELLO or length > MAX_HELLO:
                    raise BadFrame("no hello")
            elif length > MAX_FRAME or kind not in _KINDS or life != self.life:
                raise BadFrame(f"a header of kind {kind}, life {life} and {length} bytes")
            body_at = offset + size
            end = body_at + length
            if end > have:
                break
            body, checked = data[body_at:end], view[offset + CHECKED_AT : end]
            if not self.peer:
                self._greet(checked, body, checksum)
            elif not intact(self._key, checked, checksum):
                raise BadFrame("a damaged frame")
            elif (life, sequence) <= self._hub.seen[self.peer]:
                self._hub.stale += 1
            else:
                self._hub.seen[self.peer] = (life, sequence)
                self._hub.arrived(self, kind, stamp, body)
            offset = end
            if not self.open:
                break
        return offset

    def _greet(self, checked: memoryview, body: bytes, checksum: int) -> None:
        """Admit a peer with the token, in its newest life, that means us in this life; it replaces its older stream."""
        mine = self._hub.introduction()
        if mine is None:
            raise BadFrame("nobody is here")
        self._key = checksum_key(mine.token)
        if not intact(self._key, checked, checksum):
            raise BadFrame("a damaged hello, or one of another trial")
        hello = read_hello(body)
        if not hmac.compare_digest(hello.token, mine.token):
            raise BadFrame("without the trial's token")
        if (hello.to_host, hello.to_life) != (mine.host, mine.life):
            raise BadFrame(f"meant for {hello.to_host} in life {hello.to_life}")
        known = self._hub.seen.get(hello.host, (0, 0))
        if not hello.host or hello.host == mine.host or hello.life < max(1, known[0]):
            raise BadFrame(f"said to be {hello.host} in life {hello.life}")
        self.peer, self.life, self.same_clock = hello.host, hello.life, hello.machine == mine.machine
        if hello.life > known[0]:
            self._hub.seen[self.peer] = (hello.life, 0)
        older = self._hub.inbound.get(self.peer)
        self._hub.inbound[self.peer] = self
        if older is not None:
            older.close()
        self.admitted()
        self._hub.met(self.peer, self.life)

    def admitted(self) -> None:
        """The peer has introduced itself."""

    def ended(self) -> None:
        """To be called once when the stream is over."""
        self.open = False
        if self.peer and self._hub.inbound.get(self.peer) is self:
            del self._hub.inbound[self.peer]
            self._hub.lost(self.peer, self.life)

    def close(self) -> None:
        """Drop the stream."""
        self.open = False

    def pause(self) -> None:
        """Take nothing more for now: the sender's buffer fills."""

    def resume(self) -> None:
        """Take more."""
