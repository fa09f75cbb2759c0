"""Checkpoints of a node's write-ahead log, which would else grow, and be read again at every restart, for good.

Once the log is long and mostly garbage (overwritten keys, truncated and compacted entries), it is set aside, and the
next sync begins a new one. A thread reads what is set aside, on top of the last checkpoint, and writes what it amounts
to as the next checkpoint. It never looks at the node's memory, so the node goes on meanwhile; and it only ever reads
what was synced, so the checkpoint is the state after a prefix of turns::

    checkpoint?  wal                        as it is most of the time
    checkpoint?  wal.old                    set aside (a rename); nothing is acknowledged before the next line
    checkpoint?  wal.old  wal               a new log, its folder synced
    checkpoint?  wal.old  wal  checkpoint.new-3       written, synced
    checkpoint   wal.old  wal               the new checkpoint (a rename), its folder synced; it tells up to which turn
    checkpoint   wal                        what was set aside is removed

A crash leaves one of these lines, each of which is the same state: the checkpoint, then whatever in ``wal.old`` is
later, then ``wal``.

Where a file turns out to be damaged, what cannot be believed is cut off, and with it goes the proof that anything was
there. So a note of the damage comes first, and stays until the life that was told of it has made something durable: its
first turn, in which it can write down what follows from that. A life that dies earlier leaves the note to the next one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import xxhash

from protocols.node import Node

from ..image import APPEND, PUT, RESET, Image, Write
from .records import HEADER, Recovered, SyncFailed, Typed, Types, damaged, encode_record, read_raw, replay, replay_same

WAL, OLD, CHECKPOINT, FRESH = "wal", "wal.old", "checkpoint", "checkpoint.new-"
SUSPECT = "suspect"
"""Left behind by a failed sync. It need not survive the machine: with it goes the page cache that misled us."""
DAMAGED = "damaged"
"""The note of damage, empty: a folder that has it has lost records that were durable, whatever its files look like."""
END = 0x51425745
"""Magic number of a checkpoint's last frame, whose length counts the records before it."""
LEAST = 16 * 2**20
"""Bytes below which a log is left as it is."""
GAIN = 2
"""A checkpoint has to be smaller than the log by this factor; so one that only grows is not copied again and again."""
CHUNK = 128 * 2**10
"""Bytes a record of a checkpoint, about: what is encoded in one piece keeps the interpreter from the event loop."""
_SAMPLE = 64

_encode = msgspec.msgpack.Encoder().encode


class Cancelled(Exception):
    """The node's life ended while its log was being compacted."""


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


# --- reading -------------------------------------------------------------------------------------------------------


def read_checkpoint(data: bytes, image: Image, typed: Typed) -> tuple[int, tuple[int, int]] | None:
    """Apply a whole checkpoint: its records, and the (life, turn) that it goes up to. None if it is damaged."""
    found = replay_same(data, image, typed)
    if len(data) - found.end != HEADER.size:
        return None
    magic, count, life, turn, checksum = HEADER.unpack_from(data, found.end)
    if magic != END or count != found.records or checksum != _sum(count, life, turn):
        return None
    if count and found.last != (life, turn):
        return None
    return count, (life, turn)


def _sum(count: int, life: int, turn: int) -> int:
    return xxhash.xxh3_64_intdigest(b"%d %d %d" % (count, life, turn))


def _read(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def settle(folder: Path) -> None:
    """Make what the files hold durable, and their names."""
    found = [path for path in (folder / OLD, folder / WAL) if path.exists()]
    for path in found:
        fd = os.open(path, os.O_RDWR)
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)
    if found:
        sync_folder(folder)


def _rewrite(folder: Path) -> None:
    """Write the logs anew after a failed sync: the kernel may hold their pages for clean, and never write them."""
    for path in (folder / OLD, folder / WAL):
        if path.exists():
            fresh = folder / f"{FRESH}{path.name}"
            with fresh.open("wb", buffering=0) as file:
                _write_all(file, path.read_bytes())
                os.fdatasync(file.fileno())
            os.rename(fresh, path)
    sync_folder(folder)
    (folder / SUSPECT).unlink()


def _note_damage(folder: Path) -> None:
    """Before anything is cut off: who dies in the midst of it must not leave files that look sound."""
    (folder / DAMAGED).touch()
    sync_folder(folder)


def _cut(path: Path, length: int) -> None:
    with path.open("r+b") as file:
        file.truncate(length)
        os.fsync(file.fileno())


def recover(folder: Path, node: type[Node]) -> tuple[Recovered, int, bool]:
    """What a node's files hold, after a crash at any moment; the damaged rest is cut off.

    Returns:
        what was found (``end``: of ``wal``; ``corrupt`` also where an earlier life found it, and died before it had
        made anything durable); the bytes of all files; whether a log is set aside and in no checkpoint.

    Raises:
        OSError: a file cannot be read, cut or synced.
    """
    if (folder / SUSPECT).exists():
        _rewrite(folder)
    for stray in folder.glob(FRESH + "*"):
        stray.unlink(missing_ok=True)
    typed = Types(node).value
    image, records, last = Image(), 0, (0, 0)
    whole = _read(folder / CHECKPOINT)
    old, log = folder / OLD, folder / WAL
    if whole:
        found = read_checkpoint(whole, image, typed)
        if found is None:  # it was synced before it got its name; without it, what follows means nothing
            _note_damage(folder)
            for path in (log, old):
                path.unlink(missing_ok=True)
            sync_folder(folder)
            (folder / CHECKPOINT).unlink()  # last: as long as it is there, nobody takes the others for all there was
            sync_folder(folder)
            return Recovered(Image(), 0, 0, 1, 0), 0, False
        records, last = found
    torn = aside = 0
    data, later = _read(old), _read(log)
    if data:
        passed = replay(data, image, typed, last, skip=True)
        if passed.end < len(data):  # it had been synced to its end before it was set aside, so this is no torn end
            _note_damage(folder)
            if log.exists():
                _cut(log, 0)  # first: without the end of the old log, it would be taken for what came next
            _cut(old, passed.end)
            later = b""
        if passed.records:
            records, last, aside = records + passed.records, passed.last, passed.end
        else:
            old.unlink()
    rest = replay(later, image, typed, last)
    if rest.end < len(later):
        if damaged(later, rest.end):
            _note_damage(folder)
        else:
            torn = 1
        _cut(log, rest.end)
    corrupt = int((folder / DAMAGED).exists())
    size = len(whole) + aside + rest.end
    # The last life may have died between a write and its sync; the page cache kept what the disk may not have. This
    # life will act on what was read here, so it has to be on disk first.
    settle(folder)
    return Recovered(image, records + rest.records, torn, corrupt, rest.end), size, bool(aside)


# --- writing -------------------------------------------------------------------------------------------------------


def chunks(image: Image) -> Iterator[list[Write]]:
    """The writes that make an image out of nothing, in pieces of about :data:`CHUNK` bytes; values are encoded."""
    writes: list[Write] = []
    size = 0
    for key, value in image.keys.items():
        writes.append((PUT, key, value))
        size += len(key) + len(memoryview(value))
        if size >= CHUNK:
            yield writes
            writes, size = [], 0
    for name, log in image.logs.items():
        writes.append((RESET, name, log.first - 1))
        first = 0
        for number, entry in enumerate(log.entries):
            size += len(memoryview(entry))
            if size >= CHUNK:
                yield [*writes, (APPEND, name, log.entries[first : number + 1])]
                writes, size, first = [], 0, number + 1
        if first < len(log.entries):
            writes.append((APPEND, name, log.entries[first:]))
    if writes:
        yield writes


def estimate(image: Image) -> int:
    """Bytes of a checkpoint of an image, about: from a sample of its values."""
    size = 0
    for values in (list(image.keys.values()), *(log.entries for log in image.logs.values())):
        if values:
            sample = values[:: max(1, len(values) // _SAMPLE)][:_SAMPLE]
            size += len(_encode(sample)) * len(values) // len(sample)
    return size + sum(map(len, image.keys))


class Compaction:
    """Keeps one node's log short, over one life.

    Attributes:
        wanted: the next sync will begin with another file, so it takes longer.
        due: the sync that is about to begin has to begin with :meth:`rotate`.
        size: bytes of all files that a restart would read.
        made, bytes_written: checkpoints so far in this life.
        error: why there are no more; the log grows, but nothing is lost.
    """

    def __init__(self, folder: Path, life: int, image: Image, size: int, unfinished: bool) -> None:
        """Begin.

        Args:
            folder: of the node.
            life: of the node.
            image: what its memory holds, now and whenever the log grows.
            size: bytes of the files.
            unfinished: a log was set aside in an earlier life, and is in no checkpoint yet.
        """
        self.wanted = False
        self.due = False
        self.size = size
        self.made = 0
        self.bytes_written = 0
        self.error: BaseException | None = None
        self._folder = folder
        self._life = life
        self._image = image
        self._unfinished = unfinished
        self._look = max(LEAST, size)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()  # held while files get their names: not after close()
        self._closed = False

    def grown(self, count: int) -> None:
        """So many bytes more are about to be written. On the node's loop, with no sync under way."""
        self.size += count
        if self.wanted:
            self.wanted, self.due = False, True
            return
        if self.size < self._look or self._thread is not None or self.due or self.error is not None:
            return
        if self._unfinished or estimate(self._image) * GAIN <= self.size:
            self.wanted = True
        else:
            self._look = self.size + self.size // 4

    def rotate(self) -> None:
        """Set the log aside, with nothing of it open; the caller opens a new one and syncs the folder.

        Raises:
            OSError: it cannot be renamed.
        """
        if not self._unfinished:  # else there is one already; it is worth a checkpoint, and another may follow
            os.rename(self._folder / WAL, self._folder / OLD)

    def begin(self) -> None:
        """The new log is there: write the checkpoint. No effect if none is due."""
        if self.due:
            self.due = False
            self._unfinished = False
            self._thread = threading.Thread(target=self._run, name="checkpoint", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """The life is over: whatever is under way changes nothing any more."""
        with self._lock:
            self._closed = True

    def join(self, timeout_s: float) -> bool:
        """Wait for a checkpoint under way; whether it has ended."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        return self._thread is None

    def _run(self) -> None:
        try:
            size = self._write()
            self.size = size + (self._folder / WAL).stat().st_size  # give or take what is being written now
            self._look = max(LEAST, GAIN * self.size)
            self.made += 1
            self.bytes_written += size
        except Cancelled:
            pass
        except Exception as error:
            self.error = error
        self._thread = None

    def _write(self) -> int:
        """The thread's work; the size of the new checkpoint."""
        folder = self._folder
        image, last = Image(), (0, 0)
        if whole := _read(folder / CHECKPOINT):
            found = read_checkpoint(whole, image, read_raw)
            if found is None:
                raise SyncFailed(f"{folder / CHECKPOINT} is damaged")
            last = found[1]
        data = _read(folder / OLD)
        passed = replay(data, image, read_raw, last, skip=True)
        if passed.end < len(data):
            raise SyncFailed(f"{folder / OLD} is damaged at {passed.end}")
        fresh = folder / f"{FRESH}{self._life}"
        try:
            size = self._store(fresh, image, passed.last)
            with self._lock:
                if self._closed:
                    raise Cancelled
                os.rename(fresh, folder / CHECKPOINT)
                sync_folder(folder)
                (folder / OLD).unlink()
        except BaseException:
            with suppress(OSError):
                fresh.unlink()
            raise
        return size

    def _store(self, path: Path, image: Image, last: tuple[int, int]) -> int:
        count = size = 0
        with path.open("wb", buffering=0) as file:
            for writes in chunks(image):
                if self._closed:
                    raise Cancelled
                size += _write_all(file, encode_record(*last, writes))
                count += 1
            size += _write_all(file, HEADER.pack(END, count, *last, _sum(count, *last)))
            os.fdatasync(file.fileno())
        return size


def _write_all(file: Any, data: bytes) -> int:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
    return len(data)
