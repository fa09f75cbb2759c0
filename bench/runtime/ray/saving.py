"""The history while a run goes: from the generator's process, through a file of its own, into the run's folder.

The generator's host appends what was recorded to a file beside the nodes' state, from a thread, five times a second:
that outlives its process. The driver follows that file and streams it to where the run is kept: that outlives the
driver. Where the generator is on another machine, its file is followed by calls.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from ...errors import HarnessError
from ...history import INFO, NEVER, NOTHING, History, HistoryBuilder
from ...history.history import COLUMNS
from ...history.storage import HistoryWriter, settle
from .storage import read_notes, split_notes

if TYPE_CHECKING:
    from .slots import Slot
    from .supervisor import Supervisor

PULL_S = 0.25
"""Seconds between two looks at the generator's file."""
PULL_TIMEOUT_S = 5.0
"""Seconds that a generator on another machine may take for one."""
MOST = 4 * 2**20
"""Bytes of one look."""

UP_TO = "up to"
"""Beside the columns of a note: ns from the start of the load, before which nothing is missing."""

_decode = msgspec.msgpack.Decoder(dict[str, bytes]).decode


def history_file(folder: str | os.PathLike[str], host: str) -> Path:
    """Where a generator's host saves what was recorded, below the trial's folder."""
    return Path(folder) / f"history-{host}"


def read_from(path: Path, offset: int) -> bytes:
    """Some of a file from an offset on; nothing if it is not there."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(MOST)
    except FileNotFoundError:
        return b""


class Joined:
    """What several generators have saved, as far as all of them have got: of a whole history, a whole beginning.

    One that is ahead has seen values that another has not yet told of; those rows wait, and so do the ends of
    operations that ended later than that. One generator never waits.

    Attributes:
        margin: ns by which the generators' clocks may be out of step.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._up_to = dict.fromkeys(names, -1)
        self._waiting: list[dict[str, np.ndarray[Any, Any]]] = []
        self.margin = 0

    def add(self, name: str, note: bytes) -> None:
        """What one of them has saved; see :meth:`bench.runtime.ray.generator.Generator.unsaved`."""
        columns = _decode(note)
        self._up_to[name] = int.from_bytes(columns.pop(UP_TO), "little", signed=True)
        if columns:
            self._waiting.append({each: np.frombuffer(columns[each], code) for each, code in COLUMNS.items()})

    def take(self) -> dict[str, bytes]:
        """The rows that need not wait any more; empty if there are none."""
        if not self._waiting:
            return {}
        rows = {name: np.concatenate([each[name] for each in self._waiting]) for name in COLUMNS}
        horizon = min(self._up_to.values())
        begun = rows["invoked"] <= horizon
        ended = rows["completed"] <= horizon - self.margin
        waits = ~begun | (~ended & (rows["completed"] < NEVER))
        self._waiting = [{name: column[waits] for name, column in rows.items()}] if waits.any() else []
        early = (begun & waits)[begun]
        taken = {name: column[begun] for name, column in rows.items()}
        for name, value in (("result", NOTHING), ("completed", NEVER), ("outcome", INFO)):
            taken[name][early] = value  # it is under way, as far as all of them know
        return {name: column.tobytes() for name, column in taken.items()} if begun.any() else {}


def saved_history(supervisor: Supervisor) -> History:
    """What the generators of a trial have saved, as far as it is on this machine's disks."""
    slots = [slot for slot in supervisor.slots.values() if slot.generator and slot.seat is not None]
    joined = Joined(slot.name for slot in slots)
    for slot in slots:
        assert slot.seat is not None
        for note in read_notes(history_file(supervisor.pool.folder(slot.seat, supervisor.folder), slot.name)):
            joined.add(slot.name, note)
    joined.margin = supervisor.recorders.margin
    builder = HistoryBuilder(clocks=supervisor.recorders.several)
    for name, column in supervisor.recorders.stamped(joined.take()).items():
        builder.columns[name].frombytes(column)
    return settle(builder.build())


class Follower:
    """Streams what the generators save to ``path`` + ``.unfinished``, from a thread; see :class:`HistoryWriter`."""

    def __init__(self, path: Path, supervisor: Supervisor, complain: Callable[[str], None]) -> None:
        """Begin, once all places of the trial are filled.

        Args:
            path: of the history; its folder exists.
            supervisor: of the trial.
            complain: told in a sentence if the history cannot be stored; the run goes on.

        Raises:
            OSError: the folder cannot be written.
        """
        self._supervisor = supervisor
        self._complain = complain
        self._slots = [slot for slot in supervisor.slots.values() if slot.generator]
        self._offsets = dict.fromkeys((slot.name for slot in self._slots), 0)
        self._joined = Joined(self._offsets)
        self._over = threading.Event()
        self._writer = HistoryWriter(path, clocks=supervisor.recorders.several)
        self._thread = threading.Thread(target=self._run, name="history-follower", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._over.wait(PULL_S):
                self.pull()
        except (HarnessError, OSError) as error:
            self._complain(str(error))
            self._over.set()

    def pull(self) -> None:
        """Bring over what is new.

        Raises:
            HarnessError, OSError: it cannot be stored.
        """
        for slot in self._slots:
            while data := self._read(slot, self._offsets[slot.name]):
                notes, end = split_notes(data)
                for note in notes:
                    self._joined.add(slot.name, note)
                self._offsets[slot.name] += end
                if not end or len(data) < MOST:
                    break
        self._joined.margin = self._supervisor.recorders.margin
        if rows := self._joined.take():
            self._writer.extend(self._supervisor.recorders.stamped(rows))

    def _read(self, slot: Slot, offset: int) -> bytes:
        seat = slot.seat
        if seat is None:
            return b""
        if seat.here:
            folder = self._supervisor.pool.folder(seat, self._supervisor.folder)
            return read_from(history_file(folder, slot.name), offset)
        import ray

        with suppress(Exception):  # dead or silent: the trial notices by itself
            return bytes(ray.get(seat.actor.saved_history.remote(offset), timeout=PULL_TIMEOUT_S))
        return b""

    def close(self) -> None:
        """Bring over the rest and leave the stream as it is. Call it while the trial's folder still exists."""
        going = not self._over.is_set()
        self._over.set()
        self._thread.join(PULL_TIMEOUT_S)
        try:
            if going and not self._thread.is_alive():
                self.pull()
            self._writer.close(finish=False)
        except (HarnessError, OSError) as error:
            self._complain(str(error))
