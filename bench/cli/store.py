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


def begin(trial: Trial) -> Path:
    """A folder for a run, with the trial in it."""
    from ..provenance import code_version

    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    name = f"{stamp}-{trial.protocol}-{trial.key(code_version())[:8]}"
    folder = RUNS / name
    attempt = 1
    while True:
        try:
            folder.mkdir(parents=True)
            break
        except FileExistsError:
            attempt += 1
            folder = RUNS / f"{name}-{attempt}"
    (folder / TRIAL).write_bytes(msgspec.json.format(msgspec.json.encode(trial), indent=2) + b"\n")
    return folder


def keep(result: Result, history: History | None, folder: Path | None = None) -> tuple[Result, Path]:
    """Store a run, in the ``folder`` with which it began if it has one; the result says where its history is."""
    from ..history.storage import UNFINISHED, write_history

    folder = folder or begin(result.spec)
    if history is not None:
        write_history(history, folder / HISTORY)
        result = msgspec.structs.replace(result, history=HISTORY)
    (folder / RESULT).write_bytes(encode(result))
    (folder / (HISTORY + UNFINISHED)).unlink(missing_ok=True)
    return result, folder


def keep_partial(folder: Path, history: History | None) -> Path | None:
    """Store what is known of a run that did not end: there is no result, but what clients saw can be judged.

    Args:
        folder: with which it began; removed if nothing is known.
        history: None: what was streamed to the folder.

    Returns:
        where the history is, if there is any.
    """
    from ..history.storage import UNFINISHED, finish_history, write_history

    path = folder / HISTORY
    left = folder / (HISTORY + UNFINISHED)
    try:
        if history is not None and len(history):
            write_history(history, path)
            left.unlink(missing_ok=True)
            return path
        found = finish_history(path)
    except (OSError, UsageError):  # what was streamed stays as it is
        return left if left.exists() else None
    if found is not None and len(found):
        return path
    for file in (path, folder / TRIAL):
        file.unlink(missing_ok=True)
    folder.rmdir()
    return None


def find_history(name: str) -> Path:
    """The history that a file, a run's folder, or part of its name means; of a run that did not end, what is left.

    Raises:
        UsageError: none, or several.
    """
    from ..history.storage import UNFINISHED

    _named(name)
    folder = Path(name)
    if folder.suffix and not folder.is_dir():
        return folder
    if not folder.is_dir():
        found = sorted({each.parent for each in RUNS.glob(f"*/{HISTORY}*") if name in each.parent.name})
        folder = found[0] if len(found) == 1 else find(name).parent
    left = folder / (HISTORY + UNFINISHED)
    if left.is_file() and not (folder / HISTORY).is_file():
        return left
    if not (folder / HISTORY).is_file():
        raise UsageError(f"{folder} holds no {HISTORY}: give the folder of a run that kept one, or a file")
    return folder / HISTORY


def judge_partial(folder: Path) -> Result | None:
    """What can be said of a run that did not end, from what clients saw until then; None if the folder is none of one.

    Raises:
        UsageError: its files cannot be read.
    """
    from ..assess import assess
    from ..history.history import NEVER
    from ..history.storage import read_history
    from ..provenance import provenance
    from ..run import prepare
    from ..runtime.record import RunRecord

    if (folder / RESULT).is_file() or not (folder / TRIAL).is_file():
        return None
    trial = load(str(folder / TRIAL)).trial
    path = find_history(str(folder))
    history = read_history(path)
    ended = history.completed[history.completed < NEVER]
    load_end = min(trial.duration, max(int(ended.max(initial=0)), trial.warmup + 1))
    result = assess(trial, RunRecord(history=history, load_end=load_end), prepare(trial)[0], provenance())
    reason = f"the run did not end: this is what clients saw in its first {load_end / 1e9:.1f} s"
    verdict = result.verdict if result.verdict == "invalid" else "unknown"
    return msgspec.structs.replace(
        result, trial="void", void_reason=reason, verdict=verdict, error="the run did not end", history=path.name
    )


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
    _named(name)
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


def _named(name: str) -> None:
    """Raise :class:`UsageError` for a name of nothing, as an unset variable of a script leaves it."""
    if not name.strip():
        raise UsageError(f"the name of the run is empty: give its folder, or part of its name in {RUNS}/")


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
