"""A node's disk in the live world: one write-ahead log of framed and checksummed records, one a turn or a group.

SIGKILL never loses the page cache, so a missing sync could not be seen from outside a process that had already handed
its writes to the kernel. Therefore records wait in the node's own memory until a sync begins, which writes and syncs
them together: what was not synced dies with the process, and an effect that left too early is found out.

The sync runs in a thread, so that heartbeats flow while the disk works. A log that has become long and is mostly
garbage is replaced by a checkpoint of what it amounts to, in another thread; see :mod:`.checkpoint`.
"""

from __future__ import annotations

import os
import threading
from array import array
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from time import monotonic_ns

from protocols.node import Node

from ..image import APPEND, Write
from . import checkpoint
from .records import Recovered, SyncFailed, encode_record

MOST_TIMES = 1_000_000
"""Sync durations kept a life."""
FAST = 2_000_000
"""ns: a disk whose syncs take less than this, of late, is synced on the event loop; see :attr:`Wal.fast`."""
_LEARN = 8


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
        self._compaction: checkpoint.Compaction | None = None
        self._damaged = False  # a note of it has to go

    def recover(self, node: type[Node]) -> Recovered:
        """What earlier lives left; the damaged rest is cut off. The image must go on to show what is written.

        Raises:
            OSError: a file cannot be read or cut.
        """
        found, size, unfinished = checkpoint.recover(self.path.parent, node)
        self._compaction = checkpoint.Compaction(self.path.parent, self.life, found.image, size, unfinished)
        self._damaged = found.corrupt > 0
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
        if self._compaction is not None and self._compaction.wanted:
            return False
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
            raise self._failure(failure) from failure
        self._stored(self._turn, len(data), monotonic_ns() - began)
        return self._turn

    def _failure(self, failure: OSError) -> SyncFailed:
        with suppress(OSError):
            (self.path.parent / checkpoint.SUSPECT).touch()
        return SyncFailed(f"{self.path}: {failure}")

    def _take(self) -> bytes:
        data = encode_record(self.life, self._turn, self._buffer)
        self._buffer = []
        if self._compaction is not None:
            self._compaction.grown(len(data))
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
        if self._compaction is not None:
            self._compaction.close()
        self._work.put(None)
        if self._thread is None and self._fd >= 0:
            os.close(self._fd)

    def join(self, timeout_s: float) -> bool:
        """After :meth:`close`: wait until its threads leave the files alone; whether they do. Else, a later life might
        miss a record that a still later one finds."""
        if self._thread is not None:
            self._thread.join(timeout_s)
        compacted = self._compaction is None or self._compaction.join(timeout_s)
        return compacted and (self._thread is None or not self._thread.is_alive())

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
                error = self._failure(failure)
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
        compaction = self._compaction
        if compaction is not None and compaction.due:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
            compaction.rotate()
        if self._fd < 0:
            self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            checkpoint.sync_folder(self.path.parent)  # else the file itself may be gone after a power loss
            if compaction is not None:
                compaction.begin()
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        os.fdatasync(self._fd)
        if self._damaged:  # the node's first turn is durable, and what it concludes from the damage with it
            self._damaged = False
            with suppress(OSError):  # then the next life is told once more
                (self.path.parent / checkpoint.DAMAGED).unlink()


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
