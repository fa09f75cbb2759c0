"""A node's disk in the live world: one write-ahead log of framed and checksummed records, one a turn or a group.

SIGKILL never loses the page cache, so a missing sync could not be seen from outside a process that had already handed
its writes to the kernel. Therefore records wait in the node's own memory until a sync begins, which writes and syncs
them together: what was not synced dies with the process, and an effect that left too early is found out.

The sync runs in a thread, so that heartbeats flow while the disk works.
"""

from __future__ import annotations

import os
import struct
import threading
from array import array
from collections.abc import Callable, Iterable
from pathlib import Path
from queue import SimpleQueue
from time import monotonic_ns
from typing import Any, NamedTuple

import msgspec
import xxhash

from protocols.node import Node, stored_type

from ..image import APPEND, PUT, Image, Write

MAGIC = 0x5142574C
HEADER = struct.Struct("<IIIQQ")
"""Magic number, length of the payload, life, turn (the last one it holds), xxh3 of (life, turn, payload)."""
MAX_RECORD = 2**30
FAST = 2_000_000
"""ns: a disk whose syncs take less than this, of late, is synced on the event loop; see :attr:`Wal.fast`."""
_LEARN = 8
MOST_TIMES = 1_000_000
"""Sync durations kept a life."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[int, str, msgspec.Raw]]).decode
_seed = struct.Struct("<IQ").pack


class Recovered(NamedTuple):
    """What a log held. Attributes:

    image: keys and logs; those of children still encoded (see :func:`thaw`).
    records: intact ones.
    torn: 1 if bytes of an unfinished record were cut off at the end.
    corrupt: damaged records that intact ones followed; they and all that followed were cut off.
    end: length in bytes of the intact part.
    """

    image: Image
    records: int
    torn: int
    corrupt: int
    end: int


def encode_record(life: int, turn: int, writes: list[Write]) -> bytes:
    """The writes of a turn, or of several up to ``turn``, framed.

    Raises:
        SyncFailed: they are too long for one record.
    """
    payload = _encode(writes)
    if len(payload) > MAX_RECORD:
        raise SyncFailed(f"a record of {len(payload)} bytes is above the limit of {MAX_RECORD}")
    checksum = xxhash.xxh3_64_intdigest(_seed(life, turn) + payload)
    return HEADER.pack(MAGIC, len(payload), life, turn, checksum) + payload


def _record_at(data: bytes, offset: int) -> tuple[int, int, bytes, int] | None:
    """(life, turn, payload, end) of the intact record at ``offset``, or None."""
    start = offset + HEADER.size
    if start > len(data):
        return None
    magic, length, life, turn, checksum = HEADER.unpack_from(data, offset)
    if magic != MAGIC or length > MAX_RECORD or start + length > len(data):
        return None
    payload = data[start : start + length]
    if xxhash.xxh3_64_intdigest(_seed(life, turn) + payload) != checksum:
        return None
    return life, turn, payload, start + length


def _followed(data: bytes, offset: int) -> bool:
    """Whether an intact record begins anywhere behind ``offset``."""
    magic = MAGIC.to_bytes(4, "little")
    while (offset := data.find(magic, offset + 1)) >= 0:
        if _record_at(data, offset) is not None:
            return True
    return False


def read_wal(data: bytes, node: type[Node]) -> Recovered:
    """Apply the records up to the first that is damaged, missing or out of order.

    Args:
        data: the file.
        node: whose ``stored`` declares the types of keys and entries.
    """
    image = Image()
    typed = _Types(node).value
    offset, records, last = 0, 0, (0, 0)
    while (record := _record_at(data, offset)) is not None:
        life, turn, payload, end = record
        if (life, turn) <= last:
            break
        last = (life, turn)
        image.apply([(kind, name, typed(kind, name, raw)) for kind, name, raw in _decode(payload)])
        records += 1
        offset = end
    bad = offset < len(data)
    corrupt = bad and (_record_at(data, offset) is not None or _followed(data, offset))
    return Recovered(image, records, int(bad and not corrupt), int(corrupt), offset)


class _Types:
    """Decodes the values of one node class; the decoder of a name is made once."""

    def __init__(self, node: type[Node]) -> None:
        self._node = node
        self._decoders: dict[tuple[int, str], msgspec.msgpack.Decoder[Any]] = {}

    def value(self, kind: int, name: str, raw: msgspec.Raw) -> Any:
        """The value of a write. A child's (``path/name``) stays encoded until the child is made."""
        if kind not in (PUT, APPEND):
            return msgspec.msgpack.decode(raw)
        decoder = self._decoders.get((kind, name))
        if decoder is not None:
            return decoder.decode(raw)
        if "/" in name.partition(":")[0]:
            return raw.copy() if kind == PUT else _split(raw)
        declared: Any = stored_type(self._node, name)
        decoder = msgspec.msgpack.Decoder(declared if kind == PUT else tuple[declared, ...])
        self._decoders[kind, name] = decoder
        return decoder.decode(raw)


def _split(raw: msgspec.Raw) -> list[msgspec.Raw]:
    return [each.copy() for each in msgspec.msgpack.decode(raw, type=list[msgspec.Raw])]


def thaw(image: Image, prefix: str, node: type[Node]) -> None:
    """Decode what a child finds below ``prefix``, in place, now that its class is known."""
    for key, value in image.keys.items():
        if type(value) is msgspec.Raw and (name := _own(key, prefix)):
            image.keys[key] = msgspec.msgpack.decode(value, type=stored_type(node, name))
    for key, log in image.logs.items():
        if (name := _own(key, prefix)) and any(type(entry) is msgspec.Raw for entry in log.entries):
            kind = stored_type(node, name)
            log.entries[:] = [
                msgspec.msgpack.decode(entry, type=kind) if type(entry) is msgspec.Raw else entry
                for entry in log.entries
            ]


def _own(key: str, prefix: str) -> str:
    """The name below the prefix, empty if it is not there or belongs to a child further down."""
    name = key[len(prefix) :] if key.startswith(prefix) else ""
    return "" if "/" in name.partition(":")[0] else name


class SyncFailed(OSError):
    """The disk did not take a write; after a failed sync nobody knows what is on it, so the node must die."""


class Wal:
    """One node's write-ahead log, over one life.

    Attributes:
        durable_turn: the records of all turns up to this one are on disk. Only a finished fdatasync raises it.
        extra: ns that every sync takes longer (a slow disk); the wait comes before the write.
        fsyncs, bytes_written: so far in this life.
        sync_times: ns each sync took.
    """

    def __init__(self, folder: Path, life: int, done: Callable[[int, BaseException | None], None]) -> None:
        """Prepare; nothing is opened before :meth:`recover` or the first sync.

        Args:
            folder: exists, and survives the process.
            life: number of this life of the node, above that of any earlier one.
            done: called in the sync's thread with (turn, error) when a sync ends.
        """
        self.path = folder / "wal"
        self.life = life
        self.durable_turn = 0
        self.extra = 0
        self.fsyncs = 0
        self.bytes_written = 0
        self.sync_times: array[int] = array("q")
        self.syncing = False
        self._recent = 0  # ns a sync, smoothed
        self._done = done
        self._buffer: list[Write] = []
        self._turn = 0
        self._fd = -1
        self._work: SimpleQueue[tuple[int, bytes] | None] = SimpleQueue()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def recover(self, node: type[Node]) -> Recovered:
        """What earlier lives left; the damaged rest of the file is cut off.

        Raises:
            OSError: the file cannot be read or cut.
        """
        data = self.path.read_bytes() if self.path.exists() else b""
        found = read_wal(data, node)
        if found.end < len(data):
            with self.path.open("r+b") as file:
                file.truncate(found.end)
                os.fsync(file.fileno())
        return found

    def write(self, turn: int, writes: list[Write]) -> None:
        """Take a turn's writes into memory; :meth:`sync` makes them durable.

        Turns that are synced together share a record: none of their effects has left, so losing all of them is a crash
        before the first, and atomic turns stay atomic. Values cannot change until then: stored types are immutable.
        """
        buffer = self._buffer
        for write in writes:
            kind, name, what = write
            if kind != APPEND:
                buffer.append(write)
            elif buffer and buffer[-1][0] == APPEND and buffer[-1][1] == name:
                buffer[-1][2].extend(what)
            else:
                buffer.append((APPEND, name, list(what)))
        self._turn = turn

    @property
    def waiting(self) -> bool:
        """Whether writes wait for a sync that has not begun."""
        return bool(self._buffer)

    @property
    def fast(self) -> bool:
        """Whether the event loop may wait for a sync itself.

        Two thread switches and a wait for the interpreter lock cost more than a fast disk does; behind a slow one,
        heartbeats must flow.
        """
        return not self.extra and self.fsyncs >= _LEARN and self._recent < FAST

    def sync(self) -> int:
        """Begin to write and sync all that waits; ``done`` tells the end. Returns the turn it will cover.

        Raises:
            SyncFailed: all that waits is longer than a record may be.
        """
        assert not self.syncing and self._buffer
        data = self._take()
        self.syncing = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="wal", daemon=True)
            self._thread.start()
        self._work.put((self._turn, data))
        return self._turn

    def sync_now(self) -> int:
        """Write and sync all that waits, here. Returns the turn that it covers.

        Raises:
            SyncFailed: nobody knows what is on disk, so the node must die.
        """
        assert not self.syncing and self._buffer
        data, began = self._take(), monotonic_ns()
        try:
            self._store(data)
        except OSError as failure:
            raise SyncFailed(f"{self.path}: {failure}") from failure
        self._stored(self._turn, len(data), monotonic_ns() - began)
        return self._turn

    def _take(self) -> bytes:
        data = encode_record(self.life, self._turn, self._buffer)
        self._buffer = []
        return data

    def _stored(self, turn: int, size: int, took: int) -> None:
        self.durable_turn = turn
        self.fsyncs += 1
        self.bytes_written += size
        self._recent += (took - self._recent) // _LEARN
        if len(self.sync_times) < MOST_TIMES:
            self.sync_times.append(took)

    def close(self) -> None:
        """Let the node go: what waits is dropped, a sync under way ends unheard."""
        self._closed.set()
        self._work.put(None)
        if self._thread is None and self._fd >= 0:
            os.close(self._fd)

    def _run(self) -> None:
        """The sync's thread."""
        while (job := self._work.get()) is not None:
            turn, data = job
            began = monotonic_ns()
            error: BaseException | None = None
            try:
                if self.extra and self._closed.wait(self.extra / 1e9):
                    break
                self._store(data)
            except OSError as failure:
                error = SyncFailed(f"{self.path}: {failure}")
            if self._closed.is_set():
                break
            if error is None:
                self._stored(turn, len(data), monotonic_ns() - began)
            self.syncing = False
            self._done(turn, error)
            if error is not None:
                break  # the kernel may have dropped the pages: a second fdatasync would succeed and mean nothing
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _store(self, data: bytes) -> None:
        if self._fd < 0:
            self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            _sync_folder(self.path.parent)  # else the file itself may be gone after a power loss
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        os.fdatasync(self._fd)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def append_note(fd: int, notes: Iterable[bytes]) -> None:
    """Append length-prefixed notes to a file in one write, unsynced: they outlive the process, not the machine."""
    os.write(fd, b"".join(len(note).to_bytes(4, "little") + note for note in notes))


def read_notes(path: Path) -> list[bytes]:
    """The notes that were appended whole; a process may have died within the last."""
    return split_notes(path.read_bytes() if path.exists() else b"")[0]


def split_notes(data: bytes) -> tuple[list[bytes], int]:
    """The notes that are whole, and where the last of them ends."""
    notes, offset = [], 0
    while offset + 4 <= len(data):
        end = offset + 4 + int.from_bytes(data[offset : offset + 4], "little")
        if end > len(data):
            break
        notes.append(data[offset + 4 : end])
        offset = end
    return notes, offset
