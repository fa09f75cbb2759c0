"""Where a sweep keeps its trials: a folder of small Parquet files, one added as trials finish.

Each part is written beside its place and renamed into it, so a reader never sees half of one and a kill at any moment
loses only what was still running. A row holds the flat figures for people and pandas, and the whole result as JSON.
"""

from __future__ import annotations

import fcntl
import functools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from ..assess import failed
from ..calibration import Calibration
from ..errors import UsageError
from ..stats.knee import Saturation
from ..stats.looks import Precision
from ..trial import Detection, Result, Trial
from .grid import Point, frozen

COMPACT_AT = 256
"""Parts beyond this number are merged into one: thousands of tiny files are slow to read and to copy."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A finished (or failed) trial.

    Attributes:
        key: :meth:`bench.trial.Trial.key`.
        point: the cell's values.
        code_version: of the code that ran it.
        sitting: which start of the sweep ran it, from 1.
        finished: seconds since the epoch.
        result: without its provenance, which is stored once a sitting.
    """

    key: str
    point: Point
    code_version: str
    sitting: int
    finished: float
    result: Result


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What a run folder holds, as JSON beside the trials (``sweep.json``).

    Attributes:
        name, question: of the sweep.
        script: path of its script inside the project, or its file name.
        points: the cells in order.
        seeds, live: simulated and live trials asked for a cell.
        budget_s: seconds it was given, None without a limit.
        metric: the column it is about.
        biases: sentences on what could mislead in it.
        calibration: whence its simulations have their service times, from its first sitting on; None: the default.
        precision: how narrow intervals were to become; None for a fixed number of seeds.
        saturation: the knee that was searched; None for no search.
        code_version: of the latest sitting.
        sittings: provenance of each start.
        notes: what went wrong on the way, for people.
        took_s: wall time of the latest sitting.
        finished: whether the latest sitting ended by itself.
    """

    name: str
    question: str
    script: str = ""
    points: tuple[Point, ...] = ()
    seeds: int = 0
    live: int = 0
    budget_s: float | None = None
    metric: str = "unavailable_s"
    biases: tuple[str, ...] = ()
    calibration: Calibration | None = None
    precision: Precision | None = None
    saturation: Saturation | None = None
    code_version: str = ""
    sittings: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    took_s: float = 0.0
    finished: bool = False


def flat(result: Result) -> dict[str, Any]:
    """The figures of a result as columns, times in seconds.

    A quantile of latency that is beyond what was observed is missing while ``latency_censored`` is above 0; an outage
    that was seen in part only (``unavailable_censored``) is a lower bound. For statistics over trials take
    :func:`bench.sweep.result.observed`.
    """
    latency, recovery = result.latency_s, result.recovery_s
    return {
        "protocol": result.protocol,
        "runtime": result.runtime,
        "seed": result.seed,
        "trial": result.trial,
        "void_reason": result.void_reason,
        "verdict": result.verdict,
        "throughput_ops_s": result.throughput_ops_s,
        "p50_s": latency.p50,
        "p90_s": latency.p90,
        "p99_s": latency.p99,
        "p999_s": latency.p999,
        "max_s": latency.max,
        "latency_censored": latency.censored,
        "unavailable_s": result.unavailable_s,
        "unavailable_resolution_s": result.unavailable_resolution_s,
        "unavailable_censored": result.unavailable_censored,
        "detect_s": recovery.detect,
        "elect_s": recovery.elect,
        "commit_s": recovery.commit,
        "p99_back_s": result.recoveries[0].p99_back if result.recoveries else None,
        "steady_s": result.steady_s,
        "ok": result.operations.ok,
        "fail": result.operations.fail,
        "info": result.operations.info,
        "messages_per_operation": result.messages_per_operation,
        "leader_changes": result.leader_changes,
        "leader_hit": bool(result.leader_hit),
        **_detection(result.detection),
        "messages_server": result.messages.server,
        "harness_bound": result.harness_bound,
        "events": result.events,
        "took_s": result.took_s,
        "error": result.error,
    }


def extra(result: Result) -> dict[str, Any]:
    """What not every trial has: figures of its checks and its runtime, and ``holds.MODEL`` of the models measured."""
    return {**result.figures, **{f"holds.{model}": word for model, word in result.measured.items()}}


def _detection(found: Detection | None) -> dict[str, Any]:
    """The quality of service of failure detection; missing for protocols without opinions."""
    found = found or Detection()
    return {
        "detection_first_s": _mean(found.detection_first),
        "detection_s": found.detection,
        "detection_max_s": found.detection_max,
        "spread_s": _mean(found.spread),
        "undetected": float(found.undetected),
        "mistakes": float(found.mistakes),
        "observed_s": found.observed,
        "mistake_rate": found.mistake_rate,
        "mistake_s": found.mistake_length,
        "accuracy": found.accuracy,
    }


def _mean(values: tuple[float, ...]) -> float | None:
    return sum(values) / len(values) if values else None


_TEXT = ("protocol", "runtime", "trial", "void_reason", "verdict", "error")
_WHOLE = ("seed", "ok", "fail", "info", "leader_changes", "events")
_TRUTH = ("leader_hit", "harness_bound", "unavailable_censored")


@functools.cache
def metrics() -> tuple[str, ...]:
    """Columns of figures: what trials can be compared by."""
    columns = flat(failed(Trial(protocol=""), "", {}))
    return tuple(name for name in columns if name not in (*_TEXT, *_TRUTH, "seed"))


@functools.cache
def _schema(columns: tuple[str, ...]) -> Any:
    """Explicit types: a part whose only trial failed would otherwise have columns of no type."""
    import pyarrow as pa

    def kind(name: str) -> Any:
        if name in _TEXT or name in ("key", "point", "code_version"):
            return pa.string()
        if name in _WHOLE or name == "sitting":
            return pa.int64()
        if name in _TRUTH:
            return pa.bool_()
        return pa.binary() if name == "result" else pa.float64()

    return pa.schema([(name, kind(name)) for name in columns])


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Make the folder if need be, and hold it: two at once would write over each other's trials.

    Held by the kernel, so a kill lets go of it too.

    Raises:
        UsageError: somebody else holds it, or it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise UsageError(f"the folder {folder} cannot be written to: {error.strerror}") from None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise UsageError(f"{folder} is in use: wait for who runs in it, or give another folder with --out") from None
    try:
        yield
    finally:
        os.close(held)


class RunFolder:
    """The files of one run of a sweep."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.parts = path / "trials"
        files = self._files()
        self._next = 1 + max((int(p.stem.split("-")[1]) for p in files), default=0)
        self._parts = len(files)

    def _files(self) -> list[Path]:
        return sorted(self.parts.glob("part-*.parquet"))

    def create(self) -> None:
        """Make the folder.

        Raises:
            UsageError: it cannot be written to.
        """
        try:
            self.parts.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"the folder {self.path} cannot be written to: {error.strerror}") from None
        for left_over in self.parts.glob("*.tmp"):
            left_over.unlink()

    # --- description -------------------------------------------------------------------------------------------------

    def describe(self, description: Description) -> None:
        """Write ``sweep.json``, at once or not at all."""
        self._replace(self.path / "sweep.json", msgspec.json.format(msgspec.json.encode(description), indent=2))

    def description(self) -> Description | None:
        """What ``sweep.json`` says; None without one.

        Raises:
            UsageError: it is there and cannot be read.
        """
        file = self.path / "sweep.json"
        if not file.exists():
            return None
        try:
            found = msgspec.json.decode(file.read_bytes(), type=Description)
        except (msgspec.MsgspecError, OSError):
            raise UsageError(f"{file} is not the description of a sweep") from None
        points = tuple({name: frozen(value) for name, value in point.items()} for point in found.points)
        return msgspec.structs.replace(found, points=points)

    @staticmethod
    def _replace(file: Path, content: bytes) -> None:
        beside = file.with_suffix(file.suffix + ".tmp")
        beside.write_bytes(content)
        os.replace(beside, file)

    # --- trials ------------------------------------------------------------------------------------------------------

    def append(self, rows: Sequence[Row]) -> None:
        """Add finished trials as one part."""
        if not rows:
            return
        import pyarrow as pa

        listed = [
            {
                "key": row.key,
                "point": msgspec.json.encode(row.point).decode(),
                "code_version": row.code_version,
                "sitting": row.sitting,
                "finished": row.finished,
                **flat(row.result),
                "result": msgspec.json.encode(row.result),
            }
            for row in rows
        ]
        schema = _schema(tuple(listed[0]))
        self._write(pa.Table.from_pylist(listed, schema=schema), small=True)
        if self._parts >= COMPACT_AT:
            self._compact(self._files())

    def _write(self, table: Any, *, small: bool = False) -> Path:
        """A new part. A small one, written between two trials, goes without what makes large files fast to search."""
        import pyarrow.parquet as pq

        file = self.parts / f"part-{self._next:06d}.parquet"
        self._next += 1
        beside = file.with_suffix(".tmp")
        kind = {"use_dictionary": False, "write_statistics": False} if small else {"compression": "zstd"}
        pq.write_table(table, beside, **kind)
        os.replace(beside, file)
        self._parts += 1
        return file

    def _compact(self, files: Sequence[Path]) -> None:
        """One file for many. A kill in between leaves trials twice on disk, and :meth:`rows` reads each key once."""
        import pyarrow as pa

        whole = {file: table for file, table in self._tables() if file in files}
        if not whole:
            return
        # parts of an earlier version may lack columns
        self._write(pa.concat_tables(whole.values(), promote_options="default"))
        for file in whole:
            file.unlink()
        self._parts = 1

    def compact(self) -> None:
        """Merge all parts into one."""
        files = self._files()
        if len(files) > 1:
            self._compact(files)

    def keys(self) -> set[str]:
        """Of the trials that are finished."""
        found: set[str] = set()
        for _, table in self._tables(["key"]):
            found.update(table.column("key").to_pylist())
        return found

    def damaged(self) -> list[Path]:
        """Parts that cannot be read: a loss of power may leave a file without its content. Their trials run again."""
        whole = {file for file, _ in self._tables(["key"])}
        return [file for file in self._files() if file not in whole]

    def _tables(self, columns: list[str] | None = None) -> Iterator[tuple[Path, Any]]:
        """Every part that can be read, with what it holds."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        for file in self._files():
            try:
                yield file, pq.read_table(file, columns=columns)
            except (pa.ArrowInvalid, OSError):
                continue

    def rows(self) -> list[Row]:
        """Every finished trial, once, in the order they finished.

        Raises:
            UsageError: a part was written by a version of this program whose results cannot be read any more.
        """
        found: dict[str, Row] = {}
        columns = ["key", "point", "code_version", "sitting", "finished", "result"]
        for file, table in self._tables(columns):
            for raw in table.to_pylist():
                point = msgspec.json.decode(raw["point"])
                try:
                    result = msgspec.json.decode(raw["result"], type=Result)
                except msgspec.MsgspecError as error:
                    raise UsageError(f"{file} holds results of another version of quorumbench: {error}") from None
                found[raw["key"]] = Row(
                    key=raw["key"],
                    point={name: frozen(value) for name, value in point.items()},
                    code_version=raw["code_version"],
                    sitting=raw["sitting"],
                    finished=raw["finished"],
                    result=result,
                )
        return sorted(found.values(), key=lambda row: row.finished)
