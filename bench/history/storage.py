"""Histories on disk: Parquet at the end of a run, an Arrow stream while it goes.

A Parquet file is unreadable without its footer, which is written last: a run that is killed would leave nothing. So
:class:`HistoryWriter` appends record batches to an Arrow IPC stream, every complete batch of which can be read
whatever follows it, and turns it into Parquet when the run ends. One file instead of numbered parts, because then
there is nothing to collect, count or clean up, and "how far did it get" is its length.

Batches are handed to the operating system, not synced: a killed process loses none of them; only a machine that loses
power does. Both files carry checksums of the rows, because a page that never reached the disk, or a byte that changed
there, would else be judged as what a system did.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import xxhash

from ..errors import HarnessError, UsageError
from .history import CLOCK_COLUMNS, COLUMNS, NEVER, History, HistoryBuilder

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = b"quorumbench-history"
VERSION = b"1"
DIGEST = b"digest"
"""Metadata, of a Parquet file or of a batch of a stream: a checksum of its rows. Files of before have none."""
UNFINISHED = ".unfinished"
"""Appended to the path while a run goes; what a crashed run leaves, and :func:`read_history` reads too."""
_TYPES = {"q": "int64", "i": "int32", "b": "int8"}


def write_history(history: History, path: str | os.PathLike[str]) -> None:
    """Store a history as Parquet, whole or not at all: a reader never sees half a file.

    Raises:
        OSError: the folder cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(list(history.columns().values()), schema=_schema(clocks=history.clock is not None))
    digest = _digest(column.to_numpy() for column in table.columns)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), DIGEST: digest})
    temporary = _temporary(target)
    try:
        pq.write_table(table, temporary, compression="zstd")
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def read_history(path: str | os.PathLike[str]) -> History:
    """A stored history, in order of invocation: a finished file, or the ``.unfinished`` one of a crashed run.

    Of an unfinished one, every batch that was stored whole.

    Raises:
        UsageError: the file is missing, truncated, damaged, or not a history.
    """
    source = Path(path)
    if not source.is_file():
        left = source.with_name(source.name + UNFINISHED)
        if left.is_file():
            raise UsageError(f"history {source} is missing: its run did not finish, what it stored is in {left}")
        raise UsageError(f"history {source} is missing: there is no such file")
    unfinished = source.suffix == UNFINISHED
    table = _read_stream(source) if unfinished else _read_parquet(source)
    found = table.schema.metadata or {}
    if found.get(b"format") != FORMAT:
        raise UsageError(f"{source} is not a history: it was not written by quorumbench")
    if found.get(b"version") != VERSION:
        version = found.get(b"version", b"?").decode()
        raise UsageError(f"history {source} has format version {version}: this is version {VERSION.decode()}")
    clocks = "clock" in table.schema.names
    if not table.schema.equals(_schema(clocks=clocks)):
        raise UsageError(f"history {source} is damaged: its columns are not those of version {VERSION.decode()}")
    if any(column.null_count for column in table.columns):
        raise UsageError(f"history {source} is damaged: some of its cells are empty")
    names = COLUMNS | CLOCK_COLUMNS if clocks else COLUMNS
    columns = {name: np.array(table.column(name).to_numpy()) for name in names}
    if DIGEST in found and found[DIGEST] != _digest(columns.values()):
        raise UsageError(f"history {source} is damaged: its rows are not those that were written")
    invoked = columns["invoked"]
    if np.any(invoked[1:] < invoked[:-1]):  # streamed in the order of completion
        order = np.argsort(invoked, kind="stable")
        columns = {name: column[order] for name, column in columns.items()}
    return settle(History(**columns)) if unfinished else History(**columns)


def settle(history: History) -> History:
    """A history without what a stream says twice: an operation under way, as a row that never completed, and its end.

    No process has two operations open, so process and invocation name one.
    """
    never = history.completed == NEVER
    if not never.any():
        return history
    order = np.lexsort((never, history.invoked, history.process))
    process, invoked = history.process[order], history.invoked[order]
    again = (process[1:] == process[:-1]) & (invoked[1:] == invoked[:-1]) & never[order][1:]
    if not again.any():
        return history
    kept = np.ones(len(history), dtype=np.bool_)
    kept[order[1:][again]] = False
    return history.take(kept)


def finish_history(path: str | os.PathLike[str]) -> History | None:
    """Turn what a run has left at ``path`` + ``.unfinished`` into the Parquet file at ``path``; None if there is none.

    Raises:
        UsageError: nothing in it can be read.
        OSError: the folder cannot be written.
    """
    target = Path(path)
    left = target.with_name(target.name + UNFINISHED)
    if not left.is_file():
        return None
    history = read_history(left)
    write_history(history, target)
    left.unlink()
    return history


class HistoryWriter:
    """Stores operations while a run goes, from a thread of its own: :meth:`add` never waits for the disk.

    Rows are handed over every ``interval_s`` seconds, or sooner when ``batch`` of them wait. If the disk does not keep
    up, they wait in memory, up to ``limit`` rows.

    Use it as a context manager: it closes, and so keeps what there is, also when the run fails.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        interval_s: float = 0.5,
        batch: int = 50_000,
        limit: int = 5_000_000,
        clocks: bool = False,
    ) -> None:
        """Start writing to ``path`` + ``.unfinished``; ``path`` itself appears at :meth:`close`.

        ``clocks``: several clocks record the history; all rows then come through :meth:`extend`, with two columns more.

        Raises:
            OSError: the folder cannot be written.
        """
        import pyarrow as pa

        self.path = Path(path)
        self.unfinished = self.path.with_name(self.path.name + UNFINISHED)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._interval_s = interval_s
        self._batch = batch
        self._limit = limit
        self._clocks = clocks
        self._rows = HistoryBuilder(clocks=clocks)
        self._lock = threading.Lock()  # held for one append or one exchange of builders, never during a write
        self._wake = threading.Event()
        self._closing = False
        self._closed = False
        self._error: Exception | None = None
        self._written = 0
        self._file = self.unfinished.open("wb")
        self._stream = pa.ipc.new_stream(self._file, _schema(clocks=clocks))
        self._store()  # the stream begins lazily, with the first batch: an empty one makes it readable from now on
        self._thread = threading.Thread(target=self._run, name="history-writer", daemon=True)
        self._thread.start()

    def add(self, **operation: int) -> None:
        """Append one operation; the arguments are those of :meth:`HistoryBuilder.add`.

        Raises:
            HarnessError: the disk failed, or has fallen ``limit`` rows behind.
        """
        if self._error is not None:
            self._fail(self._error)
        with self._lock:
            self._rows.add(**operation)
            waiting = len(self._rows)
        if waiting >= self._batch:
            if waiting > self._limit:
                raise HarnessError(f"history {self.path}: the disk does not keep up, {waiting} operations wait for it")
            self._wake.set()

    def extend(self, columns: Mapping[str, bytes]) -> None:
        """Append many rows, a column each as the bytes of an array; they are handed over at once.

        An operation under way may be among them, as a row that never completed; its end comes later as another.

        Raises:
            HarnessError: the disk failed, or has fallen ``limit`` rows behind.
        """
        if self._error is not None:
            self._fail(self._error)
        with self._lock:
            for name, column in columns.items():
                self._rows.columns[name].frombytes(column)
            waiting = len(self._rows)
        if waiting > self._limit:
            raise HarnessError(f"history {self.path}: the disk does not keep up, {waiting} operations wait for it")
        self._wake.set()

    def flush(self, timeout_s: float = 10.0) -> None:
        """Wait until all that was added is with the operating system. Not for an event loop.

        Raises:
            HarnessError: the disk failed, or did not take it in time.
        """
        with self._lock:
            goal = self._written + len(self._rows)
        deadline = monotonic() + timeout_s
        while self._written < goal and self._error is None and monotonic() < deadline:
            self._wake.set()
            threading.Event().wait(0.002)
        if self._error is not None:
            self._fail(self._error)
        if self._written < goal:
            raise HarnessError(f"history {self.path}: the disk took longer than {timeout_s:g} s")

    def close(self, *, finish: bool = True) -> None:
        """Write the rest and turn the stream into the Parquet file; unless ``finish``, leave it. Again: no effect.

        Raises:
            HarnessError: the disk failed; what was stored before is in the ``.unfinished`` file.
        """
        if self._closed:
            return
        self._closed = True
        self._closing = True
        self._wake.set()
        self._thread.join()
        if self._error is None:
            try:
                self._stream.close()
                self._file.close()
                if finish:
                    finish_history(self.path)
            except Exception as error:
                self._error = error
        self._file.close()
        if self._error is not None:
            self._fail(self._error)

    def __enter__(self) -> HistoryWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _fail(self, error: Exception) -> NoReturn:
        raise HarnessError(f"history {self.path} could not be written: {error}") from error

    def _run(self) -> None:
        try:
            while True:
                self._wake.wait(self._interval_s)
                self._wake.clear()
                closing = self._closing  # read before taking the rows: none is added after it is set
                if len(self._rows):
                    self._store()
                if closing:
                    return
        except Exception as error:  # shown by the next add, flush or close
            self._error = error

    def _store(self) -> None:
        import pyarrow as pa

        with self._lock:
            rows, self._rows = self._rows, HistoryBuilder(clocks=self._clocks)
        schema = _schema(clocks=self._clocks)
        types = [str(field.type) for field in schema]
        columns = zip(rows.columns.values(), types, strict=True)
        arrays = [pa.array(np.frombuffer(column, dtype=kind)) for column, kind in columns]
        digest = {DIGEST: _digest(rows.columns.values())}
        self._stream.write_batch(pa.record_batch(arrays, schema=schema), custom_metadata=digest)
        self._file.flush()
        self._written += len(rows)


def _digest(columns: Iterable[Any]) -> bytes:
    """Of rows, a column after the other; anything whose memory can be looked at."""
    found = xxhash.xxh3_128()
    for column in columns:
        found.update(np.ascontiguousarray(column).data)
    return found.hexdigest().encode()


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.getpid()}.tmp")


def _schema(*, clocks: bool = False) -> pa.Schema:
    """Of a history that one clock recorded, or several."""
    import pyarrow as pa

    columns = COLUMNS | CLOCK_COLUMNS if clocks else COLUMNS
    fields = [pa.field(name, _TYPES[code]) for name, code in columns.items()]
    return pa.schema(fields, metadata={b"format": FORMAT, b"version": VERSION})


def _read_parquet(source: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(source).read()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        with source.open("rb") as file:
            begins = file.read(4)
        what = "truncated or damaged" if begins == b"PAR1" else "not a history: it is not Parquet"
        raise UsageError(f"{source} is {what}") from error


def _read_stream(source: Path) -> Any:
    import pyarrow as pa

    batches = []
    try:
        stream = pa.ipc.open_stream(source.read_bytes())
    except (pa.ArrowInvalid, OSError) as error:
        raise UsageError(f"{source} is not a history: nothing in it can be read") from error
    # Cut in the middle of a batch, or damaged there: what was stored before it stands, and what comes after has a gap.
    with suppress(pa.ArrowException, OSError, StopIteration):
        while True:
            batch, metadata = stream.read_next_batch_with_custom_metadata()
            batch.validate(full=True)
            digest = None if metadata is None else metadata.get(DIGEST)
            if digest is not None and digest != _digest(column.to_numpy() for column in batch.columns):
                break
            batches.append(batch)
    return pa.Table.from_batches(batches, schema=stream.schema)
