"""What is compared: the trials of a sweep, of a run, or of a folder of runs, by cell and world."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from ..errors import UsageError
from ..sweep.grid import describe
from ..sweep.result import SweepResult, Threshold
from ..trial import Result

RESULT = "result.json"


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes:
        name: of its folder.
        cells: name of a cell and its world -> its trials.
        provenance: of its latest sitting.
        machines: id -> what it is, of every machine that ran trials of it.
    """

    name: str
    cells: Mapping[str, tuple[Result, ...]]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    machines: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """Its commit (or the hash of its sources), for people."""
        commit = self.provenance.get("commit")
        dirty = " with changes" if self.provenance.get("dirty") else ""
        return (
            f"commit {str(commit)[:10]}{dirty}" if commit else f"code {self.provenance.get('code_version', 'unknown')}"
        )


def load(path: Path | str, *, by_setting: bool = False) -> Side:
    """The folder of a sweep or of a run, a run's JSON, or a folder that holds runs.

    ``by_setting``: cells are what was run, also where a sweep names them by its axes.

    Raises:
        UsageError: it is none of these, or a file cannot be read.
    """
    path = Path(path)
    if (path / "sweep.json").is_file():
        sweep = SweepResult.load(path)
        if not by_setting:
            return of_sweep(sweep)
        last = sweep.description.sittings[-1] if sweep.description.sittings else {}
        return of_results(path.name, [msgspec.structs.replace(row.result, provenance=last) for row in sweep.rows])
    if path.is_file():
        return of_results(path.parent.name or path.name, [_read(path)])
    if not path.is_dir():
        raise UsageError(f"there is no run {path}: give the folder of a sweep or of a run")
    files = [path / RESULT] if (path / RESULT).is_file() else sorted(path.glob(f"*/{RESULT}"))
    if not files:
        raise UsageError(f"{path} holds neither a sweep (sweep.json) nor runs ({RESULT})")
    return of_results(path.name, [_read(file) for file in files])


def _read(file: Path) -> Result:
    try:
        return msgspec.json.decode(file.read_bytes(), type=Result)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise UsageError(f"{file} is not the result of a run: {error}") from None


def _world(result: Result) -> str:
    return "live" if result.runtime == "ray" else "simulated"


def machines_of(provenances: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Id -> description of the machines in some provenances."""
    found = {}
    for each in provenances:
        machine = each.get("machine") or {}
        if "id" in machine:
            text = f"{machine.get('cpu')}, {machine.get('cores')} cores, kernel {machine.get('kernel')}"
            found[str(machine["id"])] = text
    return found


def of_sweep(sweep: SweepResult) -> Side:
    """The trials of a sweep; those of other code or of cells no longer in its grid are left out."""
    points = [dict(point) for point in sweep.description.points]
    cells: dict[str, list[Result]] = {}
    for row in sweep.rows:
        if row.point in points:
            cells.setdefault(f"{describe(row.point)} ({_world(row.result)})", []).append(row.result)
    sittings = sweep.description.sittings
    return Side(
        name=sweep.folder.name,
        cells={name: tuple(results) for name, results in cells.items()},
        provenance=sittings[-1] if sittings else {},
        machines=machines_of(sittings),
    )


def of_results(name: str, results: Iterable[Result]) -> Side:
    """Single runs: those that differ in nothing but their seed are trials of one cell."""
    listed = list(results)
    cells: dict[str, list[Result]] = {}
    for result in listed:
        cells.setdefault(_cell(result), []).append(result)
    provenances = [result.provenance for result in listed]
    return Side(
        name=name,
        cells={cell: tuple(found) for cell, found in cells.items()},
        provenance=provenances[-1] if provenances else {},
        machines=machines_of(provenances),
    )


def _cell(result: Result) -> str:
    """What was run, in words and, where words do not tell all, a hash: without its seed."""
    spec = msgspec.structs.replace(result.spec, seed=0)
    mutant = f", mutant {spec.mutant}" if spec.mutant else ""
    return f"{spec.protocol}, {spec.nodes} nodes{mutant}, setting {spec.key('')[:6]} ({_world(result)})"


def tolerances(thresholds: Iterable[Threshold]) -> dict[str, float]:
    """What the thresholds of a sweep allow a metric to get worse by."""
    return {each.metric: each.worse_by for each in thresholds if each.worse_by is not None}
