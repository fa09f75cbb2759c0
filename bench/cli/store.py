"""Where single runs are kept: ``runs/<timestamp>-<protocol>-<hash>/`` with the result, the trial and the history."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ..errors import UsageError, unknown_name
from ..history import History
from ..trial import SCHEMA_VERSION, Result, Trial

RUNS = Path("runs")
RESULT, TRIAL, HISTORY = "result.json", "trial.json", "history.parquet"


def check_writable(path: Path) -> None:
    """Raise :class:`UsageError` unless a file could be written at ``path``; nothing is created."""
    if path.is_dir():
        raise UsageError(f"{path} is a folder: give the name of a file")
    folder = path.parent
    if not folder.is_dir():
        raise UsageError(f"{path} cannot be written: there is no folder {folder}")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise UsageError(f"{path} cannot be written: permission denied")


def check_runs() -> None:
    """Raise :class:`UsageError` unless a run could be kept; nothing is created."""
    folder = RUNS if RUNS.exists() else Path()
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise UsageError(f"{RUNS}/ cannot be written here: run in another folder, or give --no-store")


def encode(result: Result) -> bytes:
    """The JSON of a result, indented, ``schema_version`` first."""
    return msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n"


def keep(result: Result, history: History | None) -> tuple[Result, Path]:
    """Store a run; the result says where its history is."""
    from ..history.storage import write_history
    from ..provenance import code_version

    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    name = f"{stamp}-{result.protocol}-{result.spec.key(code_version())[:8]}"
    folder = RUNS / name
    attempt = 1
    while True:
        try:
            folder.mkdir(parents=True)
            break
        except FileExistsError:
            attempt += 1
            folder = RUNS / f"{name}-{attempt}"
    if history is not None:
        write_history(history, folder / HISTORY)
        result = msgspec.structs.replace(result, history=HISTORY)
    (folder / TRIAL).write_bytes(msgspec.json.format(msgspec.json.encode(result.spec), indent=2) + b"\n")
    (folder / RESULT).write_bytes(encode(result))
    return result, folder


@dataclass(frozen=True)
class Recorded:
    """A run that was found.

    Attributes:
        trial: what was run.
        result: what came out; None if only the trial was kept.
        path: the file it was read from.
    """

    trial: Trial
    result: Result | None
    path: Path


def find(name: str) -> Path:
    """The result file (or trial file) that a path, a run's folder, or part of its name means.

    Raises:
        UsageError: none, or several.
    """
    path = Path(name)
    if path.is_file():
        return path
    if path.is_dir():
        for file in (RESULT, TRIAL):
            if (path / file).is_file():
                return path / file
        raise UsageError(f"{name} holds no {RESULT}: give the folder of a run")
    recorded = sorted(each.parent.name for each in RUNS.glob(f"*/{RESULT}"))
    found = [each for each in recorded if name in each] if name else []
    if len(found) == 1:
        return RUNS / found[0] / RESULT
    if found:
        raise UsageError(f"{name!r} could be any of {len(found)} runs: {', '.join(found[-4:])}")
    if "/" in name or not recorded:
        raise UsageError(f"there is no run {name!r}: give the folder of a run, or part of its name in {RUNS}/")
    raise unknown_name("run", name, recorded[-20:])


def load(name: str) -> Recorded:
    """Read a recorded run.

    Raises:
        UsageError: there is none, or it is not one.
    """
    path = find(name)
    data = path.read_bytes()
    try:
        if b'"spec"' in data:
            result = msgspec.json.decode(data, type=Result)
            if result.schema_version != SCHEMA_VERSION:
                raise UsageError(f"{path} has schema version {result.schema_version}, this is {SCHEMA_VERSION}")
            return Recorded(result.spec, result, path)
        return Recorded(msgspec.json.decode(data, type=Trial), None, path)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not the JSON of a run: {error}") from None
