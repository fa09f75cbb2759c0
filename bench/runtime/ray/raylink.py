"""Links whose frames travel as Ray actor calls, from host actor to host actor; see :mod:`.interface`.

What is sent while calls are under way leaves with the next one, as a batch. Ray keeps no order among calls to an async
actor, so each call carries its number in the stream, and a call that overtook others waits for them where it arrived:
as a sender has few calls under way, few can wait, and no time-out is needed. A call that fails ends the stream, which
is then opened anew, and the frames that were on their way are lost. One call that stays without an answer for as long
as the stream lasts tells the sender when the peer is gone, as the end of a TCP stream would.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from functools import partial
from typing import Any

from .codec import MAX_FRAME, BadFrame, Hello, checksum_key, frame, hello_frame
from .interface import BUFFER_LIMIT, FIRST_BACKOFF_S, LAST_BACKOFF_S, Hub, Incoming
from .orders import Address

IN_FLIGHT = 2
"""Calls of one link under way at once. One, two, four and sixteen could not be told apart (``measure_ray_link``): what
waits travels with the next call, so more of them save no time; two keep a link busy while an answer travels."""
BATCH = 90 * 1024
"""Bytes of a call: above 100 KiB Ray stores arguments instead of sending them along, which takes milliseconds."""


def dump_handle(actor: Any) -> bytes:
    """An actor's handle as it travels in an :class:`Address`."""
    from ray import cloudpickle

    data: bytes = cloudpickle.dumps(actor)  # type: ignore[no-untyped-call]
    return data


def load_handle(data: bytes) -> Any:
    """The reverse of :func:`dump_handle`."""
    from ray import cloudpickle

    return cloudpickle.loads(data)


class RayDoor:
    """Where the calls of other hosts arrive, for one trial."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._streams: dict[bytes, RayInbound] = {}

    def open(self, hello: bytes) -> bytes:
        """Admit a sender that introduces itself; the key of its stream, empty if it is refused."""
        stream = RayInbound(self._hub, self)
        try:
            if stream.feed(hello) != len(hello) or not stream.peer:
                raise BadFrame("not one hello")
        except BadFrame:
            stream.close()
            if self._hub.introduction() is not None:
                self._hub.refused += 1
            return b""
        self._streams[stream.key] = stream
        return stream.key

    async def frames(self, key: bytes, number: int, data: bytes) -> bool:
        """Take call ``number`` of a stream, in its turn; False if there is no such stream, or not any more."""
        stream = self._streams.get(key)
        if stream is None:
            self._hub.stale += 1
            return False
        return await stream.take(number, data)

    async def watch(self, key: bytes) -> None:
        """Wait until that stream is over."""
        stream = self._streams.get(key)
        if stream is not None:
            await stream.over.wait()

    def forget(self, key: bytes) -> None:
        """That stream is over."""
        self._streams.pop(key, None)

    def close(self) -> None:
        """End all streams."""
        for stream in list(self._streams.values()):
            stream.close()


class RayInbound(Incoming):
    """The receiving end of a stream.

    Attributes:
        key: known to nobody but its sender.
        over: set at the end.
    """

    def __init__(self, hub: Hub, door: RayDoor) -> None:
        super().__init__(hub)
        self.key = secrets.token_bytes(16)
        self.over = asyncio.Event()
        self._door = door
        self._next = 1
        self._turns: dict[int, asyncio.Event] = {}
        self._free = asyncio.Event()
        self._free.set()

    async def take(self, number: int, data: bytes) -> bool:
        """See :meth:`RayDoor.frames`."""
        if number < self._next or number in self._turns or number >= self._next + 64 * IN_FLIGHT:
            self._refuse()
            return False
        if number > self._next:
            turn = self._turns[number] = asyncio.Event()
            await turn.wait()
            del self._turns[number]
        while self.open and not self._free.is_set():
            await self._free.wait()
        if not self.open:
            return False
        try:
            if self.feed(data) != len(data):
                raise BadFrame("half a frame")
        except BadFrame:
            self._refuse()
            return False
        self._next += 1
        if (following := self._turns.get(self._next)) is not None:
            following.set()
        return True

    def _refuse(self) -> None:
        self._hub.refused += 1
        self.close()

    def pause(self) -> None:
        """See :class:`Incoming`."""
        self._free.clear()

    def resume(self) -> None:
        """See :class:`Incoming`."""
        self._free.set()

    def close(self) -> None:
        """See :class:`Incoming`."""
        if not self.open:
            return
        super().close()
        self._door.forget(self.key)
        self._free.set()
        for turn in self._turns.values():
            turn.set()
        self.over.set()
        self.ended()


class RayLink:
    """The sending end: see :class:`.interface.Link`."""

    def __init__(self, hub: Hub, address: Address, actor: Any = None) -> None:
        """``actor``: instead of the one whose handle is in the address."""
        self.address = address
        self.ready = asyncio.Event()
        self.dropped = 0
        self.frames = 0
        self.bytes_sent = 0
        self._hub = hub
        self._actor = load_handle(address.handle) if actor is None else actor
        self._sequence = 0
        self._closed = False
        self._life = 0
        self._checksum_key = 0
        self._key = b""  # of the stream; empty while there is none
        self._number = 0
        self._in_flight = 0
        self._queue: deque[bytes] = deque()
        self._waiting = 0
        self._fate: asyncio.Future[bool] | None = None
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def waiting(self) -> int:
        """Bytes that wait here, those of calls under way included."""
        return self._waiting

    def send(self, kind: int, stamp: int, body: bytes) -> bool:
        """See :class:`.interface.Link`."""
        full = self._waiting and self._waiting + len(body) > BUFFER_LIMIT
        if not self._key or full or len(body) > MAX_FRAME:
            self.dropped += 1
            return False
        self._sequence += 1
        data = frame(self._checksum_key, kind, self._life, self._sequence, stamp, body)
        self._queue.append(data)
        self._waiting += len(data)
        self.frames += 1
        self.bytes_sent += len(data)
        self._pump()
        return True

    def close(self) -> None:
        """See :class:`.interface.Link`."""
        self._closed = True
        self._end_stream()
        self._task.cancel()

    # --- streams -----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Open a stream, one after the other, until the peer is dead for good."""
        backoff = FIRST_BACKOFF_S
        while not self._closed:
            opened, dead = await self._stream()
            if dead:
                return  # nobody restarts an actor but the supervisor, as another actor with another address
            backoff = FIRST_BACKOFF_S if opened else min(2 * backoff, LAST_BACKOFF_S)
            await asyncio.sleep(backoff)

    async def _stream(self) -> tuple[bool, bool]:
        """One stream from its beginning to its end. (whether it was opened, whether the peer is dead)."""
        hello = self._hub.introduction()
        if hello is None:
            return False, False
        to = self.address
        hello = Hello(hello.token, hello.host, hello.life, hello.machine, to.host, to.life)
        try:  # a stopped host answers when it continues; Ray tells if it dies before
            key = await _answer(self._actor.link_open.remote(hello_frame(hello)))
        except Exception as error:
            return False, _is_death(error)
        if not key:
            return False, False
        self._key, self._life, self._checksum_key = key, hello.life, checksum_key(hello.token)
        fate = self._fate = asyncio.get_running_loop().create_future()
        watch = _answer(self._actor.link_watch.remote(key))
        watch.add_done_callback(partial(self._over, key))
        self.ready.set()
        self._hub.met(to.host, to.life)
        dead = await fate
        self._end_stream()
        self._hub.lost(to.host, to.life)
        return True, dead

    def _over(self, key: bytes, done: asyncio.Future[Any]) -> None:
        """The peer ended the stream, or a call failed."""
        error = None if done.cancelled() else done.exception()
        if key == self._key and self._fate is not None and not self._fate.done():
            self._fate.set_result(error is not None and _is_death(error))

    def _end_stream(self) -> None:
        self._key = b""
        self.ready.clear()
        self.dropped += len(self._queue)
        self._queue.clear()
        self._waiting = self._number = self._in_flight = 0

    def _pump(self) -> None:
        """Start calls while they may be started and there is something to send."""
        while self._queue and self._in_flight < IN_FLIGHT:
            batch = [self._queue.popleft()]
            size = len(batch[0])
            while self._queue and size + len(self._queue[0]) <= BATCH:
                size += len(self._queue[0])
                batch.append(self._queue.popleft())
            self._number += 1
            self._in_flight += 1
            call = _answer(self._actor.link_frames.remote(self._key, self._number, b"".join(batch)))
            call.add_done_callback(partial(self._done, self._key, size))

    def _done(self, key: bytes, size: int, done: asyncio.Future[Any]) -> None:
        if done.cancelled() or done.exception() is not None or not done.result():
            self._over(key, done)
        elif key == self._key:
            self._in_flight -= 1
            self._waiting -= size
            self._pump()


def _answer(ref: Any) -> asyncio.Future[Any]:
    """The answer to a call."""
    return asyncio.wrap_future(ref.future())


def _is_death(error: BaseException) -> bool:
    """Whether the actor will never answer again; else it, or the way to it, is unavailable for now."""
    from ray.exceptions import ActorDiedError

    return isinstance(error, ActorDiedError)
