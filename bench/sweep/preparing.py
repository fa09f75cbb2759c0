"""Before a sweep runs: where it is kept, whether its cells can be run, and how long they will take."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ..errors import HarnessError, UsageError
from ..provenance import ROOT
from ..trial import Trial
from .grid import Cell
from .worker import ENTRY, run_one

LIVE_OVERHEAD_S = 1.0
"""A live trial beyond its load: settling, healing, the liveness phase and the checks."""
GOLDEN = 0.6180339887
ESTIMATE_S = 3.0
"""An estimate may take so long, and a trial."""


def estimate_live_s(trial: Trial) -> float:
    """Wall time of a live trial before one has been seen."""
    return trial.duration / 1e9 + LIVE_OVERHEAD_S


def default_folder(name: str) -> Path:
    """``runs/NAME-DATE-TIME`` in the current folder."""
    return Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"


def script_name(path: Path) -> str:
    """A script's path inside the project, or its file name."""
    try:
        return path.resolve().relative_to(ROOT).as_posix()
    except ValueError:
        return path.name


def check_cells(cells: Sequence[Cell], entry: str) -> None:
    """Raise :class:`UsageError` for the first cell that is the trial of another, or whose parameters cannot be."""
    seen: dict[str, Cell] = {}
    for cell in cells:
        other = seen.setdefault(cell.template.key(""), cell)
        if other is not cell:
            raise UsageError(
                f"cells {other.label} and {cell.label} run the same trial: one of the axes changes nothing"
            )
    if entry != ENTRY:
        return  # a stand-in knows nothing of protocols
    from .. import run

    for cell in cells:
        try:
            run.prepare(cell.template)
        except UsageError as error:
            raise UsageError(f"cell {cell.label}: {error}") from None
        except HarnessError:
            continue


def estimate_s(cells: Sequence[Cell], seeds: int, live_trials: int, workers: int, entry: str) -> tuple[float, float]:
    """(simulated, live) seconds a sweep will take: one seed of some cells all over the grid is run and timed."""
    simulated = 0.0
    if seeds and cells:
        run_one(cells[0].trial("sim", 1), entry)  # the first also imports what all need
        took: list[float] = []
        began = time.perf_counter()
        places = sorted(range(len(cells)), key=lambda place: place * GOLDEN % 1.0)  # evenly spread, however many
        for place in places:
            started = time.perf_counter()
            run_one(cells[place].trial("sim", 1), entry)
            took.append(time.perf_counter() - started)
            if time.perf_counter() - began > ESTIMATE_S:
                break
        simulated = sum(took) / len(took) * seeds * len(cells) / workers
    return simulated, live_trials * sum(estimate_live_s(cell.template) for cell in cells)
